package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"primum/mls"
)

// Bounds of a circle.
const (
	MaxGeneration = 900 // messages of a sender in one epoch
	MaxEpochAge   = 24 * time.Hour
	maxQueue      = 3_000 // messages that wait to be sent
	maxHandshake  = 256 << 10
	suspectTime   = 10 * time.Minute
)

// Reasons of EventStopped.
const (
	StoppedRollback = "rollback" // own messages in the log are ahead of the own state
	StoppedFork     = "fork"     // the log is not the one that was read before
)

// RoomState is what is stored of one circle.
type RoomState struct {
	ID      ID        `json:"id"`
	Home    bool      `json:"home,omitempty"`
	Grant   string    `json:"grant,omitempty"`
	Node    string    `json:"node"`
	Group   []byte    `json:"group,omitempty"` // secret
	Seed    []byte    `json:"seed,omitempty"`  // of the anchor's leaf key; secret
	Cursor  uint64    `json:"cursor"`
	Mark    time.Time `json:"mark"`    // `at` of the newest commit
	EpochAt time.Time `json:"epochAt"` // when this epoch began, by own clock
	Queue   []Outgoing
	NextOut uint64
	Pending *PendingCommit `json:"pending,omitempty"`
	// Refused is one more than the epoch in which the node last refused an own
	// commit: it has that commit and may show it still.
	Refused uint64  `json:"refused,omitempty"`
	Stopped string  `json:"stopped,omitempty"`
	Fenced  string  `json:"fenced,omitempty"`
	Bad     uint64  `json:"bad"` // frames that were not opened
	Events  []Event `json:"events,omitempty"`

	// Of an anchor.
	Opened   bool                   `json:"opened,omitempty"` // at the node
	Packages []HeldPackage          `json:"packages,omitempty"`
	Told     string                 `json:"told,omitempty"`    // hash of the documents that were told
	Telling  string                 `json:"telling,omitempty"` // likewise, on its way
	Leaves   map[string]*LeafState  `json:"leaves,omitempty"`  // by signature key, base64url
	Claimed  map[string]time.Time   `json:"claimed,omitempty"` // when key packages were asked for, by client
	Values   map[string]SentValue   `json:"values,omitempty"`  // by item key: what was sent last
	Rejoins  map[string][]time.Time `json:"rejoins,omitempty"`
	// Of a member.
	Member *MemberRoom `json:"member,omitempty"`
}

// PendingCommit is an own commit that the log doesn't show yet.
type PendingCommit struct {
	Epoch   uint64    `json:"epoch"`
	Commit  []byte    `json:"commit"`
	Welcome []byte    `json:"welcome,omitempty"`
	At      time.Time `json:"at"`
}

// Outgoing is a message on its way: stored in clear, sealed when it is sent, so
// that it can be sealed anew in another epoch.
type Outgoing struct {
	ID    uint64    `json:"id"`
	Plain []byte    `json:"plain,omitempty"`
	Size  int       `json:"size,omitempty"`
	Raw   []byte    `json:"raw,omitempty"`   // a proposal or key package, sent as it is
	Epoch uint64    `json:"epoch,omitempty"` // of a proposal
	Tag   string    `json:"tag,omitempty"`   // what the role calls it
	Value bool      `json:"value,omitempty"` // a crash may lose it
	At    time.Time `json:"at"`
}

// Room is one circle as one participant sees it.
type Room struct {
	RoomState
	actor  *Actor
	MLS    *mls.Group
	Config mls.Config

	HeadKnown  bool
	Head       uint64
	HeadEpoch  uint64
	Synced     bool   // everything up to head was received since the last connection
	gapAt      uint64 // a gap that the node showed twice is a trimmed log
	Hold       string // why nothing is sealed, as the role says
	stale      bool   // the node says the epoch is past: wait for the commit
	ahead      bool   // the node says an epoch that this state doesn't know
	Sealed     []byte
	sealedID   uint64
	sealedAt   uint64 // epoch
	seals      uint64
	acked      bool     // the node has taken the head of the queue
	taken      bool     // the node has taken the pending commit
	Proposals  int      // received in this epoch and not committed
	Full       bool     // too many messages in this epoch
	Overflow   []string // clients that found no room
	Unfit      []string // clients that do not list the suite of the circle
	WakeAt     time.Time
	ProposedAt time.Time // own Update, in this process
	suspectAt  time.Time // since when the log makes no sense
}

