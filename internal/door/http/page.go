package httpdoor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"time"
)

//go:embed page.html
var pageFiles embed.FS

// Counts are the numbers on the status page.
type Counts struct {
	Accounts, Circles, Messages int64
}

// countsLife is how long counted numbers are shown, so that reloading the page
// costs the store nothing.
const countsLife = 10 * time.Second

type pageData struct {
	Counts
	Authority, Version, Since, SinceISO string
}

func (d *Door) getPage(ctx context.Context, c *call) (any, error) {
	n, err := d.counts(ctx, c.now)
	if err != nil {
		return nil, err
	}
	t, err := template.ParseFS(pageFiles, "page.html")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, pageData{
		Counts: n, Authority: d.cfg.Authority, Version: d.cfg.Version,
		Since: d.started.UTC().Format("2 January 2006, 15:04 UTC"), SinceISO: d.started.UTC().Format(time.RFC3339),
	})
	c.w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+styleHash(b.Bytes())+"'; "+framing)
	return raw{kind: "text/html; charset=utf-8", bytes: b.Bytes()}, err
}

// styleHash allows the page's one style sheet and no other (CSP 3 §8.3).
func styleHash(page []byte) string {
	_, rest, _ := bytes.Cut(page, []byte("<style>"))
	style, _, _ := bytes.Cut(rest, []byte("</style>"))
	sum := sha256.Sum256(style)
	return base64.StdEncoding.EncodeToString(sum[:])
}

const framing = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// counts asks the store at most once in countsLife.
func (d *Door) counts(ctx context.Context, now time.Time) (Counts, error) {
	d.countsMu.Lock()
	defer d.countsMu.Unlock()
	if age := now.Sub(d.countsAt); age >= 0 && age < countsLife && !d.countsAt.IsZero() {
		return d.lastCounts, nil
	}
	n, err := d.cfg.Counts(ctx)
	if err != nil {
		return Counts{}, err
	}
	d.lastCounts, d.countsAt = n, now
	return n, nil
}

// secure sets the headers that every answer has: this node shows no foreign
// content, runs no script and is framed by nobody.
func secure(h http.Header, tls bool) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; "+framing)
	if tls {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}
