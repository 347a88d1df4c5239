package wire

import "time"

// Where a node answers for names (docs/spec/names.md).
const (
	ResolvePath = "/resolve" // GET ?id=NAME: Resolution, or a redirect for a browser
	LabelsPath  = "/v1/labels"
	OptOutPath  = "/v1/opt-out" // PUT, DELETE ?id=NAME: a publisher says that a thing is not answered for, or is again
	LabelPrefix = "/thing/"     // a personal thing by its random label: LABEL is its page, LABEL/did.json its document
	MaxAnswer   = 256 << 10
)

// MaxLabels is how many labels an account has at most.
const MaxLabels = 100

// NewLabel asks for the label of a thing of the caller's.
type NewLabel struct {
	Name string `json:"name"` // any name that one thing has
}

// Label is a random name of a thing, for its public page and its did:web.
type Label struct {
	Label string    `json:"label"`
	Name  string    `json:"name"` // canonical; only the owner sees it
	URL   string    `json:"url"`  // of the public page, where the owner puts a notice under the label
	DID   string    `json:"did"`
	Made  time.Time `json:"made"`
}

// Labels are the caller's.
type Labels struct {
	Labels []Label `json:"labels"`
}

// Kinds of answers to a name.
const (
	AnswerFound    = "found"    // this node knows it, or its class
	AnswerReferral = "referral" // another node answers for it: HandledBy
	AnswerUnknown  = "unknown"  // nobody here knows it
)

// Levels of an answer. A class may be kept for hours, a thing not at all.
const (
	LevelClass = "class"
	LevelThing = "thing"
)

// Resolution is what a node says to a name. Its fields at class level are the
// same whatever the serial of the question was.
type Resolution struct {
	Answer    string      `json:"answer"`
	Level     string      `json:"level,omitempty"`
	ID        string      `json:"id,omitempty"`    // what is answered for, canonical: a class where the thing is not known
	Title     string      `json:"title,omitempty"` // of it
	Links     []NamedLink `json:"links,omitempty"`
	HandledBy string      `json:"handledBy,omitempty"` // base URL of the node to ask instead
	Covers    string      `json:"covers,omitempty"`    // the prefix, range or sub-domain that it handles
}

// NamedLink is one link of a Resolution (RFC 9264 names).
type NamedLink struct {
	Rel      string   `json:"rel"` // a GS1 link type, "describedby", "did", "service-doc", …
	Href     string   `json:"href"`
	Title    string   `json:"title,omitempty"`
	Type     string   `json:"type,omitempty"`
	HrefLang []string `json:"hreflang,omitempty"`
	Default  bool     `json:"default,omitempty"`
}
