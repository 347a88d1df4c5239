// Package vectors makes the test vectors of the specification from fixed seeds
// and compares them with the files beside it. "go test -update" writes them
// anew.
package vectors

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"primum/identity"
	"primum/internal/jws"
)

var update = flag.Bool("update", false, "write the vectors anew")

// now is the time of every vector.
func now() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

// compare holds v against a file.
func compare(t *testing.T, file string, v any) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; make it with: go test ./docs/spec/vectors -update", err)
	}
	if !bytes.Equal(have, b.Bytes()) {
		t.Errorf("%s is not what the code makes; look why, then: go test ./docs/spec/vectors -update", file)
	}
}

// load reads a file of vectors.
func load(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// key is one key pair of the vectors, Ed25519 or X25519.
type key struct {
	Name   string    `json:"name"`
	Kind   string    `json:"kind"`
	Seed   jws.Bytes `json:"seed"` // of Ed25519; the private key of X25519
	Public jws.Bytes `json:"public"`
}

// seedOf is the seed of a key by its name.
func seedOf(name string) []byte {
	sum := sha256.Sum256([]byte("primum vector " + name))
	return sum[:]
}

func signer(name string) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(seedOf(name)) }

func public(name string) jws.Bytes { return jws.Bytes(signer(name).Public().(ed25519.PublicKey)) }

func inboxKey(t *testing.T, name string) *identity.InboxKey {
	t.Helper()
	k, err := identity.ParseInboxKey(seedOf(name))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ed25519Key(name string) key {
	return key{Name: name, Kind: "Ed25519", Seed: seedOf(name), Public: public(name)}
}

// stream is an endless source of fixed bytes. What is queued comes first, to
// readers that ask for as many.
type stream struct {
	seed   string
	n      uint64
	queued [][]byte
}

func (s *stream) Read(b []byte) (int, error) {
	for i, q := range s.queued {
		if len(q) == len(b) {
			s.queued = append(s.queued[:i:i], s.queued[i+1:]...)
			return copy(b, q), nil
		}
	}
	for i := 0; i < len(b); {
		sum := sha256.Sum256(fmt.Appendf(nil, "primum vector stream %s %d", s.seed, s.n))
		s.n++
		i += copy(b[i:], sum[:])
	}
	return len(b), nil
}

// newID makes a fixed document id.
func newID(t *testing.T, random io.Reader) string {
	t.Helper()
	id, err := identity.NewID(random, now())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func address(t *testing.T, s string) identity.Address {
	t.Helper()
	a, err := identity.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// circleID is a fixed circle id.
func circleID(name string) string { return hex.EncodeToString(seedOf("circle " + name)[:16]) }

// nonce is a fixed nonce of 16 bytes.
func nonce(name string) jws.Bytes { return seedOf("nonce " + name)[:16] }

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
