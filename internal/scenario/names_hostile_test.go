package scenario

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// gtin is a product that the node of these tests has a link for.
const gtin = "04012345123456"

// hostileAsk is a request as no honest program sends it.
type hostileAsk struct {
	name, line string // "GET /01/…"
	header     string
	body       string
	want       int
	says       string // what the answer must name: the place or the kind of the fault
}

// TestHostileNames sends to all public doors what should hurt them. Each is
// refused with a word, none is an error of the node's own, none of what was sent
// comes back, and honest requests are answered afterwards.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	w := startNames(t, "h.localhost")
	publishNames(w)
	for _, h := range slicesOf(hostilePaths(), hostileQueries(), hostileBodies(w.token)) {
		w.refused(h)
	}
	status, _, _ := w.ask(http.MethodGet, "/01/"+gtin, nil, nil)
	if status != http.StatusTemporaryRedirect {
		t.Errorf("afterwards an honest request is answered %d", status)
	}
}

func slicesOf(all ...[]hostileAsk) (out []hostileAsk) {
	for _, a := range all {
		out = append(out, a...)
	}
	return out
}

// hostilePaths are names in paths: identifiers that are none, and encodings that
// proxies and servers read in different ways.
func hostilePaths() []hostileAsk {
	return []hostileAsk{
		{name: "100 KB of path", line: "GET /01/" + gtin + "/10/" + strings.Repeat("A", 100<<10), want: http.StatusRequestHeaderFieldsTooLarge},
		{name: "12 KB of path", line: "GET /01/" + gtin + "/10/" + strings.Repeat("A", 12<<10), want: http.StatusBadRequest},
		{name: "wrong check digit", line: "GET /01/04012345123457", want: http.StatusBadRequest, says: "check"},
		{name: "letter in a number", line: "GET /01/0401234512345A", want: http.StatusBadRequest},
		{name: "13 digits and a space", line: "GET /01/401234512345%20", want: http.StatusBadRequest},
		{name: "slash in a value", line: "GET /01%2F" + gtin, want: http.StatusBadRequest},
		{name: "dot segments, encoded", line: "GET /01/" + gtin + "/%2e%2e/%2e%2e/v1/linkset", want: http.StatusBadRequest},
		{name: "encoded twice", line: "GET /01/0401234512345%2536", want: http.StatusBadRequest},
		{name: "half an escape", line: "GET /01/0401234512345%3", want: http.StatusBadRequest},
		{name: "overlong UTF-8", line: "GET /01/" + gtin + "/10/%C0%AF", want: http.StatusBadRequest},
		{name: "NUL", line: "GET /01/" + gtin + "/10/A%00B", want: http.StatusBadRequest},
		{name: "line break", line: "GET /01/" + gtin + "/10/A%0d%0aSet-Cookie:%20a=b", want: http.StatusBadRequest},
		{name: "fullwidth digits", line: "GET /01/%EF%BC%90" + gtin[1:], want: http.StatusBadRequest},
		{name: "qualifier twice", line: "GET /01/" + gtin + "/10/A/10/B", want: http.StatusBadRequest},
		{name: "qualifiers in a wrong order", line: "GET /01/" + gtin + "/21/1/10/A", want: http.StatusBadRequest},
		{name: "serial too long", line: "GET /01/" + gtin + "/21/" + strings.Repeat("1", 21), want: http.StatusBadRequest},
		{name: "thing of 100 names", line: "GET /open/" + strings.Repeat("a/", 100), want: http.StatusNotFound},
		{name: "a file of the node", line: "GET /open/..%2F..%2Fpublisher.token/x", want: http.StatusNotFound},
	}
}