// inKind says what came out of the log.
type inKind int

const (
	InMessage    inKind = iota + 1 // an application message was opened
	InProposal                     // a proposal was received
	InCommit                       // a commit was processed, or the own one merged
	InWelcome                      // a Welcome, while joining
	InKeyPackage                   // a key package: somebody asks to rejoin
	InOwn                          // an own message was seen in the log
	InLost                         // the state can't follow the log
)

// Incoming is what the role hears of a frame.
type Incoming struct {
	Kind   inKind
	seq    uint64
	Raw    []byte
	Sender mls.Member // as in the tree before a commit
	Data   []byte
	View   *mls.CommitView
	Gone   bool // this member was removed
	Own    Outgoing
	Reason string
}

func (r *Room) Part() string { return PartCircle + r.ID.String() }

// encode stores the circle; the group's bytes stand in memory only meanwhile.
func (r *Room) encode() ([]byte, error) {
	st := r.RoomState
	st.Group, st.Events = nil, eventsOf{r.actor, r.Part()}.list()
	if r.MLS != nil {
		b, err := r.MLS.MarshalBinary()
		if err != nil {
			return nil, err
		}
		st.Group = b
	}
	return json.Marshal(st)
}

func (a *Actor) restoreRoom(b []byte) error {
	r := &Room{actor: a}
	if err := json.Unmarshal(b, &r.RoomState); err != nil {
		return err
	}
	a.addEvents(r.Part(), r.Events)
	r.Events = nil
	r.FillMaps()
	a.Rooms[r.ID] = r
	a.Parts[r.Part()] = r
	return nil
}

// FillMaps makes the maps that JSON left out.
func (r *Room) FillMaps() {
	if r.Leaves == nil {
		r.Leaves = map[string]*LeafState{}
	}
	if r.Claimed == nil {
		r.Claimed = map[string]time.Time{}
	}
	if r.Values == nil {
		r.Values = map[string]SentValue{}
	}
	if r.Rejoins == nil {
		r.Rejoins = map[string][]time.Time{}
	}
	if m := r.Member; m != nil && m.Seen == nil {
		m.Seen = map[string]time.Time{}
	}
}

// loadGroups brings the groups to life once the role knows the keys.
func (a *Actor) loadGroups() error {
	for _, r := range a.Rooms {
		if r.RoomState.Group == nil {
			continue
		}
		g, err := mls.Load(r.Config, r.RoomState.Group)
		if err != nil {
			return fmt.Errorf(BadState, r.Part(), err)
		}
		r.MLS, r.RoomState.Group = g, nil
	}
	return nil
}

func (a *Actor) AddRoom(r *Room) {
	r.FillMaps()
	r.actor = a
	a.Rooms[r.ID] = r
	a.Put(r.Part(), r)
}

// EraseRoom forgets a circle, keys and all.
func (a *Actor) EraseRoom(r *Room) {
	r.MLS, r.Sealed, r.Seed, r.Queue, r.Pending = nil, nil, nil, nil, nil
	delete(a.Rooms, r.ID)
	a.Put(r.Part(), nil)
	for i := range a.events {
		if a.events[i].part == r.Part() {
			a.events[i].part = PartEvents
			a.Touch(PartEvents)
		}
	}
}

