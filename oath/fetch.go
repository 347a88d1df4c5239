package oath

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Limits of one question.
const (
	maxHeader  = 32 << 10
	maxAnswer  = 1 << 20 // bytes of a body, after decompression
	maxHops    = 5
	answerWait = 10 * time.Second // until an answer begins
	wholeWait  = 20 * time.Second // until it has ended, all redirects included
	maxDepth   = 32               // of JSON
)

// Ask is one question over HTTP.
type Ask struct {
	Method string // GET when empty
	URL    string
	Header map[string]string
	Body   []byte
	Max    int64 // bytes of the answer's body, 0 for 1 MiB; what is more is cut off
	Stay   bool  // no redirect to another host, port or scheme
	Stand  bool  // no redirect at all
}

// Answer is what came, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Cut    bool   // the body was longer than Max
	URL    string // after redirects
	Hops   []string
	Took   time.Duration
	TLS    *tls.ConnectionState

	asked, replay string
	at            time.Time
}

// Errors of questions.
var (
	ErrRedirect = errors.New("redirected where this check does not follow")
	ErrBody     = errors.New("the answer can't be read")
)

// Fetch asks within the budgets, and in at most 20 s. An answer of any status
// is no error. Compressed answers are opened here, within Max; it follows at
// most five redirects, never from TLS to plain HTTP.
func (r *Run) Fetch(ctx context.Context, q Ask) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, wholeWait)
	defer cancel()
	if q.Method == "" {
		q.Method = http.MethodGet
	}
	if q.Max <= 0 {
		q.Max = maxAnswer
	}
	began := time.Now()
	a := Answer{URL: q.URL, at: r.Clock.Now(), asked: q.text(), replay: q.replay()}
	for {
		next, err := r.net.once(ctx, q, &a)
		if err != nil {
			return a, err
		}
		a.Took = time.Since(began)
		if next == "" || q.Stand {
			return a, nil
		}
		if err := mayFollow(q, a, next); err != nil {
			return a, err
		}
		a.Hops = append(a.Hops, next)
		a.URL = next
	}
}

// once asks at a.URL and fills a; next is where a redirect leads.
func (n *network) once(ctx context.Context, q Ask, a *Answer) (next string, err error) {
	if err := n.purse.take(0, 1); err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, q.Method, a.URL, bytes.NewReader(q.Body))
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	if req.URL.User != nil || req.URL.Scheme != "https" && req.URL.Scheme != "http" {
		return "", fmt.Errorf("%w: %s", ErrRedirect, Plain(req.URL.Redacted(), maxFact))
	}
	req.Header.Set("User-Agent", n.name)
	for k, v := range q.Header {
		req.Header.Set(k, v)
	}
	resp, err := n.http.RoundTrip(req)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", Plain(req.URL.Host, maxFact), err)
	}
	defer func() { _ = resp.Body.Close() }()
	a.Status, a.Header, a.TLS = resp.StatusCode, resp.Header, resp.TLS
	if a.Body, a.Cut, err = readBody(resp, q.Max); err != nil {
		return "", err
	}
	if to, err := resp.Location(); err == nil && isRedirect(resp.StatusCode) {
		return to.String(), nil
	}
	return "", nil
}

func isRedirect(status int) bool {
	return slices.Contains([]int{301, 302, 303, 307, 308}, status)
}

func mayFollow(q Ask, a Answer, next string) error {
	from, err := url.Parse(a.URL)
	if err != nil {
		return fmt.Errorf("read address: %w", err)
	}
	to, err := url.Parse(next)
	switch {
	case err != nil || to.Host == "":
		return fmt.Errorf("%w: %s", ErrRedirect, Plain(next, maxFact))
	case len(a.Hops) >= maxHops:
		return fmt.Errorf("%w: more than %d times", ErrRedirect, maxHops)
	case slices.Contains(a.Hops, next):
		return fmt.Errorf("%w: in a circle", ErrRedirect)
	case from.Scheme == "https" && to.Scheme != "https":
		return fmt.Errorf("%w: from TLS to %s", ErrRedirect, Plain(to.Scheme, 20))
	case q.Stay && (from.Host != to.Host || from.Scheme != to.Scheme):
		return fmt.Errorf("%w: to %s", ErrRedirect, Plain(to.Host, maxFact))
	}
	return nil
}