// hostileQueries are names and filters in queries and headers.
func hostileQueries() []hostileAsk {
	many := strings.Repeat("text/x;q=0.1,", 900)
	return []hostileAsk{
		{name: "mixed script", line: "GET /resolve?id=p%D0%B0ypal.example", want: http.StatusBadRequest, says: "script"},
		{name: "partition 7", line: "GET /resolve?id=" + "301C" + strings.Repeat("0", 20), want: http.StatusBadRequest, says: "partition"},
		{name: "9 KB of id", line: "GET /resolve?id=" + strings.Repeat("a", 9<<10), want: http.StatusBadRequest},
		{name: "secret in a URL", line: "GET /resolve?id=https%3A%2F%2Fme%3Ahunter2%40example.org%2F", want: http.StatusBadRequest, says: "password"},
		{name: "no id", line: "GET /resolve", want: http.StatusBadRequest},
		{name: "link type that nobody has", line: "GET /01/" + gtin + "?linkType=gs1:" + strings.Repeat("x", 4000), want: http.StatusNotFound},
		{name: "900 media types", line: "GET /01/" + gtin, header: "Accept: " + many + "*/*\r\n", want: http.StatusTemporaryRedirect},
		{name: "2,000 languages", line: "GET /01/" + gtin, header: "Accept-Language: " + strings.Repeat("xx-YY,", 2000) + "en\r\n", want: http.StatusTemporaryRedirect},
		{name: "filter in a filter", line: "GET /search/jsonpath?query=" + strings.Repeat("$[?@", 400), want: http.StatusBadRequest},
		{name: "deep brackets", line: "GET /search/jsonpath?query=$" + strings.Repeat("[?(", 600) + "1" + strings.Repeat(")]", 600), want: http.StatusBadRequest},
		{name: "3 KB of query", line: "GET /search/jsonpath?query=$" + strings.Repeat(".a", 1500), want: http.StatusBadRequest},
		{name: "page of less than nothing", line: "GET /things?limit=-1&offset=-9223372036854775809", want: http.StatusBadRequest},
		{name: "a year in windows of a second", line: "GET /open/air/roof/properties/pm25/history?from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z&window=1ns", want: http.StatusBadRequest},
		{name: "history that ends before it begins", line: "GET /open/air/roof/properties/pm25/history?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", want: http.StatusBadRequest},
	}
}

// hostileBodies are what a publisher's program could send when it is broken, or
// somebody else's.
func hostileBodies(token string) []hostileAsk {
	bearer := "Authorization: Bearer " + token + "\r\n"
	td := bearer + "Content-Type: application/td+json\r\n"
	return []hostileAsk{
		{name: "without a token", line: "POST /things", header: "Content-Type: application/td+json\r\n", body: goodTD(""), want: http.StatusUnauthorized},
		{name: "with a token of zeros", line: "PUT /v1/open/air", header: "Authorization: Bearer primum_pub_" + strings.Repeat("A", 43) + "\r\n", body: "{}", want: http.StatusUnauthorized},
		{name: "a secret in a description", line: "POST /things", header: td, body: goodTD(`"password":"hunter2"`), want: http.StatusBadRequest, says: "/securityDefinitions/none/password"},
		{name: "a secret in an address", line: "POST /things", header: td, body: strings.Replace(goodTD(""), "https://example.org", "https://me:hunter2@example.org", 1), want: http.StatusBadRequest, says: "/properties/flow/forms/0/href"},
		{name: "100,000 properties", line: "POST /things", header: td, body: manyProperties(100_000), want: http.StatusRequestEntityTooLarge},
		{name: "10,000 properties", line: "POST /things", header: td, body: manyProperties(10_000), want: http.StatusBadRequest},
		{name: "10,000 levels", line: "POST /things", header: td, body: strings.Replace(goodTD(""), `"title"`, `"x":`+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)+`,"title"`, 1), want: http.StatusBadRequest},
		{name: "a member twice", line: "POST /things", header: td, body: strings.Replace(goodTD(""), `{"@context"`, `{"title":"A","@context"`, 1), want: http.StatusBadRequest},
		{name: "bytes that are no text", line: "POST /things", header: td, body: strings.Replace(goodTD(""), "Meter", "Me\xc0ter", 1), want: http.StatusBadRequest},
		{name: "values of no property", line: "POST /v1/open/air", header: bearer + "Content-Type: application/json\r\n", body: `{"values":[{"thing":"roof","property":"` + strings.Repeat("x", 10_000) + `","value":1}]}`, want: http.StatusOK, says: `"kept":0`},
	}
}

