package circle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"time"

	"primum/mls"
)

// Bounds of a circle.
const (
	maxGeneration = 900 // messages of a sender in one epoch
	maxEpochAge   = 24 * time.Hour
	maxQueue      = 3_000 // messages that wait to be sent
	maxHandshake  = 256 << 10
	suspectTime   = 10 * time.Minute
)

// Reasons of EventStopped.
const (
	stoppedRollback = "rollback" // own messages in the log are ahead of the own state
	stoppedFork     = "fork"     // the log is not the one that was read before
)

// roomState is what is stored of one circle.
type roomState struct {
	ID      ID        `json:"id"`
	Home    bool      `json:"home,omitempty"`
	Grant   string    `json:"grant,omitempty"`
	Node    string    `json:"node"`
	Group   []byte    `json:"group,omitempty"` // secret
	Seed    []byte    `json:"seed,omitempty"`  // of the anchor's leaf key; secret
	Cursor  uint64    `json:"cursor"`
	Mark    time.Time `json:"mark"`    // `at` of the newest commit
	EpochAt time.Time `json:"epochAt"` // when this epoch began, by own clock
	Queue   []outgoing
	NextOut uint64
	Pending *pendingCommit `json:"pending,omitempty"`
	Stopped string         `json:"stopped,omitempty"`
	Fenced  string         `json:"fenced,omitempty"`
	Bad     uint64         `json:"bad"` // frames that were not opened
	Events  []Event        `json:"events,omitempty"`

	// Of an anchor.
	Opened   bool                   `json:"opened,omitempty"` // at the node
	Packages []heldPackage          `json:"packages,omitempty"`
	Told     string                 `json:"told,omitempty"`    // hash of the documents that were told
	Telling  string                 `json:"telling,omitempty"` // likewise, on its way
	Leaves   map[string]*leafState  `json:"leaves,omitempty"`  // by signature key, base64url
	Claimed  map[string]time.Time   `json:"claimed,omitempty"` // when key packages were asked for, by client
	Values   map[string]sentValue   `json:"values,omitempty"`  // by item key: what was sent last
	Rejoins  map[string][]time.Time `json:"rejoins,omitempty"`
	// Of a member.
	Member *memberRoom `json:"member,omitempty"`
}

// pendingCommit is an own commit that the log doesn't show yet.
type pendingCommit struct {
	Epoch   uint64    `json:"epoch"`
	Commit  []byte    `json:"commit"`
	Welcome []byte    `json:"welcome,omitempty"`
	At      time.Time `json:"at"`
}

// outgoing is a message on its way: stored in clear, sealed when it is sent, so
// that it can be sealed anew in another epoch.
type outgoing struct {
	ID    uint64    `json:"id"`
	Plain []byte    `json:"plain,omitempty"`
	Size  int       `json:"size,omitempty"`
	Raw   []byte    `json:"raw,omitempty"`   // a proposal or key package, sent as it is
	Epoch uint64    `json:"epoch,omitempty"` // of a proposal
	Tag   string    `json:"tag,omitempty"`   // what the role calls it
	Value bool      `json:"value,omitempty"` // a crash may lose it
	At    time.Time `json:"at"`
}

// room is one circle as one participant sees it.
type room struct {
	roomState
	actor  *actor
	group  *mls.Group
	config mls.Config

	headKnown  bool
	head       uint64
	headEpoch  uint64
	synced     bool   // everything up to head was received since the last connection
	gapAt      uint64 // a gap that the node showed twice is a trimmed log
	hold       string // why nothing is sealed, as the role says
	stale      bool   // the node says the epoch is past: wait for the commit
	ahead      bool   // the node says an epoch that this state doesn't know
	sealed     []byte
	sealedID   uint64
	sealedAt   uint64 // epoch
	seals      uint64
	acked      bool     // the node has taken the head of the queue
	taken      bool     // the node has taken the pending commit
	proposals  int      // received in this epoch and not committed
	full       bool     // too many messages in this epoch
	overflow   []string // clients that found no room
	wakeAt     time.Time
	proposedAt time.Time // own Update, in this process
	suspectAt  time.Time // since when the log makes no sense
}

// inKind says what came out of the log.
type inKind int

