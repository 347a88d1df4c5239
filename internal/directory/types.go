package directory

import (
	"errors"
	"strconv"
	"time"
)

// Visibility says who sees an entry, apart from its owner.
type Visibility string

// Who sees an entry.
const (
	Public   Visibility = "public"   // everybody
	Grantees Visibility = "grantees" // who holds a valid grant of the owner
	Private  Visibility = "private"  // nobody else
)

// Operator is the owner of the entries that publishers make.
const Operator = ""

// Viewer is who asks. The zero Viewer is a stranger.
type Viewer struct {
	Account   string   // that signed the request; empty: none
	Publisher bool     // the request bears a publisher's token: it acts for the operator
	Owners    []string // accounts whose grant to Account is given and valid now
}

// Entry is a description in the directory.
type Entry struct {
	ID         string
	Owner      string // Operator or an account
	Visibility Visibility
	TD         []byte // as kept: with its id and the directory's context, without registration
	Created    time.Time
	Modified   time.Time
	Expires    time.Time     // zero: it stays
	TTL        time.Duration // that Expires was counted from; 0: none was said

	n, version int64
}

// Tag is the entry's entity tag (RFC 9110 §8.8.3), quoted: it changes with each
// change of the entry.
func (e Entry) Tag() string {
	return `"` + strconv.FormatInt(ms(e.Created), 36) + "." + strconv.FormatInt(e.version, 36) + `"`
}

// Errors of this package. Those of thing/td (*td.Invalid) come as they are.
var (
	ErrNotFound  = errors.New("no such thing in the directory")
	ErrForbidden = errors.New("the thing belongs to somebody else")
	ErrStranger  = errors.New("a stranger changes nothing")
	ErrTaken     = errors.New("another public thing has this id")
	ErrFull      = errors.New("the account has as many things as it may")
	ErrName      = errors.New("an account shows everybody only things with a URN of their own, such as urn:uuid")
	ErrChanged   = errors.New("the thing has changed since")
	ErrBroad     = errors.New("the query finds or reads more than is answered at once")
)
