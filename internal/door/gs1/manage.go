package gs1door

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"primum/internal/answer"
	"primum/internal/linkset"
	"primum/internal/resolve"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/thing/id"
)

// Bounds of the publishers' interface.
const (
	MaxBody = 8 << 20 // bytes of a linkset or table at once
	MaxPage = 5000    // items of a list
)

// Listed is a page of items with what removes a link.
type Listed struct {
	Items []ListedItem `json:"items"`
	Next  string       `json:"next,omitempty"` // there are more; ask for those ?after= it
}

// ListedItem is an item in a list.
type ListedItem struct {
	Anchor      string            `json:"anchor"`
	Description string            `json:"itemDescription"`
	Local       map[string]string `json:"itemDescriptionIn,omitempty"`
	Entries     []ListedEntry     `json:"entries"`
	Changed     time.Time         `json:"changed"`
}

// ListedEntry is a link in a list.
type ListedEntry struct {
	ID string `json:"id"`
	linkset.Entry
}

// Item is what linkset keeps of it.
func (l ListedItem) Item() *linkset.Item {
	it := &linkset.Item{Anchor: l.Anchor, Description: l.Description, Local: l.Local, Changed: l.Changed}
	for _, e := range l.Entries {
		it.Entries = append(it.Entries, e.Entry)
	}
	return it
}

// byPublisher lets publishers through; the handler gets their name, and what it
// answers is kept nowhere.
func (d *Door) byPublisher(h func(w http.ResponseWriter, r *http.Request, who string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := d.cfg.Publisher(r)
		if err != nil {
			d.refused(w, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		h(w, r, who)
	}
}

// links is the publishers' way to the links. Nobody else lists them: the list
// would tell which single objects exist.
func (d *Door) links(w http.ResponseWriter, r *http.Request, who string) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		d.list(w, r)
	case http.MethodPost:
		d.take(w, r, who, false)
	case http.MethodPut:
		d.take(w, r, who, true)
	case http.MethodDelete:
		d.remove(w, r, who)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST, PUT, DELETE")
		answer.Problem(w, http.StatusMethodNotAllowed, wire.ProbMalformed, "links are listed by GET, added by POST, replaced by PUT, removed by DELETE")
	}
}

func (d *Door) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var page []*linkset.Item
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 || limit > MaxPage {
		limit = 100
	}
	if name := query.Get("anchor"); name != "" {
		var anchor string
		if anchor, err = d.Canonical(name); err == nil {
			var it linkset.Item
			it, err = d.cfg.Links.Lookup(r.Context(), anchor)
			page = []*linkset.Item{&it}
		}
	} else {
		page, err = d.cfg.Links.Page(r.Context(), query.Get("after"), limit)
	}
	if err != nil {
		d.refused(w, err)
		return
	}
	out := Listed{Items: make([]ListedItem, len(page))}
	for i, it := range page {
		out.Items[i] = ListedItem{it.Anchor, it.Description, it.Local, listed(it.Entries), it.Changed}
	}
	if len(page) == limit {
		out.Next = page[limit-1].Anchor
	}
	answer.JSON(w, http.StatusOK, "application/json", out)
}

func listed(entries []linkset.Entry) []ListedEntry {
	all := make([]ListedEntry, len(entries))
	for i, e := range entries {
		all[i] = ListedEntry{e.ID(), e}
	}
	return all
}

// take puts the links of a linkset (RFC 9264) or a table, or makes them all
// that their anchors have.
func (d *Door) take(w http.ResponseWriter, r *http.Request, who string, replace bool) {
	body, err := answer.Body(w, r, MaxBody)
	if err != nil {
		answer.BadBody(w, err, MaxBody)
		return
	}
	items, err := d.items(r.Header.Get("Content-Type"), body)
	if err != nil {
		d.refused(w, err)
		return
	}
	if err := d.noted(r, who, items); err != nil {
		d.refused(w, err)
		return
	}
	put := d.cfg.Links.Put
	if replace {
		put = d.cfg.Links.Replace
	}
	sum, err := put(r.Context(), who, items...)
	if err != nil {
		d.refused(w, err)
		return
	}
	answer.JSON(w, http.StatusOK, "application/json", sum)
}

// items reads the body whole before anything is written: what is refused
// changed nothing.
func (d *Door) items(contentType string, body []byte) ([]linkset.Item, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	var each iter.Seq2[linkset.Item, error]
	switch {
	case err == nil && kind == "text/csv":
		each = linkset.ReadCSV(bytes.NewReader(body), d.Canonical)
	case err == nil && (kind == linkset.MediaType || kind == "application/json"):
		each = linkset.ReadJSON(bytes.NewReader(body), d.Canonical)
	default:
		return nil, &linkset.InvalidError{Member: "Content-Type", Reason: "it is " + linkset.MediaType + " or text/csv"}
	}
	var all []linkset.Item
	for it, err := range each {
		if err != nil {
			return nil, err
		}
		all = append(all, it)
	}
	return all, nil
}

func (d *Door) noted(r *http.Request, who string, items []linkset.Item) error {
	act, about := store.ActLinksMany, strconv.Itoa(len(items))
	if len(items) == 1 {
		act, about = store.ActLinks, items[0].Anchor
	}
	return d.cfg.Note(r.Context(), who, act, about)
}

