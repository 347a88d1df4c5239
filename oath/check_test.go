package oath

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"primum/client"
	"primum/internal/wire"
)

// site is a server with its name under .localhost.
func site(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return strings.Replace(strings.TrimPrefix(s.URL, "http://"), "127.0.0.1", "h.localhost", 1)
}

// clauseFor is a clause of one probe, with what is expected of it.
func clauseFor(t *testing.T, lines string) Clause {
	t.Helper()
	c, err := ParseClause([]byte("O01 A title\nWe swear\n  A.\nIf we break it\n  B.\nWhat a check does\n  C.\n" + lines + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func check(t *testing.T, cfg Config) Report {
	t.Helper()
	rep, _, err := Check(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestBudgetsEndAClause(t *testing.T) {
	t.Parallel()
	greedy := func(ctx context.Context, r *Run, _ Args) (Observation, error) {
		for {
			if _, err := r.Fetch(ctx, Ask{URL: r.Target.Base + "/"}); err != nil {
				return Observation{}, err
			}
		}
	}
	domain := site(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 10_000)) }))
	c := clauseFor(t, "do greedy\nexpect a is 1, else broken: x")
	for name, b := range map[string]Budget{"requests": {Requests: 20}, "bytes": {Bytes: 100_000}, "time": {Time: 300 * time.Millisecond, Requests: 1 << 40, Bytes: 1 << 40}} {
		rep := check(t, Config{Domain: domain, Clauses: []Clause{c, c}, Probes: map[string]Probe{"greedy": greedy}, Clause: b, Total: Budget{Requests: 1 << 40, Bytes: 1 << 40}})
		for _, r := range rep.Results {
			if r.Verdict != NotShown || !strings.Contains(r.Reason, name) {
				t.Errorf("%s: %s (%s)", name, r.Verdict, r.Reason)
			}
		}
	}
	total := check(t, Config{Domain: domain, Clauses: []Clause{c, c}, Probes: map[string]Probe{"greedy": greedy}, Total: Budget{Requests: 30}})
	if used := total.Results[1].Asked; used > 2 {
		t.Errorf("the second clause asked %d times after the total was used up", used)
	}
}

// A probe that ignores its time is left behind; one that panics has seen
// nothing.
func TestProbesThatFail(t *testing.T) {
	t.Parallel()
	domain := site(t, http.NotFoundHandler())
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	probes := map[string]Probe{
		"deaf": func(context.Context, *Run, Args) (Observation, error) { <-end; return Observation{}, nil },
		"panics": func(context.Context, *Run, Args) (Observation, error) {
			panic("a careless probe")
		},
		"cut-short": func(ctx context.Context, _ *Run, _ Args) (Observation, error) {
			<-ctx.Done()
			return Observation{Facts: map[string]Value{"a": Number(1)}}, nil
		},
		"tells": func(context.Context, *Run, Args) (Observation, error) { return Observation{}, Unshown("the sun shone") },
	}
	for name, want := range map[string]string{"deaf": "time for this clause", "cut-short": "time for this clause", "panics": "failed", "tells": "the sun shone", "nobody": "no probe named nobody"} {
		c := clauseFor(t, "do "+name+"\nexpect a is 1, else broken: x")
		r := check(t, Config{Domain: domain, Clauses: []Clause{c}, Probes: probes, Clause: Budget{Time: 50 * time.Millisecond}}).Results[0]
		if r.Verdict != NotShown || !strings.Contains(r.Reason, want) {
			t.Errorf("%s: %s (%s)", name, r.Verdict, r.Reason)
		}
	}
}

func TestBrokenNeedsEvidence(t *testing.T) {
	t.Parallel()
	domain := site(t, http.NotFoundHandler())
	seen := Observation{Facts: map[string]Value{"leaked": Number(3)}}
	probes := map[string]Probe{
		"bare": func(context.Context, *Run, Args) (Observation, error) { return seen, nil },
		"shown": func(context.Context, *Run, Args) (Observation, error) {
			return Observation{Facts: seen.Facts, Evidence: []Evidence{{What: "it", Replay: "curl it"}}}, nil
		},
	}
	for name, want := range map[string]Verdict{"bare": NotShown, "shown": Broken} {
		c := clauseFor(t, "shows leaked up to 0\ndo "+name+"\nexpect leaked is 0, else broken: {leaked} leaked")
		r := check(t, Config{Domain: domain, Clauses: []Clause{c}, Probes: probes}).Results[0]
		if r.Verdict != want || !strings.Contains(r.Reason, "3 leaked") || r.Shown == nil || r.Shown.Value != 3 || *r.Shown.Bound != 0 {
			t.Errorf("%s: %s (%s) %+v", name, r.Verdict, r.Reason, r.Shown)
		}
	}
}

// A server can't pass for another domain, nor lead the checker into its own
// machine.
func TestNobodyPassesForAnother(t *testing.T) {
	t.Parallel()
	reached := false
	inside := site(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	info := func(authority, api string) []byte {
		b, err := json.Marshal(wire.NodeInfo{Authority: authority, API: api, Keys: []wire.NodeKey{{ID: "k1", X: make([]byte, 32)}}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, answer := range map[string][]byte{
		"another name": info("good.example", "https://good.example"),
		"another API":  info("example.com", "https://good.example"),
		"inside":       info("example.com", "http://"+inside),
	} {
		cfg := door(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == wire.NodePath {
				_, _ = w.Write(answer)
				return
			}
			http.Redirect(w, r, "http://"+inside+"/", http.StatusFound)
		}))
		cfg.Clauses = []Clause{clauseFor(t, "needs a Primum node\nunshown: x")}
		rep := check(t, cfg)
		if r := rep.Results[0]; r.Verdict != NotShown || !strings.Contains(r.Reason, "good.example") && !strings.Contains(r.Reason, "another host") {
			t.Errorf("%s: %s (%s)", name, r.Verdict, r.Reason)
		}
		r, err := newRun(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Fetch(t.Context(), Ask{URL: "https://example.com/x"}); !errors.Is(err, ErrRedirect) {
			t.Errorf("%s: led inside: %v", name, err)
		}
		if _, err := r.Fetch(t.Context(), Ask{URL: "http://" + inside}); !errors.Is(err, errThisMachine) {
			t.Errorf("%s: asked inside: %v", name, err)
		}
		if _, err := r.Transport().Do(t.Context(), client.Request{Method: "GET", URL: "http://" + inside}); !errors.Is(err, errThisMachine) {
			t.Errorf("%s: a machine asked inside: %v", name, err)
		}
	}
	if reached {
		t.Error("the checker's own machine was reached")
	}
}

// door is a server over TLS that answers as example.com.
func door(t *testing.T, h http.Handler) (cfg Config) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	s.Config.ErrorLog = nil
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	cfg = Config{Domain: "example.com", TLS: &tls.Config{RootCAs: roots}}
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if !strings.HasSuffix(address, ":443") || network != "tcp" {
			return nil, &net.OpError{Op: "dial", Err: errors.New("nothing there")}
		}
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}
	return cfg
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	_, _, err := Check(t.Context(), Config{Domain: "h.localhost:1"})
	if !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
	if _, _, err := Check(t.Context(), Config{Domain: "not a name"}); err == nil || errors.Is(err, client.ErrUnreachable) {
		t.Errorf("no name: %v", err)
	}
}

// extra is a cast that does nothing.
type extra struct{ closed chan struct{} }

func (e extra) Close(context.Context) error { close(e.closed); return nil }

// A cast is made once, is given up when it is never ready, and always leaves,
// also after all budgets are used up.
func TestCast(t *testing.T) {
	t.Parallel()
	domain := ""
	domain = site(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		b, err := json.Marshal(wire.NodeInfo{Authority: domain, API: "http://" + domain, Keys: []wire.NodeKey{{ID: "k1", X: make([]byte, 32)}}})
		if err == nil {
			_, _ = w.Write(b)
		}
	}))
	made := 0
	left := make(chan struct{})
	for name, c := range map[string]struct {
		makes func(context.Context, *Run) (Cast, error)
		says  string
	}{
		"never ready": {func(ctx context.Context, _ *Run) (Cast, error) { <-ctx.Done(); return nil, ctx.Err() }, "make the test persons"},
		"panics":      {func(context.Context, *Run) (Cast, error) { panic("careless") }, "could not be made"},
		"fails":       {func(context.Context, *Run) (Cast, error) { return nil, Unshown("accounts are by invitation") }, "by invitation"},
		"plays":       {func(context.Context, *Run) (Cast, error) { made++; return extra{left}, nil }, ""},
	} {
		probes := map[string]Probe{"play": func(ctx context.Context, r *Run, _ Args) (Observation, error) {
			_, err := r.Cast(ctx)
			return Observation{Facts: map[string]Value{"done": Yes(true)}}, err
		}}
		play := clauseFor(t, "needs a Primum node, test persons\ndo play\nexpect done is yes, else broken: x")
		rep := check(t, Config{
			Domain: domain, People: true, NewCast: c.makes, Probes: probes, Clauses: []Clause{play, play}, Clause: Budget{Time: 100 * time.Millisecond},
		})
		for _, r := range rep.Results {
			if c.says == "" && r.Verdict != NoBreach || c.says != "" && (r.Verdict != NotShown || !strings.Contains(r.Reason, c.says) && !strings.Contains(r.Reason, "time for this clause")) {
				t.Errorf("%s: %s (%s)", name, r.Verdict, r.Reason)
			}
		}
	}
	select {
	case <-left:
	default:
		t.Error("the cast did not leave")
	}
	if made != 1 {
		t.Errorf("%d casts were made", made)
	}
}