const (
	inMessage    inKind = iota + 1 // an application message was opened
	inProposal                     // a proposal was received
	inCommit                       // a commit was processed, or the own one merged
	inWelcome                      // a Welcome, while joining
	inKeyPackage                   // a key package: somebody asks to rejoin
	inOwn                          // an own message was seen in the log
	inLost                         // the state can't follow the log
)

// incoming is what the role hears of a frame.
type incoming struct {
	kind   inKind
	seq    uint64
	raw    []byte
	sender mls.Member // as in the tree before a commit
	data   []byte
	view   *mls.CommitView
	gone   bool // this member was removed
	own    outgoing
	reason string
}

func (r *room) part() string { return partCircle + r.ID.String() }

// encode stores the circle; the group's bytes stand in memory only meanwhile.
func (r *room) encode() ([]byte, error) {
	st := r.roomState
	st.Group, st.Events = nil, eventsOf{r.actor, r.part()}.list()
	if r.group != nil {
		b, err := r.group.MarshalBinary()
		if err != nil {
			return nil, err
		}
		st.Group = b
	}
	return json.Marshal(st)
}

func (a *actor) restoreRoom(b []byte) error {
	r := &room{actor: a}
	if err := json.Unmarshal(b, &r.roomState); err != nil {
		return err
	}
	a.addEvents(r.part(), r.Events)
	r.Events = nil
	r.fillMaps()
	a.rooms[r.ID] = r
	a.parts[r.part()] = r
	return nil
}

// fillMaps makes the maps that JSON left out.
func (r *room) fillMaps() {
	if r.Leaves == nil {
		r.Leaves = map[string]*leafState{}
	}
	if r.Claimed == nil {
		r.Claimed = map[string]time.Time{}
	}
	if r.Values == nil {
		r.Values = map[string]sentValue{}
	}
	if r.Rejoins == nil {
		r.Rejoins = map[string][]time.Time{}
	}
	if m := r.Member; m != nil && m.Seen == nil {
		m.Seen = map[string]time.Time{}
	}
}

// loadGroups brings the groups to life once the role knows the keys.
func (a *actor) loadGroups() error {
	for _, r := range a.rooms {
		if r.roomState.Group == nil {
			continue
		}
		g, err := mls.Load(r.config, r.roomState.Group)
		if err != nil {
			return fmt.Errorf(errBadState, r.part(), err)
		}
		r.group, r.roomState.Group = g, nil
	}
	return nil
}

func (a *actor) addRoom(r *room) {
	r.fillMaps()
	r.actor = a
	a.rooms[r.ID] = r
	a.put(r.part(), r)
}

// eraseRoom forgets a circle, keys and all.
func (a *actor) eraseRoom(r *room) {
	r.group, r.sealed, r.Seed, r.Queue, r.Pending = nil, nil, nil, nil, nil
	delete(a.rooms, r.ID)
	a.put(r.part(), nil)
	for i := range a.events {
		if a.events[i].part == r.part() {
			a.events[i].part = partEvents
			a.touch(partEvents)
		}
	}
}

func (a *actor) roomIDs() []ID {
	ids := make([]ID, 0, len(a.rooms))
	for id := range a.rooms {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return bytes.Compare(ids[i][:], ids[j][:]) < 0 })
	return ids
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// enqueue puts a message in a circle's queue.
func (a *actor) enqueue(r *room, m outgoing) {
	r.NextOut++
	m.ID, m.At = r.NextOut, a.now()
	if m.Value && len(r.Queue) >= maxQueue {
		a.dropOldestValue(r)
	}
	r.Queue = append(r.Queue, m)
	if m.Value {
		a.touchSoft(r.part())
		return
	}
	a.touch(r.part())
}

// dropOldestValue keeps the queue of an outage bounded; the history at home has
// the value.
func (a *actor) dropOldestValue(r *room) {
	for i := 1; i < len(r.Queue); i++ { // the head may be on its way
		if r.Queue[i].Value {
			r.Queue = append(r.Queue[:i:i], r.Queue[i+1:]...)
			return
		}
	}
}

