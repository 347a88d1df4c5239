package wotdoor

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"primum/internal/answer"
	"primum/internal/directory"
	"primum/internal/wire"
	"primum/thing/td"
)

const (
	maxOffset = 1 << 31
)

// asked is a page that was asked for.
type asked struct {
	offset, limit int // limit 0: as many as fit
	collection    bool
}

// readAsked reads a list's parameters (WoT Discovery §7.3.2.1.6).
func readAsked(q url.Values) (a asked, status int, detail string) {
	for _, name := range []string{"sort_by", "sort_order"} {
		if v := q.Get(name); v != "" && v != "id" && v != "asc" {
			return a, http.StatusNotImplemented, "things are sorted by their id, ascending"
		}
	}
	for _, p := range []struct {
		name  string
		to    *int
		least int
	}{{"offset", &a.offset, 0}, {"limit", &a.limit, 1}} {
		text := q.Get(p.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < p.least || n > maxOffset {
			return a, http.StatusBadRequest, fmt.Sprintf("%s is a whole number of at least %d", p.name, p.least)
		}
		*p.to = n
	}
	switch q.Get("format") {
	case "", "array":
	case "collection":
		a.collection = true
	default:
		return a, http.StatusBadRequest, "format is array or collection"
	}
	return a, 0, ""
}

// link is the address of a page.
func (a asked) link() string {
	q := url.Values{"offset": {strconv.Itoa(a.offset)}}
	if a.limit > 0 {
		q.Set("limit", strconv.Itoa(a.limit))
	}
	if a.collection {
		q.Set("format", "collection")
	}
	return ThingsPath + "?" + q.Encode()
}

func (d *Door) list(w http.ResponseWriter, r *http.Request) {
	c, ok := d.reader(w, r)
	if !ok {
		return
	}
	a, status, detail := readAsked(r.URL.Query())
	if status != 0 {
		w.Header().Del("Cache-Control")
		answer.Problem(w, status, wire.ProbMalformed, detail)
		return
	}
	// The tag is read first: it is never newer than what it stands for.
	tag, err := d.cfg.Directory.Tag(r.Context(), c.Viewer)
	if err != nil {
		d.failed(w, err)
		return
	}
	h := w.Header()
	h.Add("Link", `<`+ThingsPath+`>; rel="canonical"; etag=`+tag)
	if answer.Same(w, r, "W/"+tag) {
		return
	}
	page, more, err := d.cfg.Directory.Page(r.Context(), c.Viewer, a.offset, a.limit)
	if err != nil {
		d.failed(w, err)
		return
	}
	next := ""
	if more {
		n := a
		n.offset += len(page)
		next = n.link()
		h.Add("Link", `<`+next+`>; rel="next"`)
	}
	body := d.array(page)
	if a.collection {
		total, err := d.cfg.Directory.Count(r.Context(), c.Viewer)
		if err != nil {
			d.failed(w, err)
			return
		}
		body = collection(body, a, next, total)
	}
	d.send(w, typeLD, body)
}

func (d *Door) array(page []directory.Entry) []byte {
	var b bytes.Buffer
	now := d.now()
	b.WriteByte('[')
	for i, e := range page {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(e.Bytes(now))
	}
	b.WriteByte(']')
	return b.Bytes()
}

// collection is a page that says more about itself (§7.3.2.1.6, ThingCollection).
func collection(members []byte, a asked, next string, total int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"@context":%q,"@type":"ThingCollection","@id":%q,"total":%d,`, td.ContextDirectory, a.link(), total)
	if next != "" {
		fmt.Fprintf(&b, `"next":%q,`, next)
	}
	b.WriteString(`"members":`)
	b.Write(members)
	b.WriteByte('}')
	return b.Bytes()
}

// search answers a JSONPath query (§7.3.2.4.1; RFC 9535).
func (d *Door) search(w http.ResponseWriter, r *http.Request) {
	c, ok := d.reader(w, r)
	if !ok {
		return
	}
	query := r.URL.Query().Get("query")
	if query == "" {
		w.Header().Del("Cache-Control")
		answer.Problem(w, http.StatusBadRequest, wire.ProbMalformed, "name a JSONPath query (RFC 9535) in the parameter query")
		return
	}
	b, err := d.cfg.Directory.Search(r.Context(), c.Viewer, query)
	if err != nil {
		d.failed(w, err)
		return
	}
	d.send(w, "application/json", b)
}

// noSearch answers for query languages that are not offered.
func (d *Door) noSearch(w http.ResponseWriter, _ *http.Request) {
	answer.Problem(w, http.StatusNotImplemented, wire.ProbNotFound, "this directory is searched by JSONPath, at "+SearchPath)
}