func (a *Actor) RoomIDs() []ID {
	ids := make([]ID, 0, len(a.Rooms))
	for id := range a.Rooms {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return bytes.Compare(ids[i][:], ids[j][:]) < 0 })
	return ids
}

func SortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// Enqueue puts a message in a circle's queue.
func (a *Actor) Enqueue(r *Room, m Outgoing) {
	r.NextOut++
	m.ID, m.At = r.NextOut, a.Now()
	if m.Value && len(r.Queue) >= maxQueue {
		a.dropOldestValue(r)
	}
	if m.Value {
		r.Queue = append(r.Queue, m)
		a.TouchSoft(r.Part())
		return
	}
	r.Queue = slices.Insert(slices.Clone(r.Queue), r.behindOthers(), m)
	a.Touch(r.Part())
}

// behindOthers is where a message goes that is no value: after its like, before
// the values that an outage left, so that a statement doesn't wait for them.
func (r *Room) behindOthers() int {
	n := len(r.Queue)
	for n > 0 && r.Queue[n-1].Value && (n > 1 || r.Sealed == nil) {
		n--
	}
	return n
}

// dropOldestValue keeps the queue of an outage bounded; the history at home has
// the value.
func (a *Actor) dropOldestValue(r *Room) {
	for i := 1; i < len(r.Queue); i++ { // the head may be on its way
		if r.Queue[i].Value {
			r.Queue = append(r.Queue[:i:i], r.Queue[i+1:]...)
			return
		}
	}
}

// Dequeue takes the head, which has reached the log or can't.
func (a *Actor) Dequeue(r *Room) Outgoing {
	m := r.Queue[0]
	r.Queue = append([]Outgoing(nil), r.Queue[1:]...)
	r.Sealed, r.acked = nil, false
	if m.Value {
		a.TouchSoft(r.Part())
	} else {
		a.Touch(r.Part())
	}
	return m
}

// Sendable tells whether messages may be made in the circle now.
func (r *Room) Sendable() bool {
	return r.MLS != nil && r.Stopped == "" && r.Fenced == "" && r.Synced && !r.ahead
}

// pump seals the head of the queue when all is well.
func (a *Actor) pump(r *Room, now time.Time) {
	if !r.Sendable() || a.Skewed {
		return
	}
	for len(r.Queue) > 0 && r.Queue[0].Raw != nil && r.Queue[0].Epoch != 0 && r.Queue[0].Epoch != r.MLS.Epoch()+1 {
		a.Dequeue(r) // a proposal of a past epoch
	}
	if len(r.Queue) == 0 || r.Queue[0].Raw != nil || r.Pending != nil || r.stale || r.Hold != "" {
		return
	}
	if r.Sealed != nil && r.sealedID == r.Queue[0].ID && r.sealedAt == r.MLS.Epoch() {
		return
	}
	if err := a.seal(r); err != nil {
		a.Log.Error("seal a message", "circle", r.ID.String(), "error", err)
		r.WakeAt = now.Add(BackoffMax)
		a.Wake(r.WakeAt)
	}
}

// seal makes the message of the queue's head, under a key that was reserved on
// disk before.
func (a *Actor) seal(r *Room) error {
	for len(r.Queue) > 0 && r.Queue[0].Raw == nil {
		if r.MLS.Reserved() == 0 {
			if r.Full = r.MLS.Generation() >= MaxGeneration; r.Full {
				return nil
			}
			if err := r.MLS.Reserve(a.Block); err != nil {
				return err
			}
			a.Touch(r.Part())
		}
		m := &r.Queue[0]
		sealed, err := r.MLS.Seal(m.Plain, nil, m.Size)
		if errors.Is(err, mls.ErrSize) {
			a.Problem(r.ID, r.Grant, "too-large", fmt.Sprintf("a message of %d bytes does not fit into %d; it was dropped", len(m.Plain), m.Size))
			a.Dequeue(r)
			continue
		}
		if err != nil {
			return err
		}
		r.seals++
		r.Sealed, r.sealedID, r.sealedAt, r.acked = sealed, m.ID, r.MLS.Epoch(), false
		return nil
	}
	return nil
}