// dequeue takes the head, which has reached the log or can't.
func (a *actor) dequeue(r *room) outgoing {
	m := r.Queue[0]
	r.Queue = append([]outgoing(nil), r.Queue[1:]...)
	r.sealed, r.acked = nil, false
	if m.Value {
		a.touchSoft(r.part())
	} else {
		a.touch(r.part())
	}
	return m
}

// sendable tells whether messages may be made in the circle now.
func (r *room) sendable() bool {
	return r.group != nil && r.Stopped == "" && r.Fenced == "" && r.synced && !r.ahead
}

// pump seals the head of the queue when all is well.
func (a *actor) pump(r *room, now time.Time) {
	if !r.sendable() || a.skewed {
		return
	}
	for len(r.Queue) > 0 && r.Queue[0].Raw != nil && r.Queue[0].Epoch != 0 && r.Queue[0].Epoch != r.group.Epoch()+1 {
		a.dequeue(r) // a proposal of a past epoch
	}
	if len(r.Queue) == 0 || r.Queue[0].Raw != nil || r.Pending != nil || r.stale || r.hold != "" {
		return
	}
	if r.sealed != nil && r.sealedID == r.Queue[0].ID && r.sealedAt == r.group.Epoch() {
		return
	}
	if err := a.seal(r); err != nil {
		a.log.Error("seal a message", "circle", r.ID.String(), "error", err)
		r.wakeAt = now.Add(backoffMax)
		a.wake(r.wakeAt)
	}
}

// seal makes the message of the queue's head, under a key that was reserved on
// disk before.
func (a *actor) seal(r *room) error {
	for len(r.Queue) > 0 && r.Queue[0].Raw == nil {
		if r.group.Reserved() == 0 {
			if r.full = r.group.Generation() >= maxGeneration; r.full {
				return nil
			}
			if err := r.group.Reserve(a.block); err != nil {
				return err
			}
			a.touch(r.part())
		}
		m := &r.Queue[0]
		sealed, err := r.group.Seal(m.Plain, nil, m.Size)
		if errors.Is(err, mls.ErrSize) {
			a.problem(r.ID, r.Grant, "too-large", fmt.Sprintf("a message of %d bytes does not fit into %d; it was dropped", len(m.Plain), m.Size))
			a.dequeue(r)
			continue
		}
		if err != nil {
			return err
		}
		r.seals++
		r.sealed, r.sealedID, r.sealedAt, r.acked = sealed, m.ID, r.group.Epoch(), false
		return nil
	}
	return nil
}

// effects lists what the circle wants from its node: at most one commit and one
// append.
func (r *room) effects() []*Effect {
	if !r.sendable() {
		return nil
	}
	var out []*Effect
	if p := r.Pending; p != nil && !r.taken && r.Opened {
		out = append(out, &Effect{
			ID: fmt.Sprintf("k-%s-%d", r.ID, p.Epoch), Kind: EffectCommit, Node: r.Node, Circle: r.ID,
			Epoch: p.Epoch, Commit: p.Commit, Welcome: p.Welcome,
		})
	}
	if len(r.Queue) == 0 || r.acked || !r.Opened {
		return out
	}
	head := &r.Queue[0]
	e := &Effect{Kind: EffectAppend, Node: r.Node, Circle: r.ID, Epoch: r.group.Epoch()}
	switch {
	case head.Raw != nil:
		e.ID, e.Message = fmt.Sprintf("r-%s-%d", r.ID, head.ID), head.Raw
	case r.sealed != nil && r.sealedID == head.ID && r.sealedAt == r.group.Epoch() && !r.stale && r.Pending == nil:
		e.ID, e.Message = fmt.Sprintf("a-%s-%d-%d-%d", r.ID, head.ID, r.sealedAt, r.seals), r.sealed
	default:
		return out
	}
	return append(out, e)
}

// appended takes the node's answer to an append.
func (a *actor) appended(r *room, _ *Effect, res *Result, ref *Refusal) {
	if res != nil {
		r.acked = true // done when the log shows it
		return
	}
	switch ref.Kind {
	case KindStaleEpoch:
		r.stale, r.sealed = true, nil
		a.behind(r, ref)
		if len(r.Queue) > 0 && r.Queue[0].Raw != nil && r.Queue[0].Epoch != 0 {
			a.dequeue(r)
		}
	case KindFenced:
		a.fence(r, ref.Kind)
	default:
		if len(r.Queue) == 0 {
			return
		}
		m := a.dequeue(r)
		a.problem(r.ID, r.Grant, ref.Kind, "the node refused a message: "+ref.Error())
		a.role.opened(r, &incoming{kind: inOwn, own: m, reason: ref.Kind})
	}
}

