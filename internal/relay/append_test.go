package relay_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/internal/relay"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/mls"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.found()
	try := func(name string, change func(*relay.Opening)) {
		t.Helper()
		o := w.opening(l)
		change(&o)
		_, err := w.relay.Open(t.Context(), o)
		w.refused(err, name)
	}
	try(wire.ProbMalformed, func(o *relay.Opening) { o.Circle[0] ^= 1 })
	try(wire.ProbMalformed, func(o *relay.Opening) { o.GroupInfo = o.GroupInfo[:len(o.GroupInfo)-1] })
	try(wire.ProbMalformed, func(o *relay.Opening) { o.GroupInfo[len(o.GroupInfo)-1] ^= 1 }) // the signature
	try(wire.ProbMalformed, func(o *relay.Opening) { o.GroupInfo = nil })
	try(wire.ProbTooLarge, func(o *relay.Opening) { o.GroupInfo = make([]byte, wire.MaxHandshake+1) })
	try(wire.ProbForbidden, func(o *relay.Opening) { o.AnchorKey = w.party("").Key })
	if _, err := w.store.Circles.Get(t.Context(), l.id); err == nil {
		t.Fatal("a refused circle is in the store")
	}
	for range 2 {
		info, err := w.relay.Open(t.Context(), w.opening(l))
		w.must(err)
		if info.Circle != l.id.String() || info.Head != 0 || !bytes.Equal(info.TreeHash, l.anchor.group.TreeHash()) {
			t.Fatalf("info is %+v", info)
		}
	}
	try(wire.ProbConflict, func(o *relay.Opening) { o.Account = "another@x.example" })
}

func TestApplicationMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(1)
	m := l.members[0]
	if done := l.send(m, "one"); done != (relay.Done{Seq: 3, Epoch: 1}) { // after commit and Welcome
		t.Fatalf("done is %+v", done)
	}
	l.send(l.anchor, "two")
	good := l.value(m, "three")
	try := func(name string, p *party, message []byte) wire.Refusal {
		t.Helper()
		_, err := l.append(p, message)
		return w.refused(err, name)
	}
	other := w.circle(1)
	handshake := bytes.Clone(good)
	handshake[29] = 3 // content_type: commit (RFC 9420 §6.3)
	try(wire.ProbForbidden, w.party("stranger@x.example"), good)
	try(wire.ProbForbidden, w.party(grantee), good) // the account alone does not send
	try(wire.ProbMalformed, m, other.value(other.members[0], "of another circle"))
	try(wire.ProbMalformed, m, handshake)
	try(wire.ProbMalformed, m, good[:20])
	try(wire.ProbMalformed, m, nil)
	try(wire.ProbTooLarge, m, append(bytes.Clone(good), make([]byte, wire.MaxMessage)...))
	try(wire.ProbTooLarge, m, make([]byte, wire.MaxHandshake+1))
	_, err := w.relay.Append(t.Context(), relay.Append{Circle: l.id, Caller: m.Caller, Message: good, Welcome: []byte{1}})
	w.refused(err, wire.ProbMalformed)
	_, err = w.relay.Append(t.Context(), relay.Append{Circle: wire.CircleID{1}, Caller: m.Caller, Message: good})
	w.refused(err, wire.ProbMalformed)
	unknown := w.found()
	_, err = l.append(m, unknown.value(unknown.anchor, "x"))
	w.refused(err, wire.ProbMalformed)
	_, err = unknown.append(m, unknown.value(unknown.anchor, "x"))
	w.refused(err, wire.ProbNotFound)

	l.add(w.party(grantee))
	if r := try(wire.ProbStaleEpoch, m, good); r.Epoch != 2 {
		t.Fatalf("current epoch is said to be %d", r.Epoch)
	}
	info, err := w.relay.Info(t.Context(), m.Caller, l.id)
	w.must(err)
	if info.Head != 6 || info.Epoch != 2 || info.Welcome != 6 {
		t.Fatalf("info is %+v", info)
	}
}

