package grant

import "fmt"

// State is where a grant or request stands. Only Given is valid.
type State string

// The states. Refused, Expired, Superseded, Withdrawn and Revoked are terminal.
const (
	None       State = ""
	Requested  State = "Requested"
	Given      State = "Given"
	Refused    State = "Refused"
	Deferred   State = "Deferred"
	Expired    State = "Expired"
	Superseded State = "Superseded"
	Withdrawn  State = "Withdrawn"
	Revoked    State = "Revoked"
	Paused     State = "Paused"
)

// Event is what moves a state.
type Event string

// The events.
const (
	Ask       Event = "ask"
	Give      Event = "give"
	Refuse    Event = "refuse"
	Defer     Event = "defer"
	Expire    Event = "expire"
	Supersede Event = "supersede"
	Withdraw  Event = "withdraw"
	Revoke    Event = "revoke"
	Pause     Event = "pause"
	Resume    Event = "resume"
)

// Actor is who moves a state.
type Actor string

// The actors. Lease stands for a lease that ran out and for an identity
// document that expired.
const (
	ByOwner   Actor = "owner"
	ByGrantee Actor = "grantee"
	ByNode    Actor = "node"
	ByClock   Actor = "clock"
	ByLease   Actor = "lease"
)

// TransitionError is a move that nobody, or not this actor, may make.
type TransitionError struct {
	From  State
	Event Event
	By    Actor
}

// Error says so.
func (e *TransitionError) Error() string {
	from := e.From
	if from == None {
		from = "not existing"
	}
	return fmt.Sprintf("a grant that is %s can't %s by %s", from, e.Event, e.By)
}

// Terminal tells whether nothing follows; a terminal grant id stays terminal.
func (s State) Terminal() bool {
	switch s {
	case Refused, Expired, Superseded, Withdrawn, Revoked:
		return true
	}
	return false
}

// Valid tells whether values flow.
func (s State) Valid() bool { return s == Given }

// Known tells whether s is one of the states, None aside.
func (s State) Known() bool {
	switch s {
	case Requested, Given, Deferred, Paused:
		return true
	}
	return s.Terminal()
}

// Next is the state after event by an actor, or a *TransitionError. A paused
// grant is still a given one to its owner: everything that ends a given grant
// ends a paused one. A deferred request is still open to its owner.
func Next(s State, event Event, by Actor) (State, error) {
	next := None
	switch s {
	case None:
		next = fromNone(event, by)
	case Requested, Deferred:
		next = fromRequested(s, event, by)
	case Given, Paused:
		next = fromGiven(s, event, by)
	}
	if next == None {
		return s, &TransitionError{From: s, Event: event, By: by}
	}
	return next, nil
}

func fromNone(event Event, by Actor) State {
	switch {
	case event == Ask && by == ByGrantee:
		return Requested
	case event == Give && by == ByOwner:
		return Given
	}
	return None
}

func fromRequested(s State, event Event, by Actor) State {
	switch {
	case event == Give && by == ByOwner:
		return Given
	case event == Refuse && by == ByOwner:
		return Refused
	case event == Defer && s == Requested && (by == ByOwner || by == ByClock):
		return Deferred
	case event == Expire && by == ByClock:
		return Expired
	}
	return None
}

func fromGiven(s State, event Event, by Actor) State {
	switch {
	case event == Supersede && by == ByOwner:
		return Superseded
	case event == Withdraw && by == ByOwner:
		return Withdrawn
	case event == Revoke && (by == ByGrantee || by == ByNode):
		return Revoked
	case event == Expire && by == ByClock:
		return Expired
	case event == Pause && s == Given && by == ByLease:
		return Paused
	case event == Resume && s == Paused && (by == ByLease || by == ByOwner):
		return Given
	}
	return None
}