// behind: a node that was restored from a backup follows an epoch that is past;
// the anchor opens the circle there again as it is now.
func (a *actor) behind(r *room, ref *Refusal) {
	if len(r.Seed) > 0 && r.Cursor>>32 > 0 && ref.Epoch < r.group.Epoch() {
		r.Opened, r.stale = false, false
		a.touch(r.part())
	}
}

func (a *actor) fence(r *room, reason string) {
	if r.Fenced != "" {
		return
	}
	r.Fenced = reason
	a.touch(r.part())
	a.emit(Event{Kind: EventPaused, Circle: r.ID, Grant: r.Grant, Reason: reason, Text: "the node delivers nothing more in this circle"})
}

// committed takes the node's answer to a commit.
func (a *actor) committed(r *room, e *Effect, res *Result, ref *Refusal) {
	if res != nil {
		r.taken = true // merged when the log shows it
		return
	}
	switch ref.Kind {
	case KindStaleEpoch:
		// Either the log is about to show this very commit, or the state was
		// rolled back: then the log shows another one of ours.
		a.postpone(e.ID, time.Second)
		a.behind(r, ref)
	case KindFenced:
		a.fence(r, ref.Kind)
	default:
		if r.Pending != nil {
			r.group.Discard()
			r.Pending = nil
			a.touch(r.part())
		}
		r.wakeAt = a.now().Add(time.Minute)
		a.problem(r.ID, r.Grant, ref.Kind, "the node refused a change of the members: "+ref.Error())
	}
}

// stop seals nothing more in a circle whose log and state disagree.
func (a *actor) stop(r *room, reason, text string) {
	if r.Stopped != "" {
		return
	}
	r.Stopped, r.sealed = reason, nil
	a.touch(r.part())
	a.emit(Event{Kind: EventStopped, Circle: r.ID, Grant: r.Grant, Reason: reason, Text: text})
}

// Subscriptions lists the circles to read.
func (a *actor) Subscriptions() []Subscription {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.broken != nil {
		return nil
	}
	var out []Subscription
	for _, id := range a.roomIDs() {
		if r := a.rooms[id]; r.readable() {
			out = append(out, Subscription{Circle: id, Node: r.Node, After: r.Cursor, Home: r.Home, Joining: r.group == nil})
		}
	}
	return out
}

// readable: not before the node has opened it, not after it was fenced for good.
func (r *room) readable() bool { return r.Opened && (r.Fenced == "" || r.Home) }

// Synced tells where the node's sequence stood when the driver (re)connected:
// the highest number and the epoch. Nothing is sealed in the circle before all
// up to head was received.
func (a *actor) Synced(c ID, head, epoch uint64) error {
	return a.do(func() error {
		r := a.rooms[c]
		if r == nil {
			return fmt.Errorf("sync circle %s: %w", c, ErrUnknown)
		}
		r.head, r.headEpoch, r.headKnown = head, epoch, true
		if head>>32 > r.Cursor>>32 && uint32(head) == 0 {
			r.Cursor = head // a restored node that has nothing new yet
			a.touch(r.part())
		}
		r.acked, r.taken, r.stale, r.ahead = false, false, false, false
		if head < r.Cursor && r.group != nil {
			a.role.opened(r, &incoming{kind: inLost, reason: stoppedFork})
		}
		if a.rooms[c] == r {
			a.checkSynced(r)
		}
		return nil
	})
}

func (a *actor) checkSynced(r *room) {
	r.synced = r.headKnown && r.Cursor >= r.head
	if !r.synced || r.group == nil || r.Cursor > r.head {
		return
	}
	epoch := r.group.Epoch()
	if r.Pending != nil {
		epoch++ // the log is about to show it
	}
	if ahead := r.headEpoch > epoch; ahead && !r.ahead {
		// Only the node's word: nothing is sealed until the log proves or
		// disproves it.
		a.problem(r.ID, r.Grant, "epoch-ahead", fmt.Sprintf("the node says epoch %d, here it is %d: nothing is sealed", r.headEpoch, epoch))
		r.ahead = true
		if !r.suspectAt.IsZero() {
			a.role.opened(r, &incoming{kind: inLost, reason: stoppedFork})
		}
	}
}