// TestOnlyTheAnchorCommits: P2's half that a node can enforce.
func TestOnlyTheAnchorCommits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(2)
	m := l.members[0]
	staged, err := m.group.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{w.keyPackage(w.party(grantee))}})
	w.must(err)
	_, err = w.relay.Append(t.Context(), relay.Append{Circle: l.id, Caller: m.Caller, Message: staged.Commit, Welcome: staged.Welcome})
	w.refused(err, wire.ProbForbidden)
	// With the anchor's session it is still the member's commit.
	_, err = w.relay.Append(t.Context(), relay.Append{Circle: l.id, Caller: l.anchor.Caller, Message: staged.Commit})
	w.refused(err, wire.ProbForbidden)
	good, err := l.anchor.group.Commit(mls.CommitOptions{})
	w.must(err)
	bent := bytes.Clone(good.Commit)
	bent[len(bent)-1] ^= 1 // the membership tag is nobody's business here; the signature is inside
	bent[len(bent)/2] ^= 1
	_, err = w.relay.Append(t.Context(), relay.Append{Circle: l.id, Caller: l.anchor.Caller, Message: bent})
	w.refused(err, wire.ProbMalformed)
	_, err = w.relay.Append(t.Context(), relay.Append{Circle: l.id, Caller: l.anchor.Caller, Message: good.Commit, Welcome: staged.Welcome})
	w.refused(err, wire.ProbMalformed) // a Welcome without an Add
	_, err = w.relay.Append(t.Context(), relay.Append{Circle: l.id, Caller: l.anchor.Caller, Message: good.Commit})
	w.must(err)
	w.must(l.anchor.group.Merge())
	_, err = w.relay.Append(t.Context(), relay.Append{Circle: l.id, Caller: l.anchor.Caller, Message: good.Commit})
	w.refused(err, wire.ProbStaleEpoch)
	info, err := w.relay.Info(t.Context(), l.anchor.Caller, l.id)
	w.must(err)
	if !bytes.Equal(info.TreeHash, l.anchor.group.TreeHash()) || info.Epoch != 3 {
		t.Fatal("the tracker's tree differs from the anchor's")
	}
}

// TestEpochsAreCommittedTo: the leaf that the relay queues is the one that a
// member makes from what it has seen.
func TestEpochsAreCommittedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(1)
	_, staged, err := l.commit(mls.CommitOptions{})
	w.must(err)
	m := l.members[0]
	l.process(m, staged.Commit)
	waiting, err := w.store.Leaves.Pending(t.Context(), 10)
	w.must(err)
	want := wire.EpochCommitment(m.group.ConfirmedTranscriptHash(), m.group.Epoch(), staged.Commit)
	if len(waiting) != 2 || waiting[1].Hash != want {
		t.Fatalf("%d leaves of two commits, or another than the member's", len(waiting))
	}
}

func TestCommitsRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(1)
	var commits [][]byte
	for range 8 {
		s, err := l.anchor.group.Commit(mls.CommitOptions{})
		w.must(err)
		commits = append(commits, s.Commit)
		l.anchor.group.Discard()
	}
	var wg sync.WaitGroup
	results := make([]error, len(commits))
	for i, c := range commits {
		wg.Go(func() { _, results[i] = l.append(l.anchor, c) })
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
			continue
		}
		w.refused(err, wire.ProbStaleEpoch)
	}
	if won != 1 {
		t.Fatalf("%d commits of one epoch were taken", won)
	}
}

func TestProposals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(2)
	m, n := l.members[0], l.members[1]
	update, err := m.group.ProposeUpdate(nil)
	w.must(err)
	add, err := m.group.ProposeAdd(w.keyPackage(w.party(grantee)), nil)
	w.must(err)
	remove, err := m.group.ProposeRemove(n.group.Me(), nil)
	w.must(err)
	try := func(name string, p *party, message []byte) wire.Refusal {
		t.Helper()
		_, err := l.append(p, message)
		return w.refused(err, name)
	}
	try(wire.ProbForbidden, m, add)
	try(wire.ProbForbidden, m, remove)
	try(wire.ProbForbidden, n, update) // another leaf's
	_, err = l.append(m, update)
	w.must(err)
	again, err := m.group.ProposeUpdate(nil)
	w.must(err)
	if r := try(wire.ProbTooMany, m, again); r.Retry != time.Hour {
		t.Fatalf("retry after %v", r.Retry)
	}
	// Others go on sending, and the anchor's commit names the Update by reference.
	l.send(n, "meanwhile")
	l.process(l.anchor, update)
	done, staged, err := l.commit(mls.CommitOptions{})
	w.must(err)
	if len(staged.View.Updates) != 1 || done.Epoch != 3 {
		t.Fatalf("the commit has %d updates and leads to epoch %d", len(staged.View.Updates), done.Epoch)
	}
	l.process(m, staged.Commit)
	w.clock.Advance(time.Hour)
	update, err = m.group.ProposeUpdate(nil)
	w.must(err)
	_, err = l.append(m, update)
	w.must(err)
}

