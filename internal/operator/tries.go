package operator

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
)

const (
	tryCookie = "primum-operator-try"
	tryLasts  = 5 * time.Minute
)

// errUsed: a ceremony ends once.
var errUsed = errors.New("the ceremony was used before")

// try is a ceremony of WebAuthn that has begun.
type try struct {
	Data   webauthn.SessionData `json:"data"`
	Ticket []byte               `json:"ticket,omitempty"` // of a registration
	Until  time.Time            `json:"until"`
}

// tries seals the ceremonies under way into a cookie of whoever began them:
// anybody may begin one, so the node remembers none, and nobody can have those
// of the operators forgotten. It remembers those that have succeeded, for as
// long as they could be used again. Its key lasts as long as the program.
type tries struct {
	box cipher.AEAD

	mu   sync.Mutex
	used map[string]time.Time // guarded by mu; until when, by challenge
}

func newTries() (*tries, error) {
	block, err := aes.NewCipher(random(32))
	if err != nil {
		return nil, fmt.Errorf("make key of ceremonies: %w", err)
	}
	box, err := cipher.NewGCMWithRandomNonce(block)
	return &tries{box: box, used: map[string]time.Time{}}, err
}

func (t *tries) seal(one try) (string, error) {
	plain, err := json.Marshal(one)
	if err != nil {
		return "", fmt.Errorf("seal ceremony: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(t.box.Seal(nil, nil, plain, []byte(tryCookie))), nil
}

// open reads what seal made, as long as it may be used.
func (t *tries) open(sealed string, now time.Time) (one try, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return one, false
	}
	plain, err := t.box.Open(nil, nil, raw, []byte(tryCookie))
	if err != nil || json.Unmarshal(plain, &one) != nil {
		return try{}, false
	}
	return one, now.Before(one.Until)
}

// use ends a ceremony that has succeeded; false where it had ended.
func (t *tries) use(one try, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for challenge, until := range t.used {
		if !now.Before(until) {
			delete(t.used, challenge)
		}
	}
	if _, again := t.used[one.Data.Challenge]; again {
		return false
	}
	t.used[one.Data.Challenge] = one.Until
	return true
}