// Receive takes frames of a circle in the node's order, own ones included, as
// many as there are: one persist for all. It returns how many were taken:
// duplicates are taken and ignored; a gap ends the call (read again from the
// subscription's After). ErrFull: take events first.
func (a *actor) Receive(c ID, frames []Frame) (n int, err error) {
	err = a.do(func() error {
		r := a.rooms[c]
		if r == nil {
			return fmt.Errorf("receive in circle %s: %w", c, ErrUnknown)
		}
		for _, f := range frames {
			if f.Seq > r.Cursor {
				if r.group != nil && a.gap(r, f.Seq) {
					return nil
				}
				if !a.makeRoom() {
					return fmt.Errorf("receive in circle %s: %w", c, ErrFull)
				}
				a.take(r, f)
			}
			n++
			if a.rooms[c] != r {
				return nil // it ended with this frame
			}
		}
		return nil
	})
	return n, err
}

// gap tells whether frames are missing before seq. What the node leaves out a
// second time it has trimmed.
func (a *actor) gap(r *room, seq uint64) bool {
	if seq == r.Cursor+1 || afterRestore(r.Cursor, seq) {
		return false
	}
	if r.gapAt != seq {
		r.gapAt = seq
		return true
	}
	return false
}

// afterRestore: a node that was restored from a backup counts on in a new
// upper half of its numbers; what was between is lost for everybody.
func afterRestore(cursor, seq uint64) bool {
	return seq>>32 > cursor>>32 && uint32(seq) == 1
}

// take processes one frame and moves the cursor.
func (a *actor) take(r *room, f Frame) {
	r.Cursor, r.gapAt = f.Seq, 0
	if a.ownAppend(r, f) {
		a.confirm(r, f) // read again after a crash, it does no harm
	} else {
		a.touch(r.part())
		a.process(r, f)
	}
	if a.rooms[r.ID] == r {
		a.checkSynced(r)
	}
}

func (a *actor) bad(r *room, why error) {
	r.Bad++
	a.log.Debug("frame not opened", "circle", r.ID.String(), "number", r.Cursor, "why", why)
}

func (a *actor) process(r *room, f Frame) {
	if len(f.Message) > maxHandshake {
		a.bad(r, errors.New("too large"))
		return
	}
	head, err := mls.Peek(f.Message)
	if err != nil {
		a.bad(r, err)
		return
	}
	switch head.WireFormat {
	case mls.WireWelcome:
		if r.group == nil || r.Stopped != "" {
			a.role.opened(r, &incoming{kind: inWelcome, seq: f.Seq, raw: f.Message})
		}
	case mls.WireKeyPackage:
		if r.group != nil {
			a.role.opened(r, &incoming{kind: inKeyPackage, seq: f.Seq, raw: f.Message})
		}
	case mls.WirePublicMessage, mls.WirePrivateMessage:
		switch {
		case r.group == nil || r.Stopped != "":
		case ownCommit(r, f):
			a.merge(r, f)
		default:
			a.processMessage(r, f, head)
		}
	default:
		a.bad(r, errors.New("no message of a circle"))
	}
}

// ownAppend recognises the message that this actor sent last.
func (a *actor) ownAppend(r *room, f Frame) bool {
	if len(r.Queue) == 0 {
		return false
	}
	head := &r.Queue[0]
	sent := head.Raw
	if sent == nil && r.sealedID == head.ID {
		sent = r.sealed
	}
	return sent != nil && bytes.Equal(sent, f.Message)
}

// confirm: the log has the head of the queue now.
func (a *actor) confirm(r *room, f Frame) {
	a.touchSoft(r.part())
	a.role.opened(r, &incoming{kind: inOwn, seq: f.Seq, own: a.dequeue(r)})
}

// ownCommit recognises the pending commit.
func ownCommit(r *room, f Frame) bool {
	return r.Pending != nil && r.group != nil && bytes.Equal(r.Pending.Commit, f.Message)
}

