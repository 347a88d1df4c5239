package main

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"primum/client/nethttp"
	"primum/internal/clock"
	"primum/internal/node"
)

// servedNode starts a node; dir is where its publisher's token is.
func servedNode(t *testing.T, host string) (n *node.Node, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "node")
	n, err := node.Open(t.Context(), node.Config{Authority: host, Listen: "127.0.0.1:0", DataDir: dir, Clock: clock.Real()})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- n.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return n, dir
}

// TestDelegatedNamesAreFollowed is a maker's node H that leaves a range of
// products and a sub-domain to a shop's node S. A machine without an account
// finds both, and so does plain HTTP.
func TestDelegatedNamesAreFollowed(t *testing.T) {
	t.Parallel()
	h, hDir := servedNode(t, "h.localhost")
	s, sDir := servedNode(t, "s.localhost")
	shop, stranger := newMachine(t), newMachine(t)
	shop.ok("linkset", "delegate", "01/09501101530000..09501101539999", s.BaseURL(), "--data", hDir)
	shop.ok("linkset", "delegate", "*.sensors.h.localhost", s.BaseURL(), "--data", hDir)
	shop.ok("linkset", "add", "01/09521234543213", "gs1:pip", "https://maker.example/lamp", "--title", "Lamp", "--description", "Lamp", "--data", hDir)
	shop.ok("linkset", "add", "01/09501101530003", "gs1:pip", "https://shop.example/kettle", "--title", "Kettle", "--description", "Kettle", "--data", sDir)
	shop.ok("linkset", "add", "lamp.sensors.h.localhost", "describedby", "https://shop.example/td", "--title", "TD", "--description", "Sensor", "--data", sDir)

	out := stranger.ok("resolve", "(01)09501101530003(21)A1", "--via", h.Authority())
	wantInOrder(t, out, h.BaseURL()+"/resolve", "another node handles it", "is handled by "+s.BaseURL(), s.BaseURL()+"/resolve", "found", "Kettle", "https://shop.example/kettle")
	stranger.want(exitRefused, "on this machine, not asked", "resolve", h.BaseURL()+"/01/09521234543213")
	stranger.env["PRIMUM_OWN"] = "h.localhost"
	out = stranger.ok("resolve", h.BaseURL()+"/01/09521234543213")
	wantInOrder(t, out, "found", "Lamp: a kind of things", "https://maker.example/lamp")
	out = stranger.ok("resolve", "lamp.sensors.h.localhost", "--via", h.Authority())
	wantInOrder(t, out, "dns/localhost/h/sensors", "Sensor: one thing", "https://shop.example/td")
	out = stranger.ok("resolve", "did:web:"+strings.Replace(h.Authority(), ":", "%3A", 1))
	wantInOrder(t, out, "/.well-known/did.json", "/resolve", h.BaseURL()+"/.well-known/wot")

	all := jsonLines(t, stranger.ok("resolve", "(01)09501101530003", "--via", h.Authority(), "--json"))
	if len(all) != 1 || all[0]["node"] != s.BaseURL() || len(all[0]["steps"].([]any)) != 5 {
		t.Errorf("in JSON: %v", all)
	}
	for _, path := range []string{"/01/09501101530003/21/A1", "/resolve?id=/01/09501101530003/21/A1"} {
		if got := plainHTTP(t, h.BaseURL()+path); got != "https://shop.example/kettle" {
			t.Errorf("plain HTTP from %s ends at %s", path, got)
		}
	}
	stranger.want(exitFailed, "nothing is known of", "resolve", "(01)04012345999990", "--via", h.Authority())
	stranger.want(exitUsage, "--via", "resolve", "(01)04012345999990")
	stranger.want(exitUsage, "check digit", "resolve", "(01)04012345999991", "--via", h.Authority())
	e := stranger.want(exitUnreachable, "nobody.localhost:1 did not answer: nobody listens there\n", "resolve", "(01)04012345999990", "--via", "nobody.localhost:1")
	if !strings.Contains(e.out, ": no answer\n") || strings.Contains(e.out+e.err, "dial tcp") || strings.Contains(e.out, "listens") {
		t.Errorf("no answer: %+v", e)
	}
}

// wantInOrder checks that texts stand one after the other.
func wantInOrder(t *testing.T, out string, texts ...string) {
	t.Helper()
	rest := out
	for _, text := range texts {
		_, after, ok := strings.Cut(rest, text)
		if !ok {
			t.Fatalf("%q is missing, or not in its place:\n%s", text, out)
		}
		rest = after
	}
}

// plainHTTP follows redirects as a browser does, as far as there are nodes, and
// returns the first address outside.
func plainHTTP(t *testing.T, address string) string {
	t.Helper()
	tr := &http.Transport{DialContext: nethttp.Dialer{}.DialContext, DisableKeepAlives: true}
	c := &http.Client{Transport: tr, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasSuffix(r.URL.Hostname(), ".localhost") {
			return nil
		}
		return http.ErrUseLastResponse
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // only where it leads counts
	return resp.Header.Get("Location")
}
