package resolve

import (
	"context"

	"primum/internal/wire"
)

// Kind says what an answer is.
type Kind string

// Kinds of answers; their texts are those of the wire.
const (
	Found    Kind = wire.AnswerFound
	Referral Kind = wire.AnswerReferral
	Unknown  Kind = wire.AnswerUnknown
)

// Level says how much of a name was answered, and with it how long an answer may
// be kept: a class for hours, a thing not at all.
type Level string

// Levels of an answer.
const (
	Class Level = wire.LevelClass
	Thing Level = wire.LevelThing
)

// Ask is who asks, and how.
type Ask struct {
	Caller string // account; "" for a stranger
}

// Answer is what is known of a name.
type Answer struct {
	Kind      Kind
	Level     Level
	ID        string // canonical; of the class where the thing is unknown
	Title     string
	Links     []wire.NamedLink
	HandledBy string // of a referral: base URL
	Covers    string // of a referral: what is delegated
}

// Description is a Thing Description that a caller may see.
type Description struct {
	ID, Title, URL string
}

// Descriptions finds a description by any of the equivalent forms of a name,
// among those that the caller may see. It does the same work whether it finds
// one or not. Implemented by the directory.
type Descriptions interface {
	Describe(ctx context.Context, caller string, forms []string) (Description, bool, error)
}
