package ledger

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// Purpose is what a key of the ledger is for: the info string of its derivation.
type Purpose string

// The purposes.
const (
	PublicKey      Purpose = "primum ledger public v1"
	CommitmentsKey Purpose = "primum ledger commitments v1"
	WitnessKey     Purpose = "primum witness v1"
)

// Key types of signed notes (C2SP signed-note, Signature types).
const (
	algEd25519     = 0x01
	algCosignature = 0x04
)

// DeriveKey makes the key of a purpose from the seed of a node's key:
// HKDF-SHA256 without salt, the purpose as info.
func DeriveKey(seed []byte, p Purpose) (ed25519.PrivateKey, error) {
	b, err := hkdf.Key(sha256.New, seed, nil, string(p), ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive %s: %w", p, err)
	}
	return ed25519.NewKeyFromSeed(b), nil
}

// PublicOrigin is the origin of the public log of an authority.
func PublicOrigin(authority string) string { return authority + "/ledger/public" }

// CommitmentsOrigin is the origin of the commitments log of an authority.
func CommitmentsOrigin(authority string) string { return authority + "/ledger/commitments" }

// WitnessName is the name under which a node cosigns.
func WitnessName(authority string) string { return authority + "/witness" }

// Authority is the authority of an origin or of a witness's name.
func Authority(name string) string {
	a, _, _ := strings.Cut(name, "/")
	return a
}

// LogKey is the verifier key text of a log (C2SP signed-note, type 0x01).
func LogKey(origin string, key ed25519.PublicKey) string { return vkey(origin, algEd25519, key) }

// CosignerKey is the verifier key text of a witness (type 0x04).
func CosignerKey(name string, key ed25519.PublicKey) string { return vkey(name, algCosignature, key) }

func vkey(name string, alg byte, key ed25519.PublicKey) string {
	material := append([]byte{alg}, key...)
	return fmt.Sprintf("%s+%08x+%s", name, keyHash(name, material), base64.StdEncoding.EncodeToString(material))
}

func keyHash(name string, material []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), material...))
	return binary.BigEndian.Uint32(sum[:])
}

// readKey takes a verifier key text apart.
func readKey(text string) (name string, alg byte, key ed25519.PublicKey, err error) {
	name, rest, _ := strings.Cut(text, "+")
	hash, key64, _ := strings.Cut(rest, "+")
	b, err := base64.StdEncoding.Strict().DecodeString(key64)
	if err != nil || len(b) != 1+ed25519.PublicKeySize || !validName(name) || len(text) > 512 {
		return "", 0, nil, fmt.Errorf("%w verifier key", ErrMalformed)
	}
	if hash != fmt.Sprintf("%08x", keyHash(name, b)) {
		return "", 0, nil, fmt.Errorf("%w verifier key: its hash is of another key", ErrMalformed)
	}
	return name, b[0], ed25519.PublicKey(b[1:]), nil
}

// validName is what C2SP signed-note asks of the name of a key.
func validName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.Contains(name, "+") &&
		strings.IndexFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) < 0
}

// noteKey is both halves of a key of signed notes.
type noteKey struct {
	name   string
	hash   uint32
	sign   func(msg []byte) ([]byte, error)
	verify func(msg, sig []byte) bool
}

func (k *noteKey) Name() string                    { return k.name }
func (k *noteKey) KeyHash() uint32                 { return k.hash }
func (k *noteKey) Sign(msg []byte) ([]byte, error) { return k.sign(msg) }
func (k *noteKey) Verify(msg, sig []byte) bool     { return k.verify(msg, sig) }

// NewSigner signs checkpoints as the log of an origin.
func NewSigner(origin string, key ed25519.PrivateKey) (note.Signer, error) {
	if !validName(origin) {
		return nil, fmt.Errorf("%w origin %q", ErrMalformed, origin)
	}
	public := key.Public().(ed25519.PublicKey)
	return &noteKey{
		name: origin, hash: keyHash(origin, append([]byte{algEd25519}, public...)),
		sign: func(msg []byte) ([]byte, error) { return ed25519.Sign(key, msg), nil },
	}, nil
}

// NewCosigner cosigns checkpoints as a witness, with the time that now gives
// (C2SP tlog-cosignature, cosignature/v1).
func NewCosigner(name string, key ed25519.PrivateKey, now func() time.Time) (note.Signer, error) {
	if !validName(name) {
		return nil, fmt.Errorf("%w witness name %q", ErrMalformed, name)
	}
	public := key.Public().(ed25519.PublicKey)
	return &noteKey{
		name: name, hash: keyHash(name, append([]byte{algCosignature}, public...)),
		sign: func(msg []byte) ([]byte, error) {
			at := uint64(now().Unix())
			return append(binary.BigEndian.AppendUint64(nil, at), ed25519.Sign(key, cosigned(at, msg))...), nil
		},
	}, nil
}

// cosigned is what a witness signs.
func cosigned(at uint64, body []byte) []byte {
	return append([]byte("cosignature/v1\ntime "+strconv.FormatUint(at, 10)+"\n"), body...)
}

// verifier is the checking half of a log's or a witness's key.
func verifier(text string, alg byte) (note.Verifier, error) {
	name, got, key, err := readKey(text)
	if err != nil {
		return nil, err
	}
	if got != alg {
		return nil, fmt.Errorf("%w verifier key: of type %d", ErrMalformed, got)
	}
	v := &noteKey{name: name, hash: keyHash(name, append([]byte{alg}, key...))}
	v.verify = func(msg, sig []byte) bool { return ed25519.Verify(key, msg, sig) }
	if alg == algCosignature {
		v.verify = func(msg, sig []byte) bool {
			if len(sig) != 8+ed25519.SignatureSize {
				return false
			}
			at := binary.BigEndian.Uint64(sig)
			return at < 1<<63 && ed25519.Verify(key, cosigned(at, msg), sig[8:])
		}
	}
	return v, nil
}
