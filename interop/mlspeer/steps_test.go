package mlspeer

import (
	"bytes"
	"errors"
	"fmt"

	"primum/mls"
)

// step is a column of the matrix. It leaves four members in one epoch. What it
// can't ask of a seating it says by notHere.
type step struct {
	name string
	run  func(*room) error
}

// notHere says why a step means nothing in a seating.
type notHere string

func (n notHere) Error() string { return string(n) }

// defect is a fault of a peer that a step has met just as it is known, all else
// being as it should: the cell shows it and the test goes on.
type defect string

func (d defect) Error() string { return string(d) }

// Defects of mls-go v1.6.0 and ts-mls 1.6.4, told in docs/interop.md.
const (
	noContextCommit = defect("ts-mls: it commits no GroupContextExtensions that others could take (two reasons, see TestDefects)")
	noFirstTag      = defect("mls-go: the GroupInfo of a group just created has no confirmation tag (RFC 9420 §11)")
	losesPending    = defect("mls-go: a stored state lacks the reference of an own proposal, and the commit that takes it in is refused after it is restored")
	losesSkipped    = defect("mls-go: a stored state lacks the keys of skipped messages, which can't be opened after it is restored")
)

// steps are the columns in their order.
func steps() []step {
	return []step{
		{"create", (*room).create},
		{"info", firstInfo},
		{"add", addAll},
		{"messages", (*room).talk},
		{"disorder", disorder},
		{"late", late},
		{"empty", emptyCommits},
		{"update", updates},
		{"remove", removes},
		{"by-ref", byReference},
		{"private", privateCommits},
		{"exporter", exporter},
		{"context", contextExtensions},
		{"psk", preShared},
		{"external", external},
		{"restore", restore},
		{"skipped", skipped},
		{"pending", pending},
	}
}

// founding is how many steps make the group that the others need.
const founding = 3

// firstInfo starts the tracker at the epoch that created the group; where that
// can't be, it starts at the next.
func firstInfo(r *room) error {
	err := r.track(r.seats[0])
	if r.seats[0].kind == GoName {
		return stillThere(err, noFirstTag, "a hash or tag has a wrong length")
	}
	if err != nil {
		return err
	}
	return r.agree()
}

// addAll adds one member alone and two in one commit.
func addAll(r *room) error {
	if err := r.add(r.seats[0], r.seats[1]); err != nil {
		return err
	}
	if err := r.talk(); err != nil {
		return err
	}
	return r.add(r.seats[0], r.seats[2], r.seats[3])
}

// disorder delivers four messages of each member in another order.
func disorder(r *room) error {
	letters, err := r.sealEach(4)
	if err != nil {
		return err
	}
	return r.openEach(letters, 3, 1, 0, 2)
}

// late delivers messages after the commit that ends their epoch.
func late(r *room) error {
	letters, err := r.sealEach(2)
	if err != nil {
		return err
	}
	if err := r.commit(r.seats[1], Request{}); err != nil {
		return err
	}
	return r.openEach(letters, 1, 0)
}

// emptyCommits renews the path of each member in turn.
func emptyCommits(r *room) error {
	for i, s := range r.seats {
		if err := r.commit(s, Request{AAD: fmt.Appendf(nil, "commit %d", i)}); err != nil {
			return err
		}
	}
	return r.talk()
}

// updates lets each member and the one opposite propose an Update that the next
// member commits.
func updates(r *room) error {
	for i := range r.seats {
		for _, by := range []*seat{r.seats[i], r.seats[(i+2)%4]} {
			if err := r.propose(by, Request{Kind: KindUpdate}); err != nil {
				return err
			}
		}
		before := r.tracker.TreeHash()
		if err := r.commit(r.seats[(i+1)%4], Request{}); err != nil {
			return err
		}
		if bytes.Equal(before, r.tracker.TreeHash()) {
			return errors.New("the tree is the same after an update")
		}
	}
	return r.talk()
}

// removes takes two members out by value, one by one, and both in again.
func removes(r *room) error {
	for i, by := range []int{0, 1} {
		gone := r.seats[i+2]
		if err := r.commit(r.seats[by], Request{Remove: []uint32{gone.leaf}}); err != nil {
			return err
		}
		if err := r.shutOut(gone); err != nil {
			return err
		}
	}
	if err := r.add(r.seats[1], r.seats[2], r.seats[3]); err != nil {
		return err
	}
	return r.talk()
}