// readBody reads at most max bytes, after decompression.
func readBody(resp *http.Response, max int64) (body []byte, cut bool, err error) {
	var from io.Reader = resp.Body
	switch enc := strings.ToLower(resp.Header.Get("Content-Encoding")); enc {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(from)
		if err != nil {
			return nil, false, fmt.Errorf("%w: it is not the gzip it says it is", ErrBody)
		}
		from = z
	default:
		return nil, false, fmt.Errorf("%w: it is in an encoding that nobody asked for, %q", ErrBody, Plain(enc, 20))
	}
	body, err = io.ReadAll(io.LimitReader(from, max+1))
	if err != nil {
		return nil, false, fmt.Errorf("read answer: %w", err)
	}
	if int64(len(body)) > max {
		return body[:max], true, nil
	}
	return body, false, nil
}

// JSON reads the body into v. It refuses what was cut, what is no JSON, and
// what is nested deeper than 32.
func (a Answer) JSON(v any) error {
	if a.Cut {
		return fmt.Errorf("%w: longer than %d bytes", ErrBody, len(a.Body))
	}
	return readJSON(a.Body, v)
}

func readJSON(b []byte, v any) error {
	if depth(b) > maxDepth {
		return fmt.Errorf("%w: JSON nested deeper than %d", ErrBody, maxDepth)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: not the JSON that belongs there", ErrBody)
	}
	return nil
}

// depth is how deep objects and arrays are nested in b, if it is JSON.
func depth(b []byte) (deepest int) {
	now, quoted, escaped := 0, false, false
	for _, c := range b {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// replay is a command that asks the same.
func (q Ask) replay() string {
	b := "curl -si"
	if q.Method != http.MethodGet {
		b += " -X " + Quote(q.Method)
	}
	for _, k := range slices.Sorted(maps.Keys(q.Header)) {
		b += " -H " + Quote(k+": "+q.Header[k])
	}
	if len(q.Body) > 0 {
		b += " --data-binary " + Quote(string(q.Body))
	}
	return b + " " + Quote(q.URL)
}

func (q Ask) text() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s %s\n", q.Method, q.URL) // a Builder never fails
	for _, k := range slices.Sorted(maps.Keys(q.Header)) {
		_, _ = fmt.Fprintf(&b, "%s: %s\n", k, q.Header[k])
	}
	if len(q.Body) > 0 {
		_, _ = fmt.Fprintf(&b, "\n%s", q.Body)
	}
	return b.String()
}

// Evidence makes evidence of an answer; what says in one sentence what it shows.
func (a Answer) Evidence(what string) Evidence {
	sum := sha256.Sum256(a.Body)
	e := Evidence{
		What: what, At: a.at, Asked: a.asked, SHA256: hex.EncodeToString(sum[:]), Answer: a.text(),
		Replay: a.replay,
	}
	if len(a.Hops) > 0 {
		e.Replay = strings.Replace(e.Replay, "curl -si", "curl -siL", 1)
		e.Asked += "redirected to " + strings.Join(a.Hops, ", ") + "\n"
	}
	return e
}

func (a Answer) text() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%d\n", a.Status)
	for _, k := range slices.Sorted(maps.Keys(a.Header)) {
		_, _ = fmt.Fprintf(&b, "%s: %s\n", k, Plain(strings.Join(a.Header[k], ", "), maxFact))
	}
	_, _ = fmt.Fprintf(&b, "\n%s", strings.ToValidUTF8(string(a.Body[:min(len(a.Body), MaxEvidence)]), "�"))
	return b.String()
}

// Quote makes a stranger's text one harmless word of a command line.
func Quote(s string) string {
	return "'" + strings.ReplaceAll(Plain(s, 400), "'", `'\''`) + "'"
}
