package mls

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// canary is application data and a pre-shared key: neither may show.
var canary = []byte("a canary that only members may see")

// secretive is a group whose member ann holds every kind of secret that a
// Group can hold: a pending commit, own updates, past epochs, resumption
// secrets, reserved and skipped keys, an external key.
type secretive struct {
	*lab
	ann, ben *party
	kp       *KeyPackage // of a client that ann's pending commit adds
	priv     *KeyPackagePrivate
	staged   *Staged
	received *Received // with the canary
	leaked   secretSet
}

func newSecretive(t *testing.T, suite Suite) *secretive {
	t.Helper()
	l := newLabOf(t, suite, 77, 4)
	s := &secretive{lab: l, ann: l.at(0), ben: l.at(1)}
	for _, p := range l.parties {
		p.cfg.AllowPSK, p.cfg.AllowExternalCommits, p.cfg.AllowReInit, p.cfg.AllowBranch = true, true, true, true
		p.cfg.PastEpochs, p.cfg.ResumptionEpochs = 2, 2
		p.cfg.PSK = func([]byte) ([]byte, error) { return canary, nil }
		p.g = again(t, p.cfg, p.g)
	}
	for range 3 {
		l.commit(s.ben, CommitOptions{})
		skipped := seal(t, s.ben.g, "skipped")
		opens(t, s.ann.g, seal(t, s.ben.g, "x"), "x")
		_ = skipped
	}
	var err error
	s.received, err = s.ann.g.Process(seal(t, s.ben.g, string(canary)))
	l.must(err)
	l.must(s.ann.g.Reserve(3))
	_, err = s.ann.g.ProposeUpdate(nil)
	l.must(err)
	s.kp, s.priv = l.keyPackage(l.party())
	s.staged, err = s.ann.g.Commit(CommitOptions{Add: []*KeyPackage{s.kp}})
	l.must(err)
	s.collect()
	return s
}

// collect gathers every secret of ann and of the key package.
func (s *secretive) collect() {
	s.t.Helper()
	var known []byte // what everybody may see
	for _, p := range []interface{ MarshalBinary() ([]byte, error) }{s.public} {
		b, err := p.MarshalBinary()
		s.must(err)
		known = append(known, b...)
	}
	for _, c := range s.ann.g.st.Proposals {
		known = append(known, c.Ref...)
		known = append(known, c.Sent.Leaf.EncryptionKey...)
	}
	known = append(append(known, s.staged.GroupInfo...), s.staged.Commit...)
	s.leaked = secretSet{"canary": canary}
	g := s.ann.g
	for name, v := range map[string]any{
		"present": g.core.secrets, "keys": g.core.keys, "private": g.core.private, "updates": g.updates,
		"next": g.pending.next.secrets, "next keys": g.pending.next.keys, "next private": g.pending.next.private,
		"resumption": g.resumption, "reserve": g.reserve, "package": s.priv, "signer": s.ann.cfg.Signer,
	} {
		s.leaked.walk(name, reflect.ValueOf(v))
	}
	for i, c := range g.past {
		s.leaked.walk(fmt.Sprint("past", i), reflect.ValueOf(c.secrets))
		s.leaked.walk(fmt.Sprint("past keys", i), reflect.ValueOf(c.keys))
	}
	for name, b := range s.leaked {
		if bytes.Contains(known, b) || strings.HasSuffix(name, ".Authenticator") || strings.HasPrefix(name, "keys.s.") {
			delete(s.leaked, name)
		}
	}
	if len(s.leaked) < 40 {
		s.t.Fatalf("only %d secrets were found in a group full of them", len(s.leaked))
	}
}

// secretSet are secrets by where they lie.
type secretSet map[string][]byte

// walk collects all byte strings of 12 bytes and more below v.
func (set secretSet) walk(name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*ed25519.PrivateKey]() && !strings.Contains(v.Type().String(), "suite.Suite") {
			set.walk(name, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			set.walk(name+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			set.walk(fmt.Sprintf("%s[%v]", name, it.Key()), it.Value())
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			set.keep(name, v)
			return
		}
		for i := range v.Len() {
			set.walk(fmt.Sprintf("%s[%d]", name, i), v.Index(i))
		}
	}
}