// shutOut checks that a member that was removed knows it and opens no more.
func (r *room) shutOut(gone *seat) error {
	if gone.in {
		return fmt.Errorf("%s (%s) does not know that it was removed", gone.name, gone.kind)
	}
	letters, err := r.sealEach(1)
	if err != nil {
		return err
	}
	for _, l := range letters {
		if r.open(gone, l[0]) == nil {
			return fmt.Errorf("%s (%s) opens what was sealed after its removal", gone.name, gone.kind)
		}
	}
	return r.openEach(letters, 0)
}

// byReference removes and adds by proposals that another member commits.
func byReference(r *room) error {
	for i := range r.seats {
		gone, proposer, committer := r.seats[i], r.seats[(i+1)%4], r.seats[(i+2)%4]
		if err := r.propose(proposer, Request{Kind: KindRemove, Leaf: gone.leaf}); err != nil {
			return err
		}
		if err := r.commit(committer, Request{}); err != nil {
			return err
		}
		if err := r.shutOut(gone); err != nil {
			return err
		}
		kp, err := r.keyPackages([]*seat{gone})
		if err != nil {
			return err
		}
		if err := r.propose(committer, Request{Kind: KindAdd, Message: kp[0]}); err != nil {
			return err
		}
		if err := r.commit(proposer, Request{}, gone); err != nil {
			return err
		}
	}
	return r.talk()
}

// privateCommits renews the path by commits sent as PrivateMessage, of those
// members whose implementation makes them.
func privateCommits(r *room) error {
	n := 0
	for _, s := range r.seats {
		if s.kind == OursName {
			continue
		}
		n++
		if err := r.commit(s, Request{Private: true}); err != nil {
			return err
		}
	}
	if n == 0 {
		return notHere("ours sends handshakes as PublicMessage only, for the keyless tracker")
	}
	return r.talk()
}

// exporter compares exported secrets of several labels, contexts and lengths.
func exporter(r *room) error {
	for _, q := range []Request{
		{Label: "a", Length: 16},
		{Label: "application of some name", Context: []byte{0, 1, 2, 255}, Length: 32},
		{Label: "long", Context: bytes.Repeat([]byte("context "), 40), Length: 1000},
	} {
		q.Op = OpExport
		var first []byte
		for _, s := range r.present() {
			out, err := r.call(s, q)
			if err != nil {
				return err
			}
			if first == nil {
				first = out.Data
			}
			if len(out.Data) != q.Length || !bytes.Equal(first, out.Data) {
				return fmt.Errorf("%s (%s) exports another secret for label %q", s.name, s.kind, q.Label)
			}
		}
	}
	return nil
}

// contextExtensions lets each member but those of ts-mls, which can't, replace
// the extensions of the group context by one that demands nothing.
func contextExtensions(r *room) error {
	demand := mls.RequiredCapabilities(nil, nil, nil)
	n := 0
	for _, s := range r.seats {
		if s.kind == tsName {
			continue
		}
		n++
		if err := r.commit(s, Request{Extensions: []Extension{{Type: demand.Type, Data: demand.Data}}}); err != nil {
			return err
		}
		if got := r.tracker.Extensions(); len(got) != 1 || !bytes.Equal(got[0].Data, demand.Data) {
			return fmt.Errorf("extensions are %v and not %v", got, demand)
		}
	}
	if n == 0 {
		return noContextCommit
	}
	return r.talk()
}

// preShared mixes an external pre-shared key in, proposed by each member whose
// implementation can and committed by the next, who adds the removed last one
// with it.
func preShared(r *room) error {
	n := 0
	for i, s := range r.seats {
		if s.kind == OursName {
			continue
		}
		n++
		id, key := fmt.Appendf(nil, "key %d", i), bytes.Repeat([]byte{byte(i + 1)}, 32)
		for _, at := range r.seats {
			if _, err := r.call(at, Request{Op: OpPSK, Context: id, Data: key}); err != nil {
				return err
			}
		}
		committer, gone := r.seats[(i+1)%4], r.seats[(i+2)%4]
		if err := r.commit(committer, Request{Remove: []uint32{gone.leaf}}); err != nil {
			return err
		}
		if err := r.propose(s, Request{Kind: KindPSK, Context: id}); err != nil {
			return err
		}
		if err := r.add(committer, gone); err != nil {
			return err
		}
	}
	if n == 0 {
		return notHere("ours proposes no pre-shared key")
	}
	return r.talk()
}

