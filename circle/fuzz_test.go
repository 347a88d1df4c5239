package circle

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"primum/grant"
	"primum/mls"
)

func FuzzInner(f *testing.F) {
	for _, it := range []inner{
		{Op: grant.OpObserve, Name: "power", At: worldStart, Value: json.RawMessage("812"), Unit: "W"},
		{Op: grant.OpRead, ID: "1", Name: "power", Since: worldStart, Values: []instant{newInstant(worldStart, nil)}, Next: worldStart},
		{Op: opNonce, ID: "1", Nonce: "n"},
		{Op: opDocuments, Documents: []string{"a.b.c"}},
		{Op: grant.OpWrite, ID: "2", Name: "state", Input: json.RawMessage(`"ON"`), Nonce: "n", Problem: &Problem{Kind: "x"}},
	} {
		f.Add(encodeInner(it))
		f.Add(encodeInner(it, it))
	}
	f.Add([]byte(`[]`))
	f.Add([]byte(`{"op":"nonce","op":"nonce"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := parseInner(b)
		if err != nil {
			return
		}
		again, err := parseInner(encodeInner(items...))
		if err != nil && len(items) > 0 && len(b) < 1000 {
			t.Fatalf("what was read can't be written and read: %v", err)
		}
		if err == nil && len(items) != len(again) {
			t.Fatalf("%d entries became %d", len(items), len(again))
		}
	})
}

func FuzzHomeMessage(f *testing.F) {
	for _, m := range []homeMessage{
		{T: homeLife, C: 1, At: worldStart},
		{T: homeClosing, C: 2, Prev: "x", At: worldStart, Withdrawal: &Withdrawal{Closing: "a", Countersignature: "b"}},
		{T: homeValues, At: worldStart, Inner: []inner{{Op: grant.OpObserve, Name: "a", At: worldStart, Value: json.RawMessage("1")}}},
		{T: homeThings, At: worldStart, Things: usualThings(), Last: true},
		{T: homePart, At: worldStart, Part: &part64{I: 0, Of: 2, D: []byte("{")}},
		{T: homeStock, At: worldStart, Stock: []stockEntry{{Client: "phone", Key: make([]byte, 32)}}},
	} {
		f.Add(mustJSON(m), uint8(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		m, err := parseHome(b)
		if err != nil {
			return
		}
		var j joiner
		if _, complete, err := j.add(m); err == nil && complete == (m.Part != nil) && m.Part == nil {
			t.Fatal("a whole message is not complete")
		}
		if m.Part == nil {
			roundTrip(t, m)
		}
		_ = cut
	})
}

// roundTrip splits a message and puts it together again.
func roundTrip(t *testing.T, m homeMessage) {
	t.Helper()
	m.C, m.Prev = 0, ""
	m.ThingIDs = append(m.ThingIDs, string(make([]byte, 0, 10)))
	pieces, err := split(m)
	if err != nil {
		return
	}
	var j joiner
	for i, p := range pieces {
		whole, complete, err := j.add(p)
		if err != nil {
			t.Fatalf("piece %d of %d: %v", i, len(pieces), err)
		}
		if complete != (i == len(pieces)-1) {
			t.Fatalf("complete at piece %d of %d", i, len(pieces))
		}
		if complete && whole.T != m.T {
			t.Fatalf("%q became %q", m.T, whole.T)
		}
	}
}

func FuzzLetter(f *testing.F) {
	f.Add(mustJSON(letter{T: letterOffer, Terms: "a.b.c", Opening: "a.b.c", Owner: "a.b.c"}))
	f.Add(mustJSON(letter{T: letterRequest, Request: "a.b.c"}))
	f.Add(mustJSON(letter{T: letterHome, Claim: "a", Countersignature: "b"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseLetter(b)
		if err != nil {
			return
		}
		again, err := parseLetter(mustJSON(l))
		if err != nil || !reflect.DeepEqual(l, again) {
			t.Fatalf("%+v became %+v: %v", l, again, err)
		}
	})
}

func FuzzContext(f *testing.F) {
	exts, err := circleContext{Opening: hashBytes([]byte("a")), Set: hashBytes([]byte("b"))}.extensions()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(exts[0].Data, exts[1].Data, atBytes(worldStart), rejoinData(ID{1}, 7, make([]byte, rejoinNonce)))
	f.Fuzz(func(t *testing.T, required, context, at, rejoin []byte) {
		c, err := parseContext([]mls.Extension{{Type: extRequired, Data: required}, {Type: extContext, Data: context}})
		if err == nil {
			out, err := c.extensions()
			if err != nil || string(out[1].Data) != string(context) {
				t.Fatalf("context %x became %v: %v", context, out, err)
			}
		}
		if when, err := commitAt(at); err == nil && string(atBytes(when)) != string(at) {
			t.Fatalf("time %x became %s", at, when)
		}
		if id, epoch, err := parseRejoin([]mls.Extension{{Type: extRejoin, Data: rejoin}}); err == nil {
			if string(rejoinData(id, epoch, rejoin[24:])) != string(rejoin) {
				t.Fatalf("rejoin request %x is read wrongly", rejoin)
			}
		}
	})
}

func FuzzBackup(f *testing.F) {
	f.Add(mustJSON(backup{Format: 1, ThingSeed: make([]byte, 32)}))
	f.Add(mustJSON(backup{Format: 1, ThingSeed: make([]byte, 32), Owner: ownerName, Things: usualThings()}))
	f.Fuzz(func(t *testing.T, b []byte) {
		an, err := RestoreAnchor(t.TempDir(), b, AnchorOptions{})
		if err != nil {
			return
		}
		if _, ok := an.Claimed(); ok && !an.st.Restored {
			t.Error("a restored edge goes on as if nothing had happened")
		}
		if err := an.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPiecesOutOfOrderAreDropped(t *testing.T) {
	t.Parallel()
	m := homeMessage{T: homeThings, At: worldStart, Things: []Thing{{ID: "x", Description: json.RawMessage(`"` + string(make([]byte, 0)) + string(bytesOf('a', 9000)) + `"`)}}}
	pieces := must[[]homeMessage](t)(split(m))
	if len(pieces) < 3 {
		t.Fatalf("%d pieces", len(pieces))
	}
	for _, order := range [][]int{{1, 2, 3}, {0, 2, 1, 3}, {0, 1, 1, 2, 3}} {
		var j joiner
		for _, i := range order {
			if _, complete, _ := j.add(pieces[i]); complete {
				t.Errorf("order %v is complete", order)
			}
		}
	}
	for i, p := range pieces {
		p.C, p.Prev = 1<<40, hashBytes(nil)
		if n := len(mustJSON(p)); n > homeRoom+40 {
			t.Errorf("piece %d has %d bytes", i, n)
		}
	}
	if _, err := split(homeMessage{T: homeThings, At: worldStart, Things: []Thing{{Description: json.RawMessage(`"` + string(bytesOf('a', 500_000)) + `"`)}}}); err == nil {
		t.Error("half a megabyte was split")
	}
}

func bytesOf(c byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = c
	}
	return b
}

// BenchmarkSealOpenPersisted is one value from the anchor's window to the
// grantee's event: reduced, sealed under a reserved key, opened, and on disk
// before it is shown.
func BenchmarkSealOpenPersisted(b *testing.B) {
	s := newStory(b, every(time.Second))
	c := s.circle()
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if i%800 == 799 {
			b.StopTimer()
			s.run() // lets the epoch turn
			b.StartTimer()
		}
		s.clock.Advance(time.Second)
		s.deliver(b, c)
	}
	b.StopTimer()
	if n := len(s.got(friendName+phone, EventValue)); n == 0 && b.N > 1 {
		b.Fatal("no value arrived")
	}
}

// deliver carries what the anchor has for one circle to the friend.
func (s *story) deliver(b *testing.B, c ID) {
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	must(s.edge.Tick())
	for _, e := range s.edge.Effects() {
		if e.Circle != c {
			continue
		}
		res, ref := s.node.perform("edge", e)
		if ref != nil {
			b.Fatal(ref)
		}
		must(s.edge.Done(e.ID, res))
	}
	log := s.node.circles[c].log
	for _, name := range []string{"edge", friendName + phone} {
		a := s.actors[name]
		for _, sub := range a.Subscriptions() {
			if sub.Circle == c && sub.After < uint64(len(log)) {
				_, err := a.Receive(c, log[sub.After:])
				must(err)
			}
		}
	}
	for _, e := range s.friend.Events() {
		s.events[friendName+phone] = append(s.events[friendName+phone][:0], e)
		must(s.friend.Ack(e.ID))
	}
}

// BenchmarkSealOpenMemory is the same pair of groups without disk and actors.
func BenchmarkSealOpenMemory(b *testing.B) {
	s := newStory(b, every(time.Second))
	c := s.circle()
	seal, open := s.edge.rooms[c].group, s.friend.rooms[c].group
	plain := encodeInner(inner{Op: grant.OpObserve, Name: "power", At: worldStart, Value: json.RawMessage("812"), Unit: "W"})
	if err := seal.Reserve(mls.MaxReserve); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if seal.Reserved() == 0 {
			if err := seal.Reserve(mls.MaxReserve); err != nil {
				b.Fatal(err)
			}
		}
		msg, err := seal.Seal(plain, nil, 256)
		if err == nil {
			_, err = open.Process(msg)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
