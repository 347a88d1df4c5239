package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/internal/clock"
)

// TestMain has the program trust the servers of httptest, which all have one
// certificate, as an operator has it trust an authority.
func TestMain(m *testing.M) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	roots, err := os.CreateTemp("", "primum-roots-*.pem")
	if err == nil {
		err = errors.Join(pem.Encode(roots, &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), roots.Close(), os.Setenv("SSL_CERT_FILE", roots.Name()))
	}
	s.Close()
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.Remove(roots.Name())
	os.Exit(code)
}

// machine is one person's machine in a test: a home directory and the program.
type machine struct {
	t    *testing.T
	home string
	env  map[string]string
	// tty makes standard input and output terminals; typed is what is typed.
	tty   bool
	typed string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	return &machine{t: t, home: t.TempDir(), env: map[string]string{"PRIMUM_PASSPHRASE": "correct horse"}}
}

func (m *machine) surroundings(out, errOut *syncBuffer) surroundings {
	return surroundings{
		in: strings.NewReader(m.typed), out: out, err: errOut,
		env: func(k string) string {
			if k == "PRIMUM_HOME" {
				return m.home
			}
			return m.env[k]
		},
		clock: clock.Real(), rand: rand.Reader, version: "test", zone: time.UTC,
		inTTY: m.tty, outTTY: m.tty, errTTY: false, width: func() int { return 80 }, workFactor: 2,
		localHome: func(string) (string, bool) { return "", false },
	}
}

// ended is how one command line ended.
type ended struct {
	code     int
	out, err string
}

func (m *machine) run(args ...string) ended {
	m.t.Helper()
	return m.runIn(m.t.Context(), args...)
}

func (m *machine) runIn(ctx context.Context, args ...string) ended {
	if os.Getenv("PRIMUM_TEST_LOG") != "" {
		args = append(args, "--verbose")
	}
	var out, errOut syncBuffer
	code := run(ctx, m.surroundings(&out, &errOut), args)
	return ended{code, out.String(), errOut.String()}
}

// ok runs a command that must succeed.
func (m *machine) ok(args ...string) string {
	m.t.Helper()
	e := m.run(args...)
	if e.code != exitDone {
		m.t.Fatalf("primum %s: exit %d\n%s%s", strings.Join(args, " "), e.code, e.out, e.err)
	}
	return e.out
}

// want checks a command's exit code, and words in what it said.
func (m *machine) want(code int, words string, args ...string) ended {
	m.t.Helper()
	e := m.run(args...)
	if e.code != code || !strings.Contains(e.out+e.err, words) {
		m.t.Errorf("primum %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), e.code, code, words, e.out, e.err)
	}
	return e
}

// lines decodes JSON lines.
func jsonLines(t *testing.T, out string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(out) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("no JSON line: %s", line)
		}
		all = append(all, m)
	}
	return all
}

// syncBuffer is written by several goroutines and wakes who waits for words.
type syncBuffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