// keep takes the first 32 bytes, where all secrets are, without zeros at the
// end; ML-KEM keys are seeds of 32 bytes.
func (set secretSet) keep(name string, v reflect.Value) {
	b := make([]byte, min(v.Len(), 32))
	for i := range b {
		b[i] = byte(v.Index(i).Uint())
	}
	if b = bytes.TrimRight(b, "\x00"); len(b) >= 10 {
		set[name] = b
	}
}

// shapes are the ways in which a text can show bytes, of 10 of them at
// least, at the start and at the end.
func shapes(b []byte) (out []string) {
	for _, part := range [][]byte{b[:10], b[len(b)-10:]} {
		var decimal, hexes []string
		for _, x := range part {
			decimal = append(decimal, strconv.Itoa(int(x)))
			hexes = append(hexes, fmt.Sprintf("0x%x", x))
		}
		quoted := strconv.Quote(string(part))
		out = append(
			out, string(part), quoted[1:len(quoted)-1], hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)),
			fmt.Sprintf("% x", part), fmt.Sprintf("% X", part), fmt.Sprintf("%#x", part)[2:],
			strings.Join(decimal, " "), strings.Join(decimal, ", "), strings.Join(decimal, ","), strings.Join(hexes, ", "),
			base32.StdEncoding.EncodeToString(part)[:14],
		)
	}
	for shift := range 3 { // base64 of text that begins anywhere
		part := b[shift : shift+9]
		out = append(out, base64.StdEncoding.EncodeToString(part), base64.URLEncoding.EncodeToString(part))
	}
	return out
}

// shape is one spelling of a secret.
type shape struct{ text, name string }

// stem is how many bytes of a text choose the shapes to look for.
const stem = 8

// finder searches texts for secrets.
type finder struct {
	first   *[1 << 16]bool     // whether a shape begins with these two bytes
	words   map[string][]shape // by their first bytes
	numbers map[uint64]string  // what 3 or 4 bytes of a secret are as a number
}

func newFinder(set secretSet) *finder {
	f := &finder{first: new([1 << 16]bool), words: map[string][]shape{}, numbers: map[uint64]string{}}
	for name, b := range set {
		for _, w := range shapes(b) {
			f.first[int(w[0])<<8|int(w[1])] = true
			f.words[w[:stem]] = append(f.words[w[:stem]], shape{w, name})
		}
		for i := range len(b) - 3 {
			f.numbers[uint64(binary.BigEndian.Uint32(b[i:]))] = name
			f.numbers[uint64(binary.LittleEndian.Uint32(b[i:]))] = name
		}
	}
	return f
}

// find is the name of a secret that shows in the text, or "".
func (f *finder) find(text string) string {
	digits := 0
	for i := range len(text) {
		if c := text[i]; '0' <= c && c <= '9' {
			digits++
		} else {
			if name := f.number(text[i-digits : i]); name != "" {
				return name
			}
			digits = 0
		}
		if i+stem > len(text) || !f.first[int(text[i])<<8|int(text[i+1])] {
			continue
		}
		for _, s := range f.words[text[i:i+stem]] {
			if strings.HasPrefix(text[i:], s.text) {
				return s.name
			}
		}
	}
	return f.number(text[len(text)-digits:])
}

// number is find for what may be four bytes of a secret in decimal.
func (f *finder) number(digits string) string {
	if len(digits) < 7 || len(digits) > 10 {
		return ""
	}
	v, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || f.numbers[v] == "" {
		return ""
	}
	return "four bytes of " + f.numbers[v]
}

// opaque is a signer that gives signatures and its public key, as hardware
// does, and whose key can't be reached by any assertion.
type opaque struct {
	sign   func(message []byte) []byte
	public ed25519.PublicKey
	used   *int
}

func newOpaque(random io.Reader) (opaque, error) {
	public, key, err := ed25519.GenerateKey(random)
	return opaque{sign: func(m []byte) []byte { return ed25519.Sign(key, m) }, public: public, used: new(int)}, err
}
