package linkset

import (
	"errors"
	"time"
)

// Bounds of what is kept.
const (
	MaxAnchor      = 1024 // bytes of an anchor or a subject
	MaxHref        = 4096 // bytes of a target
	MaxText        = 512  // bytes of a title or a description
	MaxEntries     = 256  // of one anchor
	MaxTags        = 16   // languages or contexts of an entry, languages of a description
	MaxDelegations = 10000
)

// Link types that resolvers know by name (GS1 Web Vocabulary).
const (
	DefaultLink  = "gs1:defaultLink"      // where a request leads that asks for nothing
	DefaultMulti = "gs1:defaultLinkMulti" // the same, told apart by language, media type or context
	HandledBy    = "gs1:handledBy"        // another resolver
	DescribedBy  = "describedby"          // Thing Descriptions
)

// Errors of this package.
var (
	ErrNotFound = errors.New("there is no such link")
	ErrFull     = errors.New("there is no room for more of this")
	ErrOverlap  = errors.New("two delegated ranges overlap, and neither lies in the other")
)

// InvalidError says which member of a link or a delegation can't be kept, and
// why.
type InvalidError struct {
	Member string // as in JSON: "href"
	Reason string
}

func (e *InvalidError) Error() string { return e.Member + ": " + e.Reason }

// Entry is one link.
type Entry struct {
	// LinkType is "gs1:pip" and the like, a registered relation ("describedby")
	// or an absolute URL.
	LinkType string   `json:"linkType"`
	Href     string   `json:"href"` // http or https
	Title    string   `json:"title,omitempty"`
	Type     string   `json:"type,omitempty"`     // media type
	Langs    []string `json:"hreflang,omitempty"` // "de", "de-AT"
	Context  []string `json:"context,omitempty"`  // places and the like
	// Default marks what a resolver redirects to when nobody asks for a type.
	Default bool `json:"default,omitempty"`
	// NoQuery keeps the query of a request from the target ("fwqs": false).
	NoQuery bool   `json:"noQuery,omitempty"`
	By      string `json:"by,omitempty"` // the publisher
}

// Item is all that is known of one anchor. An Item that a book returned is
// shared: callers don't change it.
type Item struct {
	Anchor      string            `json:"anchor"`
	Description string            `json:"itemDescription"`
	Local       map[string]string `json:"itemDescriptionIn,omitempty"` // by language
	Entries     []Entry           `json:"entries"`
	Changed     time.Time         `json:"changed"`
}

// Delegation says that another node answers for some names.
type Delegation struct {
	// Subject is what is delegated, as texts that anchors have: all that begin
	// with a text ("01/0401234*"), a range of the last segment with all below
	// ("01/04012345000000..04012345999999"), or one text with all below it
	// ("01/04012345999990", "dns/org/example/sensors").
	Subject   string    `json:"subject"`
	HandledBy string    `json:"handledBy"` // the root of that node's resolver
	By        string    `json:"by,omitempty"`
	Changed   time.Time `json:"changed"`
}
