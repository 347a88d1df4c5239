package mlspeer

import (
	"bytes"
	"fmt"
	"testing"
)

// TestCircle does what a circle of Primum does: ours is the anchor, the only
// committer, in a group whose context has an extension for private use that
// every member must understand; the others propose Updates of their own leaves.
// ts-mls can be told to claim the extension; mls-go can't.
func TestCircle(t *testing.T) {
	f := startFleet(t, OursName, tsName)
	counter := new(rooms)
	for _, suite := range []uint16{classic, hybrid} {
		t.Run(fmt.Sprintf("suite 0x%04x", suite), func(t *testing.T) {
			t.Parallel()
			r, err := counter.open(f, suite, []string{OursName, tsName, tsName, OursName})
			if err != nil {
				t.Fatal(err)
			}
			r.understands = []uint16{0xF0A1}
			r.context = circleContext("opening")
			for _, st := range []step{
				{"create", (*room).create},
				{"info", firstInfo},
				{"add", addAll},
				{"anchor", anchorOnly},
				{"disorder", disorder},
				{"restore", (*room).moveAll},
				{"anchor", anchorOnly},
			} {
				if err := st.run(r); err != nil {
					t.Fatalf("%s: %v", st.name, err)
				}
			}
		})
	}
}

// anchorOnly lets seat 0 commit all: an Update of each other, another document
// in the context, a member out and in again.
func anchorOnly(r *room) error {
	anchor, gone := r.seats[0], r.seats[2]
	for _, s := range r.seats[1:] {
		if err := r.propose(s, Request{Kind: KindUpdate}); err != nil {
			return err
		}
	}
	if err := r.commit(anchor, Request{AAD: []byte("at")}); err != nil {
		return err
	}
	r.said++
	context := circleContext(fmt.Sprintf("documents %d", r.said))
	if err := r.commit(anchor, Request{Extensions: context}); err != nil {
		return err
	}
	if got := r.tracker.Extensions(); len(got) != 2 || !bytes.Equal(got[1].Data, context[1].Data) {
		return fmt.Errorf("extensions are %v and not %v", got, context)
	}
	if err := r.commit(anchor, Request{Remove: []uint32{gone.leaf}}); err != nil {
		return err
	}
	if err := r.shutOut(gone); err != nil {
		return err
	}
	if err := r.add(anchor, gone); err != nil {
		return err
	}
	return r.talk()
}

// circleContext is what docs/spec/circle.md puts into the group context: what is
// required, and an extension of its own.
func circleContext(says string) []Extension {
	const required, own = 3, 0xF0A1
	return []Extension{{Type: required, Data: []byte{2, own >> 8, own & 0xff, 0, 0}}, {Type: own, Data: []byte(says)}}
}