func TestRejoin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(1)
	for _, p := range []*party{l.members[0], w.party(grantee)} { // lost its state; never had one
		for range 4 {
			_, err := l.append(p, w.keyPackage(p).Bytes())
			w.must(err)
		}
		_, err := l.append(p, w.keyPackage(p).Bytes())
		w.refused(err, wire.ProbTooMany)
	}
	stranger := w.party("stranger@x.example")
	_, err := l.append(stranger, w.keyPackage(stranger).Bytes())
	w.refused(err, wire.ProbForbidden)
	_, err = l.append(l.members[0], w.keyPackage(stranger).Bytes())
	w.refused(err, wire.ProbForbidden)
	bent := w.keyPackage(l.members[0]).Bytes()
	bent[len(bent)-1] ^= 1
	w.clock.Advance(time.Hour)
	_, err = l.append(l.members[0], bent)
	w.refused(err, wire.ProbMalformed)
	frames, err := w.relay.Read(t.Context(), l.anchor.Caller, l.id, 2)
	w.must(err)
	if len(frames) != 8 {
		t.Fatalf("the anchor reads %d requests", len(frames))
	}
}

func TestSenderLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{PerSecond: 2, Burst: 3})
	l := w.circle(1)
	m := l.members[0]
	for range 3 {
		l.send(m, "value")
	}
	_, err := l.append(m, l.value(m, "too many"))
	if r := w.refused(err, wire.ProbTooMany); r.Retry <= 0 || r.Retry > time.Second {
		t.Fatalf("retry after %v", r.Retry)
	}
	l.send(l.anchor, "another sender is free")
	w.clock.Advance(500 * time.Millisecond)
	l.send(m, "one more")
	_, err = l.append(m, l.value(m, "too many"))
	w.refused(err, wire.ProbTooMany)
	if c := w.relay.Counters(); c.Refused != 2 || c.Appended != 6 {
		t.Fatalf("counters are %+v", c)
	}
}

func TestCircleBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{CircleBytes: 5000})
	l := w.circle(1)
	m := l.members[0]
	var err error
	for err == nil {
		_, err = l.append(m, l.value(m, "value"))
	}
	w.refused(err, wire.ProbCircleFull)
	// The keys still turn.
	_, _, err = l.commit(mls.CommitOptions{})
	w.must(err)
}

func TestCacheForgetsAndReloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{Trackers: 2})
	var labs []*lab
	for range 6 {
		labs = append(labs, w.circle(1))
	}
	for round := range 3 {
		for _, l := range labs {
			l.send(l.members[0], fmt.Sprint(round))
			_, staged, err := l.commit(mls.CommitOptions{})
			w.must(err)
			l.process(l.members[0], staged.Commit)
		}
	}
	info, err := w.relay.Info(t.Context(), labs[0].anchor.Caller, labs[0].id)
	w.must(err)
	if info.Epoch != 4 || info.Head != 8 {
		t.Fatalf("info is %+v", info)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(2)
	update, err := l.members[0].group.ProposeUpdate(nil)
	w.must(err)
	_, err = l.append(l.members[0], update)
	w.must(err)
	l.process(l.anchor, update)
	w.reopen()
	again, err := l.members[0].group.ProposeUpdate(nil)
	w.must(err)
	_, err = l.append(l.members[0], again)
	w.refused(err, wire.ProbTooMany) // the hour survives
	_, staged, err := l.commit(mls.CommitOptions{})
	w.must(err) // by the reference that the tracker kept
	if len(staged.View.Updates) != 1 {
		t.Fatal("the proposal was lost")
	}
	l.send(l.anchor, "goes on")
}

