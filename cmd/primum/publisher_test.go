package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"primum/client"
)

// TestASilentNodeIsNotWaitedFor asks one that takes a request and says nothing.
func TestASilentNodeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	p := new(app).toNode("h.localhost:"+silent.URL[strings.LastIndex(silent.URL, ":")+1:], nil, "")
	rt := p.http.Transport.(*http.Transport)
	if rt.ResponseHeaderTimeout != answerWait || rt.TLSHandshakeTimeout == 0 || p.http.Timeout != 0 {
		t.Errorf("it waits %v for an answer, %v for TLS, %v in all", rt.ResponseHeaderTimeout, rt.TLSHandshakeTimeout, p.http.Timeout)
	}
	rt.ResponseHeaderTimeout = 10 * time.Millisecond
	if _, err := p.Do(t.Context(), http.MethodGet, "/", "", nil); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

// TestNobodyIsLedElsewhereWithAToken sends to a node that only redirects.
func TestNobodyIsLedElsewhereWithAToken(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.RedirectHandler("https://elsewhere.example/", http.StatusMovedPermanently))
	defer elsewhere.Close()
	m := newMachine(t)
	m.env["PRIMUM_TOKEN"] = "primum_pub_x"
	host := "h.localhost:" + elsewhere.URL[strings.LastIndex(elsewhere.URL, ":")+1:]
	m.want(exitFailed, "301", "label", "hush", "(01)04012345999990(21)7", "--node", host)
	m.want(exitFailed, "301", "linkset", "add", "01/04012345999990", "gs1:pip", "https://h.example/", "--node", host)
}
