package sign

import (
	"crypto/ed25519"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Input is a signature as a request claims it, not yet verified.
type Input struct {
	KeyID   string
	Created time.Time
	Nonce   string

	params    string // as received: what the base must contain
	digest    string
	signature []byte
}

// ParseInput reads the three headers; get returns a header's value by name
// ("" when absent; several lines joined by ", "), like http.Header.Get.
// Refusals are ErrNotSigned.
func ParseInput(get func(name string) string) (Input, error) {
	in := Input{digest: get(HeaderDigest)}
	var err error
	if in.params, err = member(get(HeaderInput), HeaderInput); err != nil {
		return Input{}, err
	}
	sig, err := member(get(HeaderSignature), HeaderSignature)
	if err != nil {
		return Input{}, err
	}
	if in.signature, err = byteSequence(sig); err != nil || len(in.signature) != ed25519.SignatureSize {
		return Input{}, fmt.Errorf("%w: %s must hold 64 bytes", ErrNotSigned, HeaderSignature)
	}
	if in.digest == "" || len(in.digest) > maxHeader {
		return Input{}, fmt.Errorf("%w: %s is missing", ErrNotSigned, HeaderDigest)
	}
	if err := in.readParams(); err != nil {
		return Input{}, fmt.Errorf("%w: %s: %w", ErrNotSigned, HeaderInput, err)
	}
	return in, nil
}

// member takes the value of the one dictionary member "sig1".
func member(value, header string) (string, error) {
	switch {
	case value == "":
		return "", fmt.Errorf("%w: %s is missing", ErrNotSigned, header)
	case len(value) > maxHeader:
		return "", fmt.Errorf("%w: %s is longer than %d bytes", ErrNotSigned, header, maxHeader)
	}
	rest, ok := strings.CutPrefix(value, label+"=")
	if !ok {
		return "", fmt.Errorf("%w: %s must have the one member %s", ErrNotSigned, header, label)
	}
	return rest, nil
}

func byteSequence(s string) ([]byte, error) {
	if len(s) < 2 || s[0] != ':' || s[len(s)-1] != ':' || strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("not a byte sequence")
	}
	return base64.StdEncoding.Strict().DecodeString(s[1 : len(s)-1])
}

// readParams reads ;created=…;nonce="…";keyid="…";alg="ed25519", in any
// order, each exactly once, nothing else.
func (in *Input) readParams() error {
	rest, ok := strings.CutPrefix(in.params, components)
	if !ok {
		return fmt.Errorf("it must cover exactly %s", components)
	}
	seen := map[string]string{}
	for rest != "" {
		var name, value string
		var err error
		if name, value, rest, err = param(rest); err != nil {
			return err
		}
		if _, twice := seen[name]; twice {
			return fmt.Errorf("parameter %s stands twice", name)
		}
		seen[name] = value
	}
	return in.take(seen)
}

func (in *Input) take(params map[string]string) error {
	for _, name := range []string{"created", "nonce", "keyid", "alg"} {
		if params[name] == "" {
			return fmt.Errorf("parameter %s is missing", name)
		}
	}
	if params["alg"] != "ed25519" {
		return fmt.Errorf("alg must be ed25519")
	}
	seconds, err := strconv.ParseInt(params["created"], 10, 64)
	if err != nil || seconds < 0 {
		return fmt.Errorf("created must be seconds since 1970")
	}
	in.Created = time.Unix(seconds, 0).UTC()
	in.Nonce, in.KeyID = params["nonce"], params["keyid"]
	if err := printable(in.Nonce, maxNonce); err != nil {
		return fmt.Errorf("nonce: %w", err)
	}
	if err := printable(in.KeyID, maxKeyID); err != nil {
		return fmt.Errorf("keyid: %w", err)
	}
	return nil
}

// param reads one ";name=value" from s.
func param(s string) (name, value, rest string, err error) {
	s, semicolon := strings.CutPrefix(s, ";")
	name, s, equals := strings.Cut(s, "=")
	if !semicolon || !equals {
		return "", "", "", fmt.Errorf("parameters must be ;name=value")
	}
	switch name {
	case "created":
		end := strings.IndexByte(s, ';')
		if end < 0 {
			end = len(s)
		}
		if end == 0 || end > 15 || strings.Trim(s[:end], "0123456789") != "" {
			return "", "", "", fmt.Errorf("created must be a whole number")
		}
		return name, s[:end], s[end:], nil
	case "nonce", "keyid", "alg":
		value, rest, err = quoted(s)
		return name, value, rest, err
	}
	return "", "", "", fmt.Errorf("a parameter is not one of created, nonce, keyid, alg")
}

// quoted reads a structured-field string from the front of s.
func quoted(s string) (value, rest string, err error) {
	if s == "" || s[0] != '"' {
		return "", "", fmt.Errorf("a parameter must be a quoted string")
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], nil
		case c == '\\':
			i++
			if i == len(s) || (s[i] != '"' && s[i] != '\\') {
				return "", "", fmt.Errorf("a quoted string has a bad escape")
			}
			b.WriteByte(s[i])
		case c < 0x20 || c > 0x7e:
			return "", "", fmt.Errorf("a quoted string must be printable ASCII")
		default:
			b.WriteByte(c)
		}
	}
	return "", "", fmt.Errorf("a quoted string does not end")
}

// Verify checks that key signed exactly req. Refusals are ErrSignature.
func (in Input) Verify(req Request, key ed25519.PublicKey) error {
	if subtle.ConstantTimeCompare([]byte(in.digest), []byte(Digest(req.Body))) != 1 {
		return fmt.Errorf("%w: %s is not that of the body", ErrSignature, HeaderDigest)
	}
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, base(req, in.digest, in.params), in.signature) {
		return ErrSignature
	}
	return nil
}

// CheckTime refuses a signature made more than Window from now (ErrClockSkew).
func (in Input) CheckTime(now time.Time) error {
	if d := now.Sub(in.Created); d > Window || d < -Window {
		return fmt.Errorf("%w: signed at %s, here it is %s", ErrClockSkew,
			in.Created.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}
