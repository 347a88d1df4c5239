package linkset

import (
	"errors"
	"time"
)

// Bounds of what is kept.
const (
	MaxAnchor      = 1024 // bytes of an anchor
	MaxHref        = 4096 // bytes of a target
	MaxText        = 512  // bytes of a title or description
	MaxEntries     = 256  // of one anchor
	MaxTags        = 16   // languages or contexts of an entry
	MaxDelegations = 10000
)

// DefaultLink is the link type that marks the link a resolver redirects to;
// DefaultMulti one of several, told apart by language, media type or context
// (GS1-Conformant Resolver 1.2 §4.6).
const (
	DefaultLink  = "gs1:defaultLink"
	DefaultMulti = "gs1:defaultLinkMulti"
	HandledBy    = "gs1:handledBy"
)

// Errors of this package.
var (
	ErrNotFound = errors.New("no such link")
	ErrFull     = errors.New("there is no room for more of this")
	ErrOverlap  = errors.New("two delegated ranges overlap, and neither lies in the other")
)

// InvalidError says which member of an entry or delegation can't be kept, and
// why.
type InvalidError struct {
	Member string // as in JSON: "href"
	Reason string
}

func (e *InvalidError) Error() string { return e.Member + ": " + e.Reason }

// Entry is one link.
type Entry struct {
	// ID is made of the other members (but Title and By), so that the same link
	// put twice is one.
	ID string `json:"id"`
	// LinkType is "gs1:pip" and the like, a registered relation ("describedby")
	// or an absolute URL.
	LinkType string   `json:"linkType"`
	Href     string   `json:"href"` // http or https
	Title    string   `json:"title"`
	Type     string   `json:"type,omitempty"`     // media type
	Langs    []string `json:"hreflang,omitempty"` // "de", "de-AT"
	Context  []string `json:"context,omitempty"`  // places and the like
	// Default links are what a resolver redirects to when nobody asks for a type.
	Default bool   `json:"default,omitempty"`
	Forward bool   `json:"fwqs,omitempty"` // the query goes on to the target
	By      string `json:"by,omitempty"`   // the publisher
}

// Item is all that is known of one anchor.
type Item struct {
	Anchor      string    `json:"anchor"`
	Description string    `json:"itemDescription"`
	Entries     []Entry   `json:"entries"`
	Changed     time.Time `json:"changed"`
}

// Delegation says that another node answers for some names.
type Delegation struct {
	// Subject is what is delegated: a prefix of a key's value
	// ("01/0401234*"), a range of it ("01/04012345000000..04012345999999"),
	// one item with all below it ("01/04012345999990"), a sub-domain
	// ("*.sensors.example.org"), or one other identifier.
	Subject   string    `json:"subject"`
	HandledBy string    `json:"handledBy"` // where that node's resolver is, https:
	By        string    `json:"by,omitempty"`
	Changed   time.Time `json:"changed"`
}
