package trace

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"

	"primum/mls"
)

// Window is a stretch of bytes that two circles do not share by chance.
type Window [24]byte

var (
	tokenForm = regexp.MustCompile(`[A-Za-z0-9_-]{12,}`)
	wordForm  = regexp.MustCompile(`^([A-Za-z_-]+|[0-9]{4}-[0-9]{2}-[0-9]{2}T?[0-9]*)$`)
)

// Tokens are the names and numbers in a text, words of letters too.
func Tokens(s string) []string { return tokenForm.FindAllString(s, -1) }

// AddWindows adds all stretches of a message. Times of these weeks, of which the
// messages carry some (the validity of a key), count as zero: two test persons
// who signed up in one second are not linked by that.
func AddWindows(all map[Window]bool, message []byte, now time.Time) {
	const around = 100 * 24 * time.Hour
	plain := slices.Clone(message)
	for i := 0; i+8 <= len(message); i++ {
		n := binary.BigEndian.Uint64(message[i:])
		if n > uint64(now.Add(-around).Unix()) && n < uint64(now.Add(around).Unix()) {
			clear(plain[i : i+8])
		}
	}
	for i := 0; i+len(Window{}) <= len(plain); i++ {
		if w := Window(plain[i:]); w.says() {
			all[w] = true
		}
	}
}

// says tells whether a stretch could name somebody: lengths and small numbers
// have few different bytes, random ones nearly all.
func (w Window) says() bool {
	var different [256]bool
	n := 0
	for _, b := range w {
		if !different[b] {
			different[b], n = true, n+1
		}
	}
	return n >= 10
}

// AddTokens adds the names and numbers in b, with where they stand; words of
// letters and dates are none.
func AddTokens(all map[string]string, where string, b []byte) {
	for _, m := range tokenForm.FindAll(b, -1) {
		if !wordForm.Match(m) {
			all[string(m)] = where
		}
	}
}

// TokensSaid are the tokens of all that the node said on a tape: headers, JSON.
func TokensSaid(said []Crossing) map[string]string {
	all := map[string]string{}
	for _, x := range said {
		if !x.Said() {
			continue
		}
		for name, value := range x.Header {
			if name != "date" {
				AddTokens(all, "the header "+name+" of "+x.Name(), []byte(value))
			}
		}
		if !x.Binary && (json.Valid(x.Bytes) || bytes.Count(x.Bytes, []byte(".")) == 2) {
			AddTokens(all, x.Name(), x.Bytes)
		}
	}
	return all
}

// CompareTokens tells found of every token that x and y have, and that is not
// common.
func CompareTokens(who string, x, y map[string]string, common map[string]bool, found func(string)) {
	var both []string
	for token, where := range x {
		if _, ok := y[token]; ok && !common[token] {
			both = append(both, fmt.Sprintf("%s both have %q, in %s", who, token, where))
		}
	}
	slices.Sort(both)
	for _, s := range both {
		found(s)
	}
}

// CompareBytes tells found of a stretch that x and y have, and that is not in
// every circle.
func CompareBytes(who string, x, y map[Window]bool, constants map[Window]bool, found func(string)) {
	for w := range x {
		if y[w] && !constants[w] && !nearConstant(w, constants) {
			found(fmt.Sprintf("%s both have the bytes %x in their messages", who, w[:]))
			return
		}
	}
}

// nearConstant tells whether all but a few bytes stand in every circle: the few
// may be equal by chance.
func nearConstant(w Window, constants map[Window]bool) bool {
	for k := range constants {
		if bytes.Contains(k[:], w[:len(w)-4]) || bytes.Contains(k[:], w[4:]) {
			return true
		}
	}
	return false
}

// ContextExtension is the group context of circles (docs/spec/circle.md).
const ContextExtension = 0xF0A1

// Constants are the stretches that stand in the messages of every circle: of one
// that is made here, for people of the same domain, and nobody else has seen.
func Constants(domain string) (map[Window]bool, error) {
	all := map[Window]bool{}
	now := time.Now()
	g, add, err := anyCircle(domain, now)
	if err != nil {
		return nil, fmt.Errorf("make a circle to compare with: %w", err)
	}
	at := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
	for _, o := range []mls.CommitOptions{{Add: add, AuthenticatedData: at}, {AuthenticatedData: at}} {
		staged, err := g.Commit(o)
		if err == nil {
			AddWindows(all, staged.Commit, now)
			AddWindows(all, staged.Welcome, now)
			err = g.Merge()
		}
		if err != nil {
			return nil, fmt.Errorf("make a circle to compare with: %w", err)
		}
	}
	return all, nil
}

// anyCircle is a circle, and two clients to be let in.
func anyCircle(domain string, now time.Time) (g *mls.Group, add []*mls.KeyPackage, err error) {
	id := make([]byte, 16)
	extension := mls.Extension{Type: ContextExtension, Data: append([]byte{1}, make([]byte, 64)...)}
	for _, b := range [][]byte{id, extension.Data[1:]} {
		if _, err := rand.Read(b); err != nil {
			return nil, nil, err
		}
	}
	keys := make([]ed25519.PrivateKey, 3)
	for i := range keys {
		if _, keys[i], err = ed25519.GenerateKey(rand.Reader); err != nil {
			return nil, nil, err
		}
	}
	if g, err = mls.Create(mls.Config{Signer: keys[0]}, id, mls.Suites()[0], id, []mls.Extension{extension}); err != nil {
		return nil, nil, err
	}
	for _, key := range keys[1:] {
		kp, _, err := mls.NewKeyPackage(mls.KeyPackageOptions{
			Suite: mls.Suites()[0], Identity: []byte("anybody@" + domain), Signer: key,
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(80 * 24 * time.Hour), Extensions: []uint16{ContextExtension},
		})
		if err != nil {
			return nil, nil, err
		}
		add = append(add, kp)
	}
	return g, add, nil
}
