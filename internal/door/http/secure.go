package httpdoor

import (
	"net/http"
	"time"
)

// secure sets the headers that every answer has: the interface shows no
// foreign content, runs no script and is framed by nobody.
func secure(h http.Header, tls bool) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	if tls {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// Admit counts a request of the portal towards the limit of its address, and
// says how long to wait where that is reached.
func (d *Door) Admit(r *http.Request) (wait time.Duration, ok bool) {
	if d.perAddress.rate.PerSecond <= 0 {
		return 0, true
	}
	return d.perAddress.take(d.addressOf(r))
}

// AdmitFrom is Admit for a request that was not read by net/http: of a
// connection's other end, with the last X-Forwarded-For.
func (d *Door) AdmitFrom(remote, forwarded string) bool {
	if d.perAddress.rate.PerSecond <= 0 {
		return true
	}
	_, ok := d.perAddress.take(d.addressFrom(remote, forwarded))
	return ok
}

// Address is the client's address, an IPv6 one by its /64. It serves limits only
// and is kept nowhere.
func (d *Door) Address(r *http.Request) string { return d.addressOf(r) }

// AdmitAccount counts a request that the portal carries for an account towards
// its limit, and says how long to wait where that is reached.
func (d *Door) AdmitAccount(account string) (wait time.Duration, ok bool) {
	return d.perAccount.take("a" + account)
}
