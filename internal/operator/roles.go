package operator

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"time"

	"primum/internal/store"
)

// Role is what an operator may do.
type Role string

// Roles, each with all that the ones before it may.
const (
	Auditor   Role = "auditor"   // reads
	Publisher Role = "publisher" // takes public pages down
	Admin     Role = "admin"     // invitations, and all else
)

// Roles are all roles, the least first.
func Roles() []Role { return []Role{Auditor, Publisher, Admin} }

// may tells whether a role is enough for what needs another.
func (r Role) may(needs Role) bool {
	rank := map[Role]int{Auditor: 1, Publisher: 2, Admin: 3}
	return rank[r] >= rank[needs] && rank[r] > 0
}

// Acts, as the log names them; each has a sentence operator.act.NAME.
const (
	actAdded        = "operator-added"
	actRemoved      = "operator-removed"
	actKey          = "key-registered"
	actLogin        = "login"
	actLogout       = "logout"
	actInvite       = "invite-made"
	actRevoke       = "invite-revoked"
	actTakeDown     = "notice-taken"
	actTokenAdded   = "token-added"
	actTokenRemoved = "token-removed"
)

const (
	ticketLasts = 10 * time.Minute
	// Console is who acted when somebody did it in the node's own terminal.
	Console = "-"
)

// ErrName is the error of a name or role that can't be one.
var ErrName = errors.New("an operator's name has 1 to 32 of a-z 0-9 -, and begins with a letter; roles are auditor, publisher, admin")

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Add adds an operator, or gives one a new role, and makes the one-time part
// of the address at which they register a passkey within ten minutes. base is
// the start of every address of the node. Errors: ErrName.
func Add(ctx context.Context, st *store.Store, base, name string, role Role, now time.Time) (url string, until time.Time, err error) {
	if !nameForm.MatchString(name) || !role.may(Auditor) {
		return "", until, ErrName
	}
	text, hash := newSecret()
	until = now.Add(ticketLasts)
	who := store.Operator{Name: name, Role: string(role), Handle: random(32), Added: now}
	act := store.Act{At: now, Who: Console, Act: actAdded, About: name + " (" + string(role) + ")"}
	if err := st.Operators.Add(ctx, who, hash, until, act); err != nil {
		return "", until, fmt.Errorf("add operator: %w", err)
	}
	return base + root + "/new#" + text, until, nil
}

// Remove removes an operator; store.ErrNotFound.
func Remove(ctx context.Context, st *store.Store, name string, now time.Time) error {
	return st.Operators.Remove(ctx, name, store.Act{At: now, Who: Console, Act: actRemoved, About: name})
}

// Invite makes a one-use invitation for a new account and notes who made it.
func Invite(ctx context.Context, st *store.Store, who string, now, until time.Time) (string, error) {
	b := random(18)
	text := base64.RawURLEncoding.EncodeToString(b)
	hash := sha256.Sum256([]byte(text))
	act := store.Act{At: now, Who: who, Act: actInvite, About: inviteName(hash[:])}
	return text, st.Operators.Invite(ctx, hash[:], now, until, act)
}

// inviteName is how an invitation is called where its code must not stand.
func inviteName(hash []byte) string { return base64.RawURLEncoding.EncodeToString(hash[:6]) }

// newSecret is a random text and the hash by which it is kept.
func newSecret() (text string, hash []byte) {
	text = base64.RawURLEncoding.EncodeToString(random(32))
	return text, hashOf(text)
}

func hashOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}
