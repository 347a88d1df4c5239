package circle

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"primum/circle/internal/anchor"
	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/grant"
	"primum/mls"
)

func FuzzInner(f *testing.F) {
	for _, it := range []core.Inner{
		{Op: grant.OpObserve, Name: "power", At: worldStart, Value: json.RawMessage("812"), Unit: "W"},
		{Op: grant.OpRead, ID: "1", Name: "power", Since: worldStart, Values: []core.Instant{core.NewInstant(worldStart, nil)}, Next: worldStart},
		{Op: core.OpNonce, ID: "1", Nonce: "n"},
		{Op: core.OpDocuments, Documents: []string{"a.b.c"}},
		{Op: grant.OpWrite, ID: "2", Name: "state", Input: json.RawMessage(`"ON"`), Nonce: "n", Problem: &core.Problem{Kind: "x"}},
	} {
		f.Add(core.EncodeInner(it))
		f.Add(core.EncodeInner(it, it))
	}
	f.Add([]byte(`[]`))
	f.Add([]byte(`{"op":"nonce","op":"nonce"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := core.ParseInner(b)
		if err != nil {
			return
		}
		again, err := core.ParseInner(core.EncodeInner(items...))
		if err != nil && len(items) > 0 && len(b) < 1000 {
			t.Fatalf("what was read can't be written and read: %v", err)
		}
		if err == nil && len(items) != len(again) {
			t.Fatalf("%d entries became %d", len(items), len(again))
		}
	})
}

func FuzzHomeMessage(f *testing.F) {
	for _, m := range []core.HomeMessage{
		{T: core.HomeLife, C: 1, At: worldStart},
		{T: core.HomeClosing, C: 2, Prev: "x", At: worldStart, Withdrawal: &core.Withdrawal{Closing: "a", Countersignature: "b"}},
		{T: core.HomeValues, At: worldStart, Inner: []core.Inner{{Op: grant.OpObserve, Name: "a", At: worldStart, Value: json.RawMessage("1")}}},
		{T: core.HomeThings, At: worldStart, Things: usualThings(), Last: true},
		{T: core.HomePart, At: worldStart, Part: &core.Part64{I: 0, Of: 2, D: []byte("{")}},
		{T: core.HomeStock, At: worldStart, Stock: []core.StockEntry{{Client: "phone", Key: make([]byte, 32)}}},
	} {
		f.Add(core.MustJSON(m), uint8(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		m, err := core.ParseHome(b)
		if err != nil {
			return
		}
		var j core.Joiner
		if _, complete, err := j.Add(m); err == nil && complete == (m.Part != nil) && m.Part == nil {
			t.Fatal("a whole message is not complete")
		}
		if m.Part == nil {
			roundTrip(t, m)
		}
		_ = cut
	})
}

// roundTrip splits a message and puts it together again.
func roundTrip(t *testing.T, m core.HomeMessage) {
	t.Helper()
	m.C, m.Prev = 0, ""
	m.ThingIDs = append(m.ThingIDs, string(make([]byte, 0, 10)))
	pieces, err := core.Split(m)
	if err != nil {
		return
	}
	var j core.Joiner
	for i, p := range pieces {
		whole, complete, err := j.Add(p)
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
	f.Add(core.MustJSON(member.Letter{T: member.LetterOffer, Terms: "a.b.c", Opening: "a.b.c", Owner: "a.b.c"}))
	f.Add(core.MustJSON(member.Letter{T: member.LetterRequest, Request: "a.b.c"}))
	f.Add(core.MustJSON(member.Letter{T: member.LetterHome, Claim: "a", Countersignature: "b"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := member.ParseLetter(b)
		if err != nil {
			return
		}
		again, err := member.ParseLetter(core.MustJSON(l))
		if err != nil || !reflect.DeepEqual(l, again) {
			t.Fatalf("%+v became %+v: %v", l, again, err)
		}
	})
}

func FuzzContext(f *testing.F) {
	exts, err := core.CircleContext{Opening: core.HashBytes([]byte("a")), Set: core.HashBytes([]byte("b"))}.Extensions()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(exts[0].Data, exts[1].Data, core.AtBytes(worldStart), core.RejoinData(core.ID{1}, 7, make([]byte, core.RejoinNonce)))
	f.Fuzz(func(t *testing.T, required, context, at, rejoin []byte) {
		c, err := core.ParseContext([]mls.Extension{{Type: core.ExtRequired, Data: required}, {Type: core.ExtContext, Data: context}})
		if err == nil {
			out, err := c.Extensions()
			if err != nil || string(out[1].Data) != string(context) {
				t.Fatalf("context %x became %v: %v", context, out, err)
			}
		}
		if when, err := core.CommitAt(at); err == nil && string(core.AtBytes(when)) != string(at) {
			t.Fatalf("time %x became %s", at, when)
		}
		if id, epoch, err := core.ParseRejoin([]mls.Extension{{Type: core.ExtRejoin, Data: rejoin}}); err == nil {
			if string(core.RejoinData(id, epoch, rejoin[24:])) != string(rejoin) {
				t.Fatalf("rejoin request %x is read wrongly", rejoin)
			}
		}
	})
}

func FuzzBackup(f *testing.F) {
	f.Add(core.MustJSON(anchor.Backup{Format: 1, ThingSeed: make([]byte, 32)}))
	f.Add(core.MustJSON(anchor.Backup{Format: 1, ThingSeed: make([]byte, 32), Owner: ownerName, Things: usualThings()}))
	f.Fuzz(func(t *testing.T, b []byte) {
		an, err := anchor.Restore(t.TempDir(), b, anchor.Options{})
		if err != nil {
			return
		}
		if _, ok := an.Claimed(); ok && !an.State.Restored {
			t.Error("a restored edge goes on as if nothing had happened")
		}
		if err := an.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPiecesOutOfOrderAreDropped(t *testing.T) {
	t.Parallel()
	m := core.HomeMessage{T: core.HomeThings, At: worldStart, Things: []core.Thing{{ID: "x", Description: json.RawMessage(`"` + string(make([]byte, 0)) + string(bytesOf('a', 9000)) + `"`)}}}
	pieces := must[[]core.HomeMessage](t)(core.Split(m))
	if len(pieces) < 3 {
		t.Fatalf("%d pieces", len(pieces))
	}
	for _, order := range [][]int{{1, 2, 3}, {0, 2, 1, 3}, {0, 1, 1, 2, 3}} {
		var j core.Joiner
		for _, i := range order {
			if _, complete, _ := j.Add(pieces[i]); complete {
				t.Errorf("order %v is complete", order)
			}
		}
	}
	for i, p := range pieces {
		p.C, p.Prev = 1<<40, core.HashBytes(nil)
		if n := len(core.MustJSON(p)); n > core.HomeRoom+40 {
			t.Errorf("piece %d has %d bytes", i, n)
		}
	}
	if _, err := core.Split(core.HomeMessage{T: core.HomeThings, At: worldStart, Things: []core.Thing{{Description: json.RawMessage(`"` + string(bytesOf('a', 500_000)) + `"`)}}}); err == nil {
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
	if n := len(s.got(friendName+phone, core.EventValue)); n == 0 && b.N > 1 {
		b.Fatal("no value arrived")
	}
}

// deliver carries what the anchor has for one circle to the friend.
func (s *story) deliver(b *testing.B, c core.ID) {
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
	seal, open := s.edge.Rooms[c].MLS, s.friend.Rooms[c].MLS
	plain := core.EncodeInner(core.Inner{Op: grant.OpObserve, Name: "power", At: worldStart, Value: json.RawMessage("812"), Unit: "W"})
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