// remove takes one link away (?anchor=&id=), or all of an anchor.
func (d *Door) remove(w http.ResponseWriter, r *http.Request, who string) {
	query := r.URL.Query()
	anchor, err := d.Canonical(query.Get("anchor"))
	if err == nil {
		err = d.cfg.Note(r.Context(), who, store.ActLinksRemoved, anchor)
	}
	var n int
	if err == nil {
		n, err = d.cfg.Links.Remove(r.Context(), anchor, query.Get("id"))
	}
	if err != nil {
		d.refused(w, err)
		return
	}
	answer.JSON(w, http.StatusOK, "application/json", linkset.Sum{Items: 1, Removed: n})
}

// delegations is the publishers' way to what other nodes answer for.
func (d *Door) delegations(w http.ResponseWriter, r *http.Request, who string) {
	var err error
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		answer.JSON(w, http.StatusOK, "application/json", map[string]any{"delegations": d.cfg.Links.Delegations()})
		return
	case http.MethodPost:
		err = d.delegate(w, r, who)
	case http.MethodDelete:
		err = d.undelegate(r, who)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST, DELETE")
		answer.Problem(w, http.StatusMethodNotAllowed, wire.ProbMalformed, "delegations are listed by GET, made by POST, ended by DELETE")
		return
	}
	if err != nil {
		d.refused(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (d *Door) delegate(w http.ResponseWriter, r *http.Request, who string) error {
	body, err := answer.Body(w, r, 64<<10)
	if err != nil {
		return &linkset.InvalidError{Member: "body", Reason: "it is too long, or ended early"}
	}
	var given linkset.Delegation
	if err := json.Unmarshal(body, &given); err != nil {
		return &linkset.InvalidError{Member: "body", Reason: "it is no JSON object with subject and handledBy"}
	}
	given.By = who
	if given.Subject, err = d.subject(given.Subject); err != nil {
		return err
	}
	if err := d.cfg.Note(r.Context(), who, store.ActDelegated, given.Subject+" "+given.HandledBy); err != nil {
		return err
	}
	return d.cfg.Links.Delegate(r.Context(), given)
}

// undelegate ends a delegation; what can't be written in the log is not done.
func (d *Door) undelegate(r *http.Request, who string) error {
	subject, err := d.subject(r.URL.Query().Get("subject"))
	if err != nil {
		return err
	}
	if err := d.cfg.Note(r.Context(), who, store.ActDelegated, subject); err != nil {
		return err
	}
	return d.cfg.Links.Undelegate(r.Context(), subject)
}

// Canonical makes an anchor of a name in any form: a GS1 key as a Digital Link,
// path or element string, a host name, or an anchor as this node lists it.
func (d *Door) Canonical(name string) (string, error) {
	name = strings.TrimPrefix(name, d.cfg.Base+"/")
	if link, err := id.ParseLink("/"+strings.TrimPrefix(name, "/"), "", id.Options{}); err == nil {
		return link.Path(), nil
	}
	if kind, _, ok := strings.Cut(name, "/"); ok && isScope(kind) {
		return name, nil
	}
	parsed, err := id.Parse(name)
	if err != nil {
		return "", err
	}
	return resolve.Scope(parsed), nil
}

// isScope tells whether a text of resolve.Scope begins so.
func isScope(kind string) bool {
	switch id.Kind(kind) {
	case id.DNS, id.URL, id.EPC, id.MAC, id.IP, id.UUID, id.DIDWeb:
		return true
	}
	return false
}

// subject is Canonical for what is delegated, which may end in a star or be a
// range.
func (d *Door) subject(name string) (string, error) {
	name = strings.TrimPrefix(strings.TrimPrefix(name, d.cfg.Base), "/")
	if !strings.HasSuffix(name, "*") && !strings.Contains(name, "..") {
		return d.Canonical(strings.TrimPrefix(name, "*."))
	}
	code, _, _ := strings.Cut(name, "/")
	if isScope(code) || slices.Contains(primaryKeys[:], code) {
		return name, nil
	}
	return "", &linkset.InvalidError{Member: "subject", Reason: "a prefix or range begins with a primary key and a slash, as 01/0401234*"}
}

// refused answers for an error of the publishers' interface.
func (d *Door) refused(w http.ResponseWriter, err error) {
	var p *wire.Problem
	var place *linkset.FormatError
	var invalid *linkset.InvalidError
	var bad *id.Error
	out := wire.Problem{Type: wire.ProblemPrefix + wire.ProbMalformed, Title: "This can't be kept", Status: http.StatusBadRequest}
	switch {
	case errors.As(err, &p):
		answer.Write(w, *p)
		return
	case errors.Is(err, linkset.ErrNotFound):
		answer.Problem(w, http.StatusNotFound, wire.ProbNotFound, linkset.ErrNotFound.Error())
		return
	case errors.Is(err, linkset.ErrFull), errors.Is(err, linkset.ErrOverlap):
		out.Type, out.Status, out.Detail = wire.ProblemPrefix+wire.ProbConflict, http.StatusConflict, err.Error()
	case errors.As(err, &place):
		out.Pointer, out.Detail = place.Place, place.Err.Error()
	case errors.As(err, &invalid):
		out.Pointer, out.Detail = invalid.Member, invalid.Reason
	case errors.As(err, &bad):
		out.Pointer, out.Detail = "anchor", bad.Error()
	default:
		d.failed(w, err)
		return
	}
	answer.Write(w, out)
}
