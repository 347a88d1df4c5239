package td

import (
	"fmt"
	"slices"
	"strings"
)

// Contexts of the two versions, and of what a directory adds.
const (
	Context10        = "https://www.w3.org/2019/wot/td/v1"
	Context11        = "https://www.w3.org/2022/wot/td/v1.1"
	ContextDirectory = "https://www.w3.org/2022/wot/discovery"
)

// MediaType of a Thing Description (TD 1.1 §10.1).
const MediaType = "application/td+json"

// Bounds of what is taken.
const (
	MaxBytes       = 512 << 10 // of a description
	MaxDepth       = 32        // levels of nesting
	MaxAffordances = 4096      // properties, actions and events together
	MaxID          = 1024      // bytes of an id
	MaxFaults      = 20        // that are told
)

// Summary is what a directory needs to know of a valid description.
type Summary struct {
	ID         string // empty: it has none
	Title      string
	Types      []string // of member @type
	LoneType   bool     // @type is a text, not a list
	Properties []string // names, sorted
	Actions    []string
	Events     []string
	Version    string // "1.0" or "1.1"
}

// Fault is one thing that is wrong with a description.
type Fault struct {
	Pointer string `json:"field"`       // JSON pointer (RFC 6901); of a missing member: where it belongs
	Reason  string `json:"description"` // for people
}

// Invalid is the error of a description that is not valid: at least one and at
// most MaxFaults faults, in the order of their pointers.
type Invalid struct{ Faults []Fault }

func (e *Invalid) Error() string {
	f := e.Faults[0]
	if len(e.Faults) == 1 {
		return fmt.Sprintf("thing description: %s: %s", f.Pointer, f.Reason)
	}
	return fmt.Sprintf("thing description: %s: %s (and %d more faults)", f.Pointer, f.Reason, len(e.Faults)-1)
}

// invalid makes the error of faults, nil for none.
func invalid(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	slices.SortFunc(faults, func(a, b Fault) int {
		if c := strings.Compare(a.Pointer, b.Pointer); c != 0 {
			return c
		}
		return strings.Compare(a.Reason, b.Reason)
	})
	faults = slices.Compact(faults)
	return &Invalid{Faults: faults[:min(len(faults), MaxFaults)]}
}

// Invalidate is the error of one fault: for who checks more than this package.
func Invalidate(pointer, reason string) error {
	return &Invalid{Faults: []Fault{{pointer, reason}}}
}