// external lets each member whose implementation can leave and come back by an
// external commit, to a GroupInfo of the next one.
func external(r *room) error {
	n := 0
	for i, s := range r.seats {
		if s.kind == OursName {
			continue
		}
		n++
		host := r.seats[(i+1)%4]
		if err := r.commit(host, Request{Remove: []uint32{s.leaf}}); err != nil {
			return err
		}
		info, err := r.call(host, Request{Op: OpGroupInfo})
		if err != nil {
			return err
		}
		out, err := r.call(s, Request{Op: OpExternal, Message: info.Message})
		if err != nil {
			return err
		}
		if err := r.deliver(s, out.Message); err != nil {
			return err
		}
		s.in = true
		if err := r.agree(); err != nil {
			return err
		}
		if err := r.commit(s, Request{}); err != nil {
			return err
		}
	}
	if n == 0 {
		return notHere("ours joins by Welcome only")
	}
	return r.talk()
}

// restore saves every member and the tracker in the midst of an epoch and goes
// on in other processes.
func restore(r *room) error {
	if err := r.talk(); err != nil {
		return err
	}
	if err := r.moveAll(); err != nil {
		return err
	}
	for _, i := range []int{2, 3, 0, 1} {
		if err := r.commit(r.seats[i], Request{}); err != nil {
			return err
		}
	}
	return r.talk()
}

// skipped saves every member after the second of two messages, restores it and
// delivers the first.
func skipped(r *room) error {
	letters, err := r.sealEach(2)
	if err != nil {
		return err
	}
	if err := r.openEach(letters, 1); err != nil {
		return err
	}
	if err := r.moveAll(); err != nil {
		return err
	}
	var lost error
	for _, from := range r.seats {
		for _, at := range r.others(from) {
			err := r.open(at, letters[from][0])
			if at.kind == GoName {
				err = stillThere(err, losesSkipped, "deriving application content key")
			}
			if broken(err) {
				return err
			}
			lost = errors.Join(lost, err)
		}
	}
	if err := r.talk(); err != nil {
		return err
	}
	return lost
}

// pending saves every member while Updates of three wait for the commit of the
// fourth. Where the defect shows, its member is stuck: this step is the last.
func pending(r *room) error {
	for _, by := range r.seats[1:] {
		if err := r.propose(by, Request{Kind: KindUpdate}); err != nil {
			return err
		}
	}
	if err := r.moveAll(); err != nil {
		return err
	}
	out, err := r.call(r.seats[0], Request{Op: OpCommit})
	if err != nil {
		return err
	}
	got, err := r.tracker.Process(out.Message)
	if err != nil || len(got.View.Updates) != 3 {
		return fmt.Errorf("tracker: not the commit of three updates: %w", err)
	}
	var lost error
	for _, s := range r.seats[1:] {
		_, err := r.call(s, Request{Op: OpProcess, Message: out.Message})
		if s.kind == GoName {
			err = stillThere(err, losesPending, "unknown proposal reference")
		}
		if broken(err) {
			return err
		}
		lost = errors.Join(lost, err)
	}
	if lost != nil {
		return lost
	}
	return errors.Join(r.agree(), r.talk())
}

// moveAll moves every member, and the tracker through its stored form.
func (r *room) moveAll() error {
	for _, s := range r.seats {
		if err := r.move(s); err != nil {
			return err
		}
	}
	state, err := r.tracker.MarshalBinary()
	if err != nil {
		return err
	}
	if r.tracker, err = mls.LoadPublicGroup(trackerConfig(), state); err != nil {
		return err
	}
	return r.agree()
}

// move saves a member, which makes its process forget it, and restores it in
// another process.
func (r *room) move(s *seat) error {
	before := s.view
	saved, err := r.call(s, Request{Op: OpSave})
	if err != nil {
		return err
	}
	if _, err := r.call(s, Request{Op: OpView}); err == nil {
		return fmt.Errorf("%s (%s) was not forgotten", s.name, s.kind)
	}
	s.p, s.spare = s.spare, s.p
	if _, err := r.call(s, Request{Op: OpRestore, State: saved.State}); err != nil {
		return err
	}
	if err := same(before, s.view); err != nil || before.Leaf != s.view.Leaf {
		return fmt.Errorf("%s (%s) is another after it was restored: %w", s.name, s.kind, err)
	}
	return nil
}
