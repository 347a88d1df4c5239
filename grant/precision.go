package grant

import (
	"fmt"
	"math"
	"time"
)

// Stat is how the values of one window become one.
type Stat string

// The stats. Mean needs numbers; Last takes anything.
const (
	Mean Stat = "mean"
	Min  Stat = "min"
	Max  Stat = "max"
	Last Stat = "last"
	Sum  Stat = "sum"
)

// Precision is how fine values may be, applied at the thing's end before
// sealing. Exactly one of Every and Change is set; with Change a message is
// sealed whenever the value changes, and the operator sees when.
type Precision struct {
	// Every is the grant's clock: one message of one size per window, windows
	// half-open and aligned to the Unix epoch. Whole seconds, 1 s to 31 days.
	Every Duration `json:"every,omitzero"`
	// Stat of a window; with Every it must stand.
	Stat Stat `json:"stat,omitempty"`
	// Round is the step that numbers are rounded to, in the value's own unit;
	// 0: not rounded.
	Round float64 `json:"round,omitzero"`
	// Place is the S2 level (0 … 30) that positions are coarsened to; nil: no
	// positions at all.
	Place *int `json:"place,omitempty"`
	// Delay is how much later than measured values may be sealed; whole
	// seconds, at most 31 days.
	Delay Duration `json:"delay,omitzero"`
	// Change seals on change instead of on the grant's clock.
	Change bool `json:"change,omitempty"`
}

const (
	maxEvery   = 31 * Day
	maxS2Level = 30
)

func (p Precision) isZero() bool { return p == Precision{} }

func (p Precision) rules(r *rules, at string) {
	r.need((p.Every > 0) != p.Change, at, "exactly one of every and change")
	r.need(p.Every >= 0 && p.Every <= maxEvery && wholeSeconds(p.Every), at+"/every", "not whole seconds up to 31 days")
	r.need(p.Delay >= 0 && p.Delay <= maxEvery && wholeSeconds(p.Delay), at+"/delay", "not whole seconds up to 31 days")
	r.need(p.Round >= 0 && !math.IsInf(p.Round, 0) && !math.IsNaN(p.Round), at+"/round", "not a step of zero or more")
	r.need(p.Place == nil || *p.Place >= 0 && *p.Place <= maxS2Level, at+"/place", "not an S2 level of 0 to 30")
	switch p.Stat {
	case Mean, Min, Max, Last, Sum:
		r.need(p.Every > 0, at+"/stat", "only with every")
	default:
		r.need(p.Stat == "" && p.Every == 0, at+"/stat", "not mean, min, max, last or sum")
	}
}

// Check is nil when p may stand in terms, else ErrDocument with the place.
func (p Precision) Check() error {
	var r rules
	p.rules(&r, "/precision")
	if r.err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, r.err)
	}
	return nil
}

func wholeSeconds(d Duration) bool { return d.D()%time.Second == 0 }

// Within is nil when asked is no finer than granted, else a *Denied of kind
// precision-exceeded that says in what.
func (p Precision) Within(granted Precision) error {
	switch {
	case p.Change && !granted.Change:
		return deny(KindPrecision, "values at every change were asked, one per %s is granted", Words(granted.Every))
	case !granted.Change && p.Every < granted.Every:
		return deny(KindPrecision, "one value per %s was asked, one per %s is granted", Words(p.Every), Words(granted.Every))
	case granted.Every > 0 && p.Every%granted.Every != 0:
		return deny(KindPrecision, "windows of %s can't be made of windows of %s", Words(p.Every), Words(granted.Every))
	case granted.Stat != "" && p.Stat != granted.Stat:
		return deny(KindPrecision, "the %s was asked, the %s is granted", p.Stat, granted.Stat)
	case p.Round < granted.Round:
		return deny(KindPrecision, "steps of %v were asked, steps of %v are granted", p.Round, granted.Round)
	case p.Delay < granted.Delay:
		return deny(KindPrecision, "a delay of %s was asked, %s is granted", Words(p.Delay), Words(granted.Delay))
	case p.Place != nil && (granted.Place == nil || *p.Place > *granted.Place):
		return deny(KindPrecision, "a finer place was asked than is granted")
	}
	return nil
}

// Window is the half-open window of every that t lies in, aligned to the Unix
// epoch; end is the `at` of its value. every must be positive.
func Window(t time.Time, every Duration) (start, end time.Time) {
	n, e := t.UnixNano(), int64(every)
	n -= ((n % e) + e) % e
	start = time.Unix(0, n).UTC()
	return start, start.Add(every.D())
}

// Kinds of denial; wire's problem types carry the same names.
const (
	KindGrantRequired = "grant-required"
	KindPurpose       = "purpose-mismatch"
	KindPrecision     = "precision-exceeded"
	KindAskLater      = "ask-again-later"
)

// Denied says why something is not allowed.
type Denied struct {
	Kind   string
	Detail string // for people
}

// Error is the detail.
func (d *Denied) Error() string { return d.Detail }

func deny(kind, detail string, args ...any) error {
	return &Denied{Kind: kind, Detail: fmt.Sprintf(detail, args...)}
}
