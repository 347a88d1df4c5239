package id

import (
	"fmt"
	"slices"
	"strings"
)

// Fault says in one word why a name was refused; programs compare it and the
// catalogues of words have a sentence for each.
type Fault string

// The faults.
const (
	Long       Fault = "long"       // longer than MaxInput
	Empty      Fault = "empty"      // nothing where something must stand
	Unknown    Fault = "unknown"    // no name of any kind
	Letter     Fault = "letter"     // a character that may not stand here
	Length     Fault = "length"     // too short or too long a part
	Checksum   Fault = "checksum"   // the check digit or check characters are wrong
	Prefix     Fault = "prefix"     // no GS1 company prefix
	Value      Fault = "value"      // a part outside its range
	Order      Fault = "order"      // qualifiers not in their order, or none allowed
	Twice      Fault = "twice"      // the same part again
	AIUnknown  Fault = "ai"         // no such application identifier
	NoKey      Fault = "key"        // no primary key
	Escape     Fault = "escape"     // a broken or forbidden percent-encoding
	Compressed Fault = "compressed" // no compressed Digital Link
	Partition  Fault = "partition"  // an EPC's partition above 6
	Header     Fault = "header"     // an EPC's first byte is of no scheme here
	Scheme     Fault = "scheme"     // an EPC or URN scheme that is not known here
	Padding    Fault = "padding"    // bits after the end that are not zero
	Script     Fault = "script"     // letters of scripts that do not stand together in one label
	Label      Fault = "label"      // no label of a host name
	Secret     Fault = "secret"     // a user name or password in a URL
)

// Error is a refused name: where, which part, why.
type Error struct {
	Offset int    // byte in the input where the part begins
	Part   string // the part, by name: "01", "host", "partition"
	Fault  Fault  // for programs
	Reason string // for people, in English
	Want   string // what should stand there, where that is known: the right check digit

	quotes bool // the reason repeats some of the input
}

// Error says the three in one line.
func (e *Error) Error() string {
	return fmt.Sprintf("%s at byte %d: %s", e.Part, e.Offset, e.Reason)
}

// Unquoted is the error without any of the input, which may hold a serial
// number: for answers over a network, and logs.
func (e *Error) Unquoted() *Error {
	out := *e
	if e.quotes {
		out.Reason, out.quotes = "what stands here may not ("+string(e.Fault)+")", false
	}
	if find(e.Part) == nil && !slices.Contains(partNames(), e.Part) {
		out.Part = "name" // it was a piece of it
	}
	return &out
}

// partNames are those of parts that have no application identifier.
func partNames() []string {
	return []string{
		"path", "query", "compressed", "key", "did", "element", "epc", "prefix", "reference", "serial", "pieces", "gid", "host", "port", "name", "urn",
		"zone", "raw", "header", "partition", "filter", "mac", "url",
	}
}

// at moves the place of a fault by the bytes that stand before the part.
func (e *Error) at(before int) *Error {
	if e != nil {
		e.Offset = max(0, e.Offset+before)
	}
	return e
}

func refuse(offset int, part string, fault Fault, reason string, args ...any) *Error {
	return &Error{Offset: offset, Part: part, Fault: fault, Reason: fmt.Sprintf(reason, args...), quotes: strings.Contains(reason, "%q")}
}
