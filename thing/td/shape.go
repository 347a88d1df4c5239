package td

import (
	"errors"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

const maxReason = 200 // bytes of a reason

// unshaped makes faults of what the schema says.
func unshaped(err error) error {
	var ve *jsonschema.ValidationError
	if !errors.As(err, &ve) {
		return Invalidate("", "not a thing description")
	}
	return invalid(leaves(ve, message.NewPrinter(language.English)))
}

// leaves are the faults at the ends of a tree of causes. Of alternatives that
// all failed only the likeliest is told.
func leaves(e *jsonschema.ValidationError, p *message.Printer) []Fault {
	if len(e.Causes) == 0 {
		return []Fault{fault(e, p)}
	}
	var branches [][]Fault
	for _, cause := range e.Causes {
		branches = append(branches, leaves(cause, p))
	}
	switch e.ErrorKind.(type) {
	case *kind.OneOf, *kind.AnyOf:
		return likeliest(branches)
	}
	var all []Fault
	for _, b := range branches {
		if all = append(all, b...); len(all) > 10*MaxFaults {
			break
		}
	}
	return all
}

// likeliest is the alternative that was meant: not one of another scheme, then
// the one that went wrong deepest, then the one with the fewest faults.
func likeliest(branches [][]Fault) []Fault {
	best, bestRank := branches[0], -1<<30
	for _, b := range branches {
		rank := -len(b)
		for _, f := range b {
			if strings.HasSuffix(f.Pointer, "/scheme") {
				rank -= 1 << 20
			}
		}
		rank += 1000 * strings.Count(b[0].Pointer, "/")
		if rank > bestRank {
			best, bestRank = b, rank
		}
	}
	return best
}

func fault(e *jsonschema.ValidationError, p *message.Printer) Fault {
	at := pointer(e.InstanceLocation...)
	if k, ok := e.ErrorKind.(*kind.Required); ok && len(k.Missing) > 0 {
		return Fault{at + pointer(k.Missing[0]), "the member is missing"}
	}
	reason := e.ErrorKind.LocalizedString(p)
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	return Fault{at, reason}
}

// pointer writes names for a JSON pointer (RFC 6901 §3).
func pointer(names ...string) string {
	var b strings.Builder
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	for _, n := range names {
		if len(n) > maxReason {
			n = strings.ToValidUTF8(n[:maxReason], "") + "…"
		}
		b.WriteString("/" + escape.Replace(n))
	}
	return b.String()
}