func goodTD(secret string) string {
	if secret != "" {
		secret = "," + secret
	}
	return `{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Meter","security":"none","securityDefinitions":{"none":{"scheme":"nosec"` + secret +
		`}},"properties":{"flow":{"type":"number","forms":[{"href":"https://example.org/flow"}]}}}`
}

func manyProperties(n int) string {
	var b strings.Builder
	b.WriteString(`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Many","security":"none","securityDefinitions":{"none":{"scheme":"nosec"}},"properties":{`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		_, _ = fmt.Fprintf(&b, `"p%d":{"forms":[{"href":"coap://a"}]}`, i)
	}
	return b.String() + "}}"
}

// refused sends a request byte by byte as it stands and looks at the answer.
func (w *namesWorld) refused(h hostileAsk) {
	w.t.Helper()
	resp, body, err := w.raw(h)
	if err != nil {
		w.t.Errorf("%s: %v", h.name, err)
		return
	}
	if resp.StatusCode != h.want {
		w.t.Errorf("%s: answered %d, want %d: %.300s", h.name, resp.StatusCode, h.want, body)
	}
	if !strings.Contains(string(body), h.says) {
		w.t.Errorf("%s: the answer does not name %q: %.500s", h.name, h.says, body)
	}
	if strings.Contains(string(body), "hunter2") || len(body) > 8<<10 {
		w.t.Errorf("%s: %d bytes come back, with what was sent: %.300s", h.name, len(body), body)
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") {
		var p struct{ Status int }
		if err := json.Unmarshal(body, &p); err != nil || p.Status != resp.StatusCode {
			w.t.Errorf("%s: no problem of RFC 9457: %.300s", h.name, body)
		}
	} else if h.want >= 400 && h.want != http.StatusRequestHeaderFieldsTooLarge && !w.ofServer(resp) {
		w.t.Errorf("%s: refused as %s, want a problem of RFC 9457", h.name, resp.Header.Get("Content-Type"))
	}
}

// ofServer tells whether net/http refused what it could not read; it closes then.
func (w *namesWorld) ofServer(resp *http.Response) bool {
	return resp.Close && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain")
}

func (w *namesWorld) raw(h hostileAsk) (*http.Response, []byte, error) {
	conn, err := net.Dial("tcp", w.node.Addr())
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, nil, err
	}
	text := h.line + " HTTP/1.1\r\nHost: " + w.node.Authority() + "\r\n" + h.header
	if h.body != "" {
		text += fmt.Sprintf("Content-Length: %d\r\n", len(h.body))
	}
	go func() { _, _ = io.WriteString(conn, text+"\r\n"+h.body) }() // the answer may come before all is sent
	method, _, _ := strings.Cut(h.line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close()
	return resp, body, err
}

// publishNames gives the node a product with a link, a public thing, and an open
// service with one value.
func publishNames(w *namesWorld) {
	w.t.Helper()
	w.publish(http.MethodPost, "/v1/linkset", "text/csv", []byte(linkOf("01/"+gtin, "https://example.com/product")))
	w.publish(http.MethodPut, "/v1/open/air", "application/json", map[string]any{"title": "Air in the town"})
	w.publish(http.MethodPut, "/v1/open/air/roof", "application/td+json", []byte(`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Roof",
		"properties":{"pm25":{"type":"number","unit":"ug/m3","readOnly":true}}}`))
	w.publish(http.MethodPost, "/v1/open/air", "application/json", []byte(`{"values":[{"thing":"roof","property":"pm25","value":7.5}]}`))
	w.publish(http.MethodPut, "/things/urn:example:meter", "application/td+json", []byte(strings.Replace(goodTD(""), `"title"`, `"id":"urn:example:meter","title"`, 1)))
}
