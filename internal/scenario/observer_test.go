package scenario

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"primum/client"
	"primum/internal/wire"
	"primum/mls"
)

// observer is a client of the grantee that the test plays by hand, on package
// mls alone. As a member of the circle it can tell who sealed what under which
// generation, and open everything that the log holds.
type observer struct {
	hand   hand
	node   client.Node
	stock  []packed
	group  *mls.Group
	state  []byte // the group as it was before its last commit
	cursor uint64

	used      map[sealedUnder][32]byte // hash of the message under each key
	twice     []string                 // different messages under one key
	opened    []observed
	evicted   bool
	removedAt uint64 // number of the commit that removed it
}

// packed is a key package with its private keys.
type packed struct {
	*mls.KeyPackage
	private *mls.KeyPackagePrivate
}

// sealedUnder names the key and nonce of a message.
type sealedUnder struct {
	epoch            uint64
	leaf, generation uint32
}

// observed is a message that the observer opened.
type observed struct {
	seq  uint64
	by   sealedUnder
	data []byte
}

// newObserver publishes two key packages of the client.
func newObserver(t testing.TB, h hand, calls client.Calls, now time.Time) *observer {
	t.Helper()
	return newStockedObserver(t, h, calls, now, 2)
}

// newStockedObserver publishes n: a claim for some clients of an account takes
// one of each of all its clients.
func newStockedObserver(t testing.TB, h hand, calls client.Calls, now time.Time, n int) *observer {
	t.Helper()
	o := &observer{hand: h, node: h.node(calls), used: map[sealedUnder][32]byte{}}
	publish := wire.KeyPackages{Suite: uint16(mls.Suites()[0])}
	for range n {
		kp, private, err := mls.NewKeyPackage(mls.KeyPackageOptions{
			Suite: mls.Suites()[0], Identity: []byte(h.Address), Signer: h.key(),
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(80 * 24 * time.Hour),
			Extensions: []uint16{0xF0A1}, // the context of circles
		})
		if err != nil {
			t.Fatal(err)
		}
		o.stock = append(o.stock, packed{kp, private})
		publish.OneTime = append(publish.OneTime, kp.Bytes())
	}
	if _, err := o.node.PutKeyPackages(t.Context(), publish); err != nil {
		t.Fatal(err)
	}
	return o
}

// log reads all frames of a circle as a member of it.
func (o *observer) log(t testing.TB, c wire.CircleID) (all []wire.Frame) {
	t.Helper()
	for after := uint64(0); ; {
		frames, err := o.node.Messages(t.Context(), c.String(), after)
		if err != nil {
			t.Fatalf("read the log: %v", err)
		}
		if len(frames) == 0 {
			return all
		}
		all, after = append(all, frames...), frames[len(frames)-1].Number
	}
}

// follow takes frames in order. sent are further messages of this circle, which
// may or may not have reached the log.
func (o *observer) follow(t testing.TB, frames []wire.Frame, sent [][]byte) {
	t.Helper()
	byEpoch := map[uint64][][]byte{}
	for _, m := range sent {
		if h, err := mls.Peek(m); err == nil && h.WireFormat == mls.WirePrivateMessage {
			byEpoch[h.Epoch] = append(byEpoch[h.Epoch], m)
		}
	}
	for _, f := range frames {
		if f.Number <= o.cursor {
			continue
		}
		o.cursor = f.Number
		if o.group == nil {
			o.join(f)
		} else {
			o.take(t, f, byEpoch)
		}
	}
	if o.group != nil && !o.evicted {
		o.noteAll(byEpoch[o.group.Epoch()])
	}
}

// join enters by a Welcome that is for one of the packages.
func (o *observer) join(f wire.Frame) {
	p, ok := o.welcomedBy(f)
	if !ok {
		return
	}
	g, err := mls.Join(mls.Config{Signer: o.hand.key()}, f.Message, p.KeyPackage, p.private, nil)
	if err == nil {
		o.group = g
	}
}

func (o *observer) welcomedBy(f wire.Frame) (packed, bool) {
	h, err := mls.Peek(f.Message)
	if err == nil && h.WireFormat == mls.WireWelcome {
		for _, p := range o.stock {
			if mls.WelcomeFor(f.Message, p.Ref()) {
				return p, true
			}
		}
	}
	return packed{}, false
}

func (o *observer) take(t testing.TB, f wire.Frame, sent map[uint64][][]byte) {
	t.Helper()
	h, err := mls.Peek(f.Message)
	if err != nil || o.evicted || h.Epoch != o.group.Epoch() {
		return
	}
	switch h.WireFormat {
	case mls.WirePrivateMessage:
		by := o.note(f.Message)
		if r, err := o.group.Process(f.Message); err == nil {
			o.opened = append(o.opened, observed{f.Number, by, r.Data})
		}
	case mls.WirePublicMessage:
		if h.ContentType == mls.Commit {
			o.noteAll(sent[h.Epoch])
			if o.state, err = o.group.MarshalBinary(); err != nil {
				t.Fatal(err)
			}
		}
		r, err := o.group.Process(f.Message)
		if err != nil {
			t.Errorf("frame %d: %v", f.Number, err)
			return
		}
		if r.Evicted {
			o.evicted, o.removedAt = true, f.Number
		}
	}
}

func (o *observer) noteAll(messages [][]byte) {
	for _, m := range messages {
		o.note(m)
	}
}

// note remembers under which key a message was sealed.
func (o *observer) note(message []byte) (by sealedUnder) {
	leaf, generation, err := o.group.Sender(message)
	if err != nil {
		return by
	}
	by = sealedUnder{o.group.Epoch(), leaf, generation}
	sum := sha256.Sum256(message)
	if old, ok := o.used[by]; ok && old != sum {
		o.twice = append(o.twice, fmt.Sprintf("%+v", by))
	}
	o.used[by] = sum
	return by
}

// entry is what the observer reads of what travels inside.
type entry struct {
	Op    string          `json:"op"`
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	At    time.Time       `json:"at"`
	Value json.RawMessage `json:"value"`
	Input json.RawMessage `json:"input"`
}

func entries(t testing.TB, data []byte) (all []entry) {
	t.Helper()
	data = bytes.TrimSpace(data)
	if len(data) > 0 && data[0] != '[' {
		data = append(append([]byte{'['}, data...), ']')
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatalf("what travels inside is no JSON: %v", err)
	}
	return all
}

// values are the values of an affordance in the log by their time; a message
// that was sealed anew after a crash carries the same time.
func (o *observer) values(t testing.TB, name string) map[time.Time]string {
	t.Helper()
	all := map[time.Time]string{}
	for _, m := range o.opened {
		for _, e := range entries(t, m.data) {
			if e.Op == "observeproperty" && e.Name == name {
				all[e.At.UTC()] = string(e.Value)
			}
		}
	}
	return all
}