// effects lists what the circle wants from its node: at most one commit and one
// append.
func (r *Room) effects() []*Effect {
	if !r.Sendable() {
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
	e := &Effect{Kind: EffectAppend, Node: r.Node, Circle: r.ID, Epoch: r.MLS.Epoch()}
	switch {
	case head.Raw != nil:
		e.ID, e.Message = fmt.Sprintf("r-%s-%d", r.ID, head.ID), head.Raw
	case r.Sealed != nil && r.sealedID == head.ID && r.sealedAt == r.MLS.Epoch() && !r.stale && r.Pending == nil:
		e.ID, e.Message = fmt.Sprintf("a-%s-%d-%d-%d", r.ID, head.ID, r.sealedAt, r.seals), r.Sealed
	default:
		return out
	}
	return append(out, e)
}

// appended takes the node's answer to an append.
func (a *Actor) appended(r *Room, _ *Effect, res *Result, ref *Refusal) {
	if res != nil {
		r.acked = true // done when the log shows it
		return
	}
	switch ref.Kind {
	case KindStaleEpoch:
		r.stale, r.Sealed = true, nil
		a.behind(r, ref)
		if len(r.Queue) > 0 && r.Queue[0].Raw != nil && r.Queue[0].Epoch != 0 {
			a.Dequeue(r)
		}
	case KindFenced:
		a.Fence(r, ref.Kind)
	default:
		if len(r.Queue) == 0 {
			return
		}
		m := a.Dequeue(r)
		a.Problem(r.ID, r.Grant, ref.Kind, "the node refused a message: "+ref.Error())
		a.Role.Incoming(r, &Incoming{Kind: InOwn, Own: m, Reason: ref.Kind})
	}
}

// behind: a node that was restored from a backup follows an epoch that is past;
// the anchor opens the circle there again as it is now.
func (a *Actor) behind(r *Room, ref *Refusal) {
	if len(r.Seed) > 0 && r.Cursor>>32 > 0 && ref.Epoch < r.MLS.Epoch() {
		r.Opened, r.stale = false, false
		a.Touch(r.Part())
	}
}

func (a *Actor) Fence(r *Room, reason string) {
	if r.Fenced != "" {
		return
	}
	r.Fenced = reason
	a.Touch(r.Part())
	a.Emit(Event{Kind: EventPaused, Circle: r.ID, Grant: r.Grant, Reason: reason, Text: "the node delivers nothing more in this circle"})
}

// committed takes the node's answer to a commit.
func (a *Actor) committed(r *Room, e *Effect, res *Result, ref *Refusal) {
	if res != nil {
		r.taken = true // merged when the log shows it
		return
	}
	switch ref.Kind {
	case KindStaleEpoch:
		// Either the log is about to show this very commit, or the state was
		// rolled back: then the log shows another one of ours.
		a.Postpone(e.ID, time.Second)
		a.behind(r, ref)
	case KindFenced:
		a.Fence(r, ref.Kind)
	default:
		if r.Pending != nil {
			r.MLS.Discard()
			r.Pending, r.Refused = nil, r.Pending.Epoch+1
			a.Touch(r.Part())
		}
		r.WakeAt = a.Now().Add(time.Minute)
		a.Problem(r.ID, r.Grant, ref.Kind, "the node refused a change of the members: "+ref.Error())
	}
}

// Stop seals nothing more in a circle whose log and state disagree.
func (a *Actor) Stop(r *Room, reason, text string) {
	if r.Stopped != "" {
		return
	}
	r.Stopped, r.Sealed = reason, nil
	a.Touch(r.Part())
	a.Emit(Event{Kind: EventStopped, Circle: r.ID, Grant: r.Grant, Reason: reason, Text: text})
}
