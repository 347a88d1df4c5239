package mlspeer

import (
	"bytes"
	"testing"

	"primum/mls"
)

// TestDefects reproduces the defects of peers that no cell of the matrix shows,
// each with one peer and ours. When one is gone its test fails: docs/interop.md
// is to be changed then.
func TestDefects(t *testing.T) {
	f := startFleet(t, kinds()...)
	counter := new(rooms)
	demand := mls.RequiredCapabilities(nil, nil, []uint16{1}) // credentials of type basic
	basic := []Extension{{Type: demand.Type, Data: demand.Data}}
	for _, d := range []struct {
		name   string
		peer   string
		commit func(peer, ours *seat, r *room) error
		says   string
	}{
		{
			name: "mls-go reads required_capabilities as five lists, of versions, suites, extensions and so on",
			peer: GoName, says: "leaf does not support required extension type 1",
			commit: func(_, ours *seat, r *room) error {
				return r.commit(ours, Request{Extensions: basic})
			},
		},
		{
			name: "ts-mls commits GroupContextExtensions without a path",
			peer: tsName, says: "it has no path though its proposals need one",
			commit: func(peer, _ *seat, r *room) error {
				return r.commit(peer, Request{Extensions: basic})
			},
		},
		{
			name: "ts-mls encrypts the path of such a commit to the context before it",
			peer: tsName, says: "decrypt UpdatePathNode: ciphertext does not open",
			commit: func(peer, ours *seat, r *room) error {
				if err := r.propose(ours, Request{Kind: KindUpdate}); err != nil { // it demands a path
					t.Error(err)
					return nil
				}
				return r.commit(peer, Request{Extensions: basic})
			},
		},
		{
			name: "ts-mls reads external_senders as one struct and not as a list of them",
			peer: tsName, says: "external_senders",
			commit: func(_, ours *seat, r *room) error {
				return r.commit(ours, Request{Extensions: []Extension{{Type: 5, Data: oneSender()}}})
			},
		},
		{
			name: "ts-mls keeps the extensions that GroupContextExtensions clears",
			peer: tsName, says: "ts-mls): process: Crypto",
			commit: func(_, ours *seat, r *room) error {
				if err := r.commit(ours, Request{Extensions: basic}); err != nil {
					t.Error(err)
					return nil
				}
				return r.commit(ours, Request{Extensions: []Extension{}})
			},
		},
	} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			r, err := counter.open(f, classic, []string{d.peer, OursName})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.create(); err != nil {
				t.Fatal(err)
			}
			if err := r.add(r.seats[0], r.seats[1]); err != nil {
				t.Fatal(err)
			}
			err = d.commit(r.seats[0], r.seats[1], r)
			if known := defect(d.name); stillThere(err, known, d.says) != known {
				t.Error(stillThere(err, known, d.says))
			}
			t.Log(err)
		})
	}
}

// oneSender is external_senders with one entry (RFC 9420 §12.1.8.1).
func oneSender() []byte {
	sender := append([]byte{32}, bytes.Repeat([]byte{7}, 32)...) // signature_key
	sender = append(sender, 0, 1, 3, 'b', 'o', 'b')              // credential: basic
	return append([]byte{byte(len(sender))}, sender...)
}
