package mlspeer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"primum/mls"
)

// room is a group whose members are anywhere, with a keyless tracker beside it.
type room struct {
	f       fleet
	suite   uint16
	id      string
	seats   []*seat
	tracker *mls.PublicGroup
	said    int // messages so far, so that no two are equal

	context     []Extension // of the group at its start
	understands []uint16    // types that key packages are to claim
}

// seat is a place at the table and the member in it.
type seat struct {
	kind, name string
	p          *Process
	spare      *Process // where it is restored
	in         bool     // in the group
	leaf       uint32
	view       *View
}

// rooms numbers groups over all tests.
type rooms struct{ n atomic.Int64 }

// seatNames are who sits where: seat 0 creates the group.
func seatNames() []string {
	return []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"}
}

func (n *rooms) open(f fleet, suite uint16, kinds []string) (*room, error) {
	r := &room{f: f, suite: suite, id: fmt.Sprintf("group %d", n.n.Add(1))}
	for i, kind := range kinds {
		s := &seat{kind: kind, name: seatNames()[i], p: f[kind][0], spare: f[kind][1]}
		r.seats = append(r.seats, s)
		if _, err := r.call(s, Request{Op: OpNew, Suite: suite, Identity: []byte(s.name)}); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// call asks the member of a seat and notes how it stands.
func (r *room) call(s *seat, q Request) (*Reply, error) {
	q.Member = r.id + " " + s.name
	out, err := s.p.Call(q)
	if err != nil {
		return nil, fmt.Errorf("%s (%s): %s: %w", s.name, s.kind, q.Op, err)
	}
	if out.View != nil {
		s.view, s.leaf = out.View, out.View.Leaf
	}
	return out, nil
}

// present are the seats whose members are in the group.
func (r *room) present() (out []*seat) {
	for _, s := range r.seats {
		if s.in {
			out = append(out, s)
		}
	}
	return out
}

// others are the present seats but one.
func (r *room) others(not *seat) (out []*seat) {
	for _, s := range r.present() {
		if s != not {
			out = append(out, s)
		}
	}
	return out
}

// create makes the group by seat 0.
func (r *room) create() error {
	s := r.seats[0]
	if _, err := r.call(s, Request{Op: OpCreate, Group: []byte(r.id), Extensions: r.context}); err != nil {
		return err
	}
	s.in = true
	return r.agree()
}

// track starts the tracker anew from a member's GroupInfo.
func (r *room) track(s *seat) error {
	info, err := r.call(s, Request{Op: OpGroupInfo})
	if err != nil {
		return err
	}
	tracker, err := mls.NewPublicGroup(trackerConfig(), info.Message)
	if err != nil {
		return fmt.Errorf("tracker: group info of %s (%s): %w", s.name, s.kind, err)
	}
	r.tracker = tracker
	return nil
}

// trackerConfig allows what the members' does.
func trackerConfig() mls.Config { return mls.Config{AllowExternalCommits: true, AllowPSK: true} }

// keyPackages asks for fresh ones.
func (r *room) keyPackages(joiners []*seat) (out [][]byte, err error) {
	for _, s := range joiners {
		kp, err := r.call(s, Request{Op: OpKeyPackage, Understands: r.understands})
		if err != nil {
			return nil, err
		}
		out = append(out, kp.Message)
	}
	return out, nil
}

// add adds by value.
func (r *room) add(by *seat, joiners ...*seat) error {
	kps, err := r.keyPackages(joiners)
	if err != nil {
		return err
	}
	return r.commit(by, Request{Add: kps}, joiners...)
}

// commit lets a member commit, the others process, joiners join, and compares.
// Members that the commit removes have in cleared by the caller after it.
func (r *room) commit(by *seat, q Request, joiners ...*seat) error {
	q.Op = OpCommit
	out, err := r.call(by, q)
	if err != nil {
		return err
	}
	if err := r.deliver(by, out.Message); err != nil {
		return err
	}
	for _, s := range joiners {
		if _, err := r.call(s, Request{Op: OpJoin, Message: out.Welcome}); err != nil {
			return err
		}
		s.in = true
	}
	if q.Private || r.tracker == nil {
		if err := r.track(by); err != nil {
			return err
		}
	}
	return r.agree()
}

// propose lets a member propose and the others hear of it.
func (r *room) propose(by *seat, q Request) error {
	q.Op = OpPropose
	out, err := r.call(by, q)
	if err != nil {
		return err
	}
	return r.deliver(by, out.Message)
}

// deliver gives a handshake to all others and, if it can be read, the tracker.
func (r *room) deliver(by *seat, msg []byte) error {
	for _, s := range r.others(by) {
		if _, err := r.call(s, Request{Op: OpProcess, Message: msg}); err != nil {
			return fmt.Errorf("handshake of %s (%s): %w", by.name, by.kind, err)
		}
		s.in = !s.view.Evicted
	}
	head, err := mls.Peek(msg)
	if err != nil {
		return fmt.Errorf("peek: %w", err)
	}
	if head.WireFormat != mls.WirePublicMessage || r.tracker == nil {
		return nil
	}
	if _, err := r.tracker.Process(msg); err != nil {
		return fmt.Errorf("tracker: handshake of %s (%s): %w", by.name, by.kind, err)
	}
	return nil
}

// agree compares what members of one epoch must agree on.
func (r *room) agree() error {
	present := r.present()
	first := present[0]
	for _, s := range present {
		if err := same(first.view, s.view); err != nil {
			return fmt.Errorf("%s (%s) and %s (%s): %w", first.name, first.kind, s.name, s.kind, err)
		}
	}
	switch v := first.view; {
	case r.tracker == nil && v.Epoch == 0: // see firstInfo
	case v.Members != len(present):
		return fmt.Errorf("%d members of %d", v.Members, len(present))
	case r.tracker.Epoch() != v.Epoch:
		return fmt.Errorf("tracker is in epoch %d of %d", r.tracker.Epoch(), v.Epoch)
	case !bytes.Equal(r.tracker.TreeHash(), v.TreeHash):
		return errors.New("tracker has another tree hash")
	case !bytes.Equal(r.tracker.ConfirmedTranscriptHash(), v.Transcript):
		return errors.New("tracker has another transcript hash")
	}
	return nil
}

func same(a, b *View) error {
	var differ []string
	for _, part := range []struct {
		name string
		same bool
	}{
		{"epoch", a.Epoch == b.Epoch},
		{"members", a.Members == b.Members},
		{"tree hash", bytes.Equal(a.TreeHash, b.TreeHash) && len(a.TreeHash) == 32},
		{"transcript hash", bytes.Equal(a.Transcript, b.Transcript)},
		{"epoch authenticator", bytes.Equal(a.Authenticator, b.Authenticator) && len(a.Authenticator) == 32},
		{"exporter", bytes.Equal(a.Exporter, b.Exporter) && len(a.Exporter) == 32},
	} {
		if !part.same {
			differ = append(differ, part.name)
		}
	}
	if len(differ) > 0 {
		return fmt.Errorf("differ in %s", strings.Join(differ, ", "))
	}
	return nil
}

// letter is an application message under way.
type letter struct {
	from      *seat
	data, aad []byte
	sealed    []byte
}

func (r *room) seal(from *seat) (*letter, error) {
	r.said++
	l := &letter{from: from, data: fmt.Appendf(nil, "message %d of %s", r.said, from.name), aad: fmt.Appendf(nil, "aad %d", r.said)}
	size := []int{0, 256, 1024}[r.said%3] // 0: as small as it gets
	out, err := r.call(from, Request{Op: OpSeal, Data: l.data, AAD: l.aad, Length: size})
	if err != nil {
		return nil, err
	}
	l.sealed = out.Message
	return l, nil
}

// open opens a letter at one member.
func (r *room) open(at *seat, l *letter) error {
	out, err := r.call(at, Request{Op: OpProcess, Message: l.sealed})
	if err != nil {
		return fmt.Errorf("message of %s (%s): %w", l.from.name, l.from.kind, err)
	}
	if out.Kind != KindApplication || !bytes.Equal(out.Data, l.data) || !bytes.Equal(out.AAD, l.aad) {
		return fmt.Errorf("%s (%s) reads another message than %s (%s) wrote", at.name, at.kind, l.from.name, l.from.kind)
	}
	return nil
}

// sealEach seals n messages of every member, in turn.
func (r *room) sealEach(n int) (map[*seat][]*letter, error) {
	out := map[*seat][]*letter{}
	for range n {
		for _, s := range r.present() {
			l, err := r.seal(s)
			if err != nil {
				return nil, err
			}
			out[s] = append(out[s], l)
		}
	}
	return out, nil
}

// openEach opens the letters of every member at every other, in the order given.
func (r *room) openEach(letters map[*seat][]*letter, order ...int) error {
	for _, from := range r.present() {
		for _, at := range r.others(from) {
			for _, i := range order {
				if err := r.open(at, letters[from][i]); err != nil {
					return fmt.Errorf("message %d of %v: %w", i, order, err)
				}
			}
		}
	}
	return nil
}

// talk lets every member say something that every other reads.
func (r *room) talk() error {
	letters, err := r.sealEach(1)
	if err != nil {
		return err
	}
	return r.openEach(letters, 0)
}
