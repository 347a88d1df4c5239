package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

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