func (a *actor) merge(r *room, f Frame) {
	p := r.Pending
	view := r.group.PendingCommit().View
	if err := r.group.Merge(); err != nil {
		a.bad(r, err)
		return
	}
	r.Pending = nil
	a.newEpoch(r, p.At)
	a.role.opened(r, &incoming{kind: inCommit, seq: f.Seq, raw: f.Message, view: view})
}

func (a *actor) newEpoch(r *room, at time.Time) {
	r.Mark, r.EpochAt = at, a.now()
	r.sealed, r.acked, r.taken, r.stale, r.ahead, r.full, r.proposals = nil, false, false, false, false, false, 0
}

func (a *actor) processMessage(r *room, f Frame, head mls.Head) {
	switch {
	case head.Epoch < r.group.Epoch():
		a.bad(r, mls.ErrEpoch)
		return
	case head.Epoch > r.group.Epoch():
		a.bad(r, mls.ErrEpoch)
		a.suspect(r)
		return
	case head.ContentType == mls.Proposal && !a.proposalWelcome(r, f, head):
		a.bad(r, errors.New("proposal not asked for"))
		return
	}
	before := r.group.Members()
	rx, err := r.group.Process(f.Message)
	switch {
	case errors.Is(err, mls.ErrOwnMessage):
		a.ownUnknown(r, f, head)
	case errors.Is(err, mls.ErrUnauthorized):
		// Genuine, and against the rules: this member goes no further.
		a.bad(r, err)
		a.role.opened(r, &incoming{kind: inLost, seq: f.Seq, reason: stoppedFork})
	case err != nil:
		a.bad(r, err)
		if head.ContentType == mls.Commit {
			a.suspect(r)
		}
	default:
		r.suspectAt = time.Time{}
		a.received(r, f, rx, before)
	}
}

// suspect notes a frame as a state that can't follow the log would meet it.
// Anybody who carries the log could have made it, so one alone means nothing:
// only when the node confirms the epoch, or nothing else comes for a while, is
// the state given up.
func (a *actor) suspect(r *room) {
	if r.suspectAt.IsZero() {
		r.suspectAt = a.now()
	}
	a.wake(r.suspectAt.Add(suspectTime))
	if a.now().Sub(r.suspectAt) >= suspectTime {
		a.role.opened(r, &incoming{kind: inLost, reason: stoppedFork})
	}
}

func (a *actor) received(r *room, f Frame, rx *mls.Received, before []mls.Member) {
	in := &incoming{seq: f.Seq, raw: f.Message, data: rx.Data, view: rx.View, gone: rx.Evicted}
	for _, m := range before {
		if m.Leaf == rx.Sender {
			in.sender = m
		}
	}
	switch rx.Kind {
	case mls.Application:
		in.kind = inMessage
	case mls.Proposal:
		in.kind = inProposal
		r.proposals++
	case mls.Commit:
		in.kind = inCommit
		at, _ := commitAt(rx.AuthenticatedData)
		a.newEpoch(r, at)
	}
	a.role.opened(r, in)
}

// ownUnknown judges a message of the own leaf that this state does not
// remember: sealed before a crash, or by a state that was ahead of this one
// (P9).
func (a *actor) ownUnknown(r *room, f Frame, head mls.Head) {
	a.bad(r, mls.ErrOwnMessage)
	if head.ContentType == mls.Commit {
		a.role.opened(r, &incoming{kind: inLost, seq: f.Seq, reason: stoppedRollback})
		return
	}
	if head.ContentType != mls.Application {
		return
	}
	_, generation, err := r.group.Sender(f.Message)
	if err == nil && generation >= r.group.Generation() {
		a.role.opened(r, &incoming{kind: inLost, seq: f.Seq, reason: stoppedRollback})
	}
}

// Ended tells that the node delivers nothing more, and why ("withdrawn",
// "superseded", "expired", "revoked", "restored").
func (a *actor) Ended(c ID, reason string, at time.Time) error {
	return a.do(func() error {
		r := a.rooms[c]
		if r == nil {
			return nil
		}
		a.role.ended(r, reason, at)
		return nil
	})
}
