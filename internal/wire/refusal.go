package wire

import "time"

// Refusal is an error that names the problem to answer with: rooms behind a
// door return it, and only the door knows statuses and titles.
type Refusal struct {
	Name    string        // one of the Prob constants
	Detail  string        // for people; names no secret and no person
	Pointer string        // JSON pointer of the offending member, if any
	Retry   time.Duration // when it may be asked again, if known
	Epoch   uint64        // stale-epoch: the current one
	Reason  string        // fenced: why
	At      time.Time     // fenced: since when
	Err     error         // what lies behind it; for logs
}

// Error is the detail, or the name where there is none.
func (r *Refusal) Error() string {
	if r.Detail == "" {
		return r.Name
	}
	return r.Detail
}

// Unwrap is the error behind the refusal.
func (r *Refusal) Unwrap() error { return r.Err }
