package portal

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const reportPath = "/csp"

// policy is what a page of the portal may do: nothing but speak to its own
// origin, compile the engine, and show its own styles and pictures (CSP 3,
// Trusted Types). Scripts carry it too, because a worker lives under the
// policy of its own answer.
func policy() string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self' 'wasm-unsafe-eval'",
		"style-src 'self'",
		"img-src 'self' data:",
		"connect-src 'self'",
		"worker-src 'self'",
		"manifest-src 'self'",
		"form-action 'self'",
		"frame-ancestors 'none'",
		"base-uri 'none'",
		"require-trusted-types-for 'script'",
		"trusted-types primum",
		"report-uri " + reportPath,
		"report-to primum",
	}, "; ")
}

// scriptless is the policy of pages without a script.
func scriptless() string {
	return "default-src 'none'; style-src 'self'; img-src 'self' data:; manifest-src 'self'; form-action 'none'; " +
		"frame-ancestors 'none'; base-uri 'none'; report-uri " + reportPath + "; report-to primum"
}

// permissions is what the browser may be asked for: the camera, to read a QR
// code, passkeys, and to copy a link.
const permissions = "camera=(self), clipboard-write=(self), publickey-credentials-create=(self), publickey-credentials-get=(self), " +
	"accelerometer=(), autoplay=(), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), " +
	"magnetometer=(), microphone=(), midi=(), payment=(), usb=(), xr-spatial-tracking=()"

// guestPermissions is for the link pages' origin. A page of a subdomain could
// ask for the passkeys of the portal above it, and for what they unlock.
func guestPermissions() string {
	return strings.NewReplacer(
		"camera=(self)", "camera=()", "publickey-credentials-create=(self)", "publickey-credentials-create=()",
		"publickey-credentials-get=(self)", "publickey-credentials-get=()",
	).Replace(permissions)
}

// secure sets the headers of every answer of the portal.
func secure(h http.Header, tls bool) {
	h.Set("Content-Security-Policy", policy())
	h.Set("Reporting-Endpoints", `primum="`+reportPath+`"`)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", permissions)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	if tls {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

func tooMany(w http.ResponseWriter, wait time.Duration) {
	if w.Header().Get("Content-Security-Policy") == "" { // a carried request: it has no page's headers
		carriedHeaders(w.Header())
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write([]byte("Too many requests from your address. Try again shortly.\n"))
}