// TestRestored: a restored node knows an older epoch than the anchor.
func TestRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l, ended := w.circle(1), w.circle(1)
	w.must(w.relay.Fence(t.Context(), ended.id, "withdrawn"))
	backup, dir := t.TempDir()+"/backup", t.TempDir()+"/restored"
	w.must(w.store.Backup(t.Context(), backup))
	_, staged, err := l.commit(mls.CommitOptions{}) // lost with the node
	w.must(err)
	l.process(l.members[0], staged.Commit)
	_, err = w.relay.Open(t.Context(), w.opening(l))
	w.must(err) // an unrestored node follows nobody
	w.must(w.store.Close())
	waiting, err := store.Restore(t.Context(), backup, dir, w.clock.Now())
	w.must(err)
	if waiting != 1 {
		t.Fatalf("%d circles wait", waiting)
	}
	w.open(dir, relay.Limits{})
	_, err = l.append(l.anchor, l.value(l.anchor, "early"))
	if r := w.refused(err, wire.ProbFenced); r.Reason != store.FenceRestored {
		t.Fatalf("reason is %q", r.Reason)
	}
	info, err := w.relay.Open(t.Context(), w.opening(l))
	w.must(err)
	if info.Fenced != store.FenceRestored {
		t.Fatal("opening again lifted the fence")
	}
	w.must(w.relay.Lift(t.Context(), l.id))
	w.refused(w.relay.Lift(t.Context(), ended.id), wire.ProbFenced)
	_, err = w.relay.Open(t.Context(), w.openingBy(l, l.members[0]))
	w.refused(err, wire.ProbForbidden)
	_, err = l.append(l.anchor, l.value(l.anchor, "ahead"))
	if r := w.refused(err, wire.ProbStaleEpoch); r.Epoch != 1 {
		t.Fatalf("epoch is %d", r.Epoch)
	}
	_, err = w.relay.Open(t.Context(), w.opening(l))
	w.must(err)
	if done := l.send(l.members[0], "goes on"); done.Seq != 1<<32+1 {
		t.Fatalf("seq is %d", done.Seq)
	}
}

// TestOpenSignedByAnchor: no other member brings a tree of its own making.
func TestOpenSignedByAnchor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(1)
	fresh := newWorld(t, relay.Limits{}) // doesn't know the circle
	for _, node := range []*world{w, fresh} {
		_, err := node.relay.Open(t.Context(), w.openingBy(l, l.members[0]))
		w.refused(err, wire.ProbForbidden)
		_, err = node.relay.Open(t.Context(), w.opening(l))
		w.must(err)
	}
}

// FuzzAppend gives the relay foreign bytes, under the anchor's name: nothing
// panics, and what is refused changes nothing.
func FuzzAppend(f *testing.F) {
	w := newWorld(f, relay.Limits{PerSecond: -1, CircleBytes: -1})
	l := w.circle(1)
	value := l.value(l.members[0], "value")
	staged, err := l.anchor.group.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{w.keyPackage(w.party(grantee))}})
	w.must(err)
	update, err := l.members[0].group.ProposeUpdate(nil)
	w.must(err)
	junk := make([]byte, 300)
	_, _ = rand.Read(junk)
	for _, m := range [][]byte{value, staged.Commit, staged.Welcome, staged.GroupInfo, update, w.keyPackage(l.members[0]).Bytes(), junk} {
		f.Add(m, []byte(nil))
		f.Add(m, staged.Welcome)
		f.Add(m[:len(m)/2], []byte(nil))
	}
	f.Fuzz(func(t *testing.T, message, welcome []byte) {
		before, err := w.store.Circles.Tracker(t.Context(), l.id)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.relay.Append(context.Background(), relay.Append{Circle: l.id, Caller: l.anchor.Caller, Message: message, Welcome: welcome})
		after, e := w.store.Circles.Tracker(t.Context(), l.id)
		if e != nil {
			t.Fatal(e)
		}
		if err != nil && (after.Head != before.Head || !bytes.Equal(after.Tracker, before.Tracker)) {
			t.Fatalf("a refusal changed the circle: %v", err)
		}
	})
}

