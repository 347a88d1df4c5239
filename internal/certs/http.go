package certs

import (
	"net"
	"net/http"
	"strings"
)

// HTTP answers on port 80: HTTP-01, and to everything else where it is over
// https. Other hosts are not known here (421).
func (k *Keeper) HTTP() http.Handler { return k.issuer.HTTPChallengeHandler(Redirect(k.cfg.Domain)) }

// Redirect leads to the same address over https. It is not kept by caches: a
// path can name one thing by its serial number.
func Redirect(domain string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !strings.EqualFold(host, domain) {
			http.Error(w, http.StatusText(http.StatusMisdirectedRequest), http.StatusMisdirectedRequest)
			return
		}
		to := *r.URL
		to.Scheme, to.Host = "https", domain
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Location", to.String())
		w.WriteHeader(http.StatusPermanentRedirect)
	})
}