// FuzzOpen gives the relay foreign GroupInfos.
func FuzzOpen(f *testing.F) {
	w := newWorld(f, relay.Limits{})
	l := w.circle(1)
	info, err := l.anchor.group.GroupInfo()
	w.must(err)
	f.Add(info)
	f.Add(info[:len(info)/2])
	f.Fuzz(func(t *testing.T, info []byte) {
		_, err := w.relay.Open(t.Context(), relay.Opening{Circle: wire.CircleID{1}, GroupInfo: info, AnchorKey: l.anchor.Key})
		var r *wire.Refusal
		if !errors.As(err, &r) {
			t.Fatalf("error is %v, want a refusal", err)
		}
	})
}

func TestCircleFullAndWelcomes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(0)
	try := func(name string, welcome []byte, add int) {
		t.Helper()
		var o mls.CommitOptions
		for range add {
			o.Add = append(o.Add, w.keyPackage(w.party(grantee)))
		}
		staged, err := l.anchor.group.Commit(o)
		w.must(err)
		defer l.anchor.group.Discard()
		if welcome == nil {
			welcome = staged.Welcome
		}
		_, err = w.relay.Append(t.Context(), relay.Append{Circle: l.id, Caller: l.anchor.Caller, Message: staged.Commit, Welcome: welcome})
		w.refused(err, name)
	}
	try(wire.ProbCircleFull, nil, wire.MaxClients+1)
	try(wire.ProbTooLarge, make([]byte, wire.MaxHandshake+1), 1)
	try(wire.ProbMalformed, []byte("no Welcome"), 1)
	try(wire.ProbMalformed, w.keyPackage(w.party(grantee)).Bytes(), 1)
	if info, err := w.relay.Info(t.Context(), l.anchor.Caller, l.id); err != nil || info.Head != 0 || info.Epoch != 0 {
		t.Fatalf("a refused commit left %+v: %v", info, err)
	}
	// 64 members are no too many, also in a GroupInfo; 65 are.
	var o mls.CommitOptions
	for range wire.MaxClients {
		o.Add = append(o.Add, w.keyPackage(w.party(grantee)))
	}
	_, _, err := l.commit(o)
	w.must(err)
	crowd := w.found()
	o.Add = append(o.Add, w.keyPackage(w.party(grantee)))
	if _, err := crowd.anchor.group.Commit(o); err != nil {
		t.Fatal(err)
	}
	w.must(crowd.anchor.group.Merge())
	_, err = w.relay.Open(t.Context(), w.opening(crowd))
	w.refused(err, wire.ProbCircleFull)
}

// TestAFullCircleOnTheHybrid: 63 clients let in by one commit with its Welcome,
// the Update of one and the commit that takes it in stay below every bound,
// also where they are long.
func TestAFullCircleOnTheHybrid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(0)
	long := strings.Repeat("a", 60) + "@" + strings.Repeat("b", 60) + ".localhost:65535"
	var o mls.CommitOptions
	for range wire.MaxClients {
		p := w.party(long)
		l.members = append(l.members, p)
		o.Add = append(o.Add, l.keyPackage(p))
	}
	_, staged, err := l.commit(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("commit of %d and Welcome of %d bytes, at most %d", len(staged.Commit), len(staged.Welcome), wire.MaxHandshake)
	last := l.members[len(l.members)-1]
	last.group, err = mls.Join(last.cfg, staged.Welcome, last.kp, last.priv, nil)
	l.must(err)
	update, err := last.group.ProposeUpdate(nil)
	l.must(err)
	if _, err := l.append(last, update); err != nil {
		t.Error(err)
	}
	_, err = l.anchor.group.Process(update)
	l.must(err)
	if _, staged, err = l.commit(mls.CommitOptions{}); err != nil {
		t.Error(err)
	}
	l.process(last, staged.Commit)
	frames, err := l.relay.Read(t.Context(), last.Caller, l.id, 0)
	if err != nil || len(frames) == 0 {
		t.Errorf("read %d frames, %v", len(frames), err)
	}
}
