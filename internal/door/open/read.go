package opendoor

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"primum/internal/answer"
	"primum/internal/open"
	"primum/internal/wire"
	"primum/thing/id"
)

const (
	jsonType = "application/json"
	tdType   = "application/td+json"
)

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// listed is a service in the catalogue.
type listed struct {
	open.Service
	URL    string `json:"url"`
	Things int64  `json:"things"`
}

func (d *Door) getCatalogue(w http.ResponseWriter, r *http.Request) error {
	services, err := d.cfg.Book.Services(r.Context())
	if err != nil {
		return err
	}
	all := make([]listed, 0, len(services))
	for _, s := range services {
		n, err := d.cfg.Book.Count(r.Context(), s.Name)
		if err != nil {
			return err
		}
		all = append(all, listed{s, d.serviceURL(s.Name), n})
	}
	public(w, keepList)
	answer.JSON(w, http.StatusOK, jsonType, map[string]any{"services": all})
	return nil
}

// listedThing is a thing in a list.
type listedThing struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	URL   string `json:"url"`
	Key   string `json:"key,omitempty"` // path of its GS1 key
}

func (d *Door) list(things []open.Thing) []listedThing {
	all := make([]listedThing, 0, len(things))
	for _, t := range things {
		all = append(all, listedThing{t.Name, t.Description.Title, d.thingURL(t.Service, t.Name), t.Key})
	}
	return all
}

// thingsMost is how many things one answer lists.
const thingsMost = 200

func (d *Door) getService(w http.ResponseWriter, r *http.Request) error {
	service, _, err := named(r)
	if err != nil {
		return err
	}
	s, err := d.cfg.Book.Service(r.Context(), service)
	if err != nil {
		return err
	}
	things, err := d.cfg.Book.Things(r.Context(), service, r.URL.Query().Get("after"), thingsMost+1)
	if err != nil {
		return err
	}
	n, err := d.cfg.Book.Count(r.Context(), service)
	if err != nil {
		return err
	}
	if len(things) > thingsMost {
		things = things[:thingsMost]
		next(w, d.serviceURL(service)+"?after="+url.QueryEscape(things[thingsMost-1].Name))
	}
	public(w, keepList)
	answer.JSON(w, http.StatusOK, jsonType, struct {
		listed
		List []listedThing `json:"list"`
	}{listed{s, d.serviceURL(s.Name), n}, d.list(things)})
	return nil
}

// next links to where a list goes on (RFC 8288).
func next(w http.ResponseWriter, href string) {
	w.Header().Add("Link", "<"+href+`>; rel="next"`)
}

func (d *Door) getThing(w http.ResponseWriter, r *http.Request) error {
	service, name, err := named(r)
	if err != nil {
		return err
	}
	t, err := d.cfg.Book.Thing(r.Context(), service, name)
	if err != nil {
		return err
	}
	public(w, keepList)
	if answer.Same(w, r, tagOf(t.Modified)) {
		return nil
	}
	answer.JSON(w, http.StatusOK, tdType, t.Served(d.thingURL(service, name)))
	return nil
}

// tagOf is the entity tag of what changed last at a time.
func tagOf(at time.Time) string { return `"` + strconv.FormatInt(at.UnixMilli(), 36) + `"` }

func (d *Door) getValues(w http.ResponseWriter, r *http.Request) error {
	service, name, err := named(r)
	if err != nil {
		return err
	}
	all, err := d.cfg.Book.NewestOf(r.Context(), service, name)
	if err != nil {
		return err
	}
	values := make(map[string]json.RawMessage, len(all))
	var last time.Time
	for p, s := range all {
		values[p] = s.Value
		if s.At.After(last) {
			last = s.At
		}
	}
	public(w, keepValue)
	if !last.IsZero() {
		w.Header().Set("Last-Modified", last.Format(http.TimeFormat))
	}
	answer.JSON(w, http.StatusOK, jsonType, values)
	return nil
}

// getValue answers with the value alone, as its description says; when it was
// measured stands in Last-Modified.
func (d *Door) getValue(w http.ResponseWriter, r *http.Request) error {
	service, name, err := named(r)
	if err != nil {
		return err
	}
	s, ok, err := d.cfg.Book.Newest(r.Context(), service, name, r.PathValue("property"))
	if err != nil {
		return err
	}
	public(w, keepValue)
	if !ok {
		answer.Problem(w, http.StatusNotFound, wire.ProbNotYet, "this property has no value yet")
		return nil
	}
	w.Header().Set("Last-Modified", s.At.Format(http.TimeFormat))
	if !answer.Same(w, r, tagOf(s.At)) {
		answer.JSON(w, http.StatusOK, jsonType, s.Value)
	}
	return nil
}

// getQR draws the address of a thing's page: its GS1 Digital Link where it has a
// key, else its own.
func (d *Door) getQR(w http.ResponseWriter, r *http.Request) error {
	service, name, err := named(r)
	if err != nil {
		return err
	}
	t, err := d.cfg.Book.Thing(r.Context(), service, name)
	if err != nil {
		return err
	}
	q, err := open.DrawQR(t.Address(d.cfg.Base))
	if err != nil {
		return err
	}
	public(w, keepList)
	w.Header().Set("Content-Type", "image/svg+xml")
	_, _ = w.Write([]byte(q.SVG()))
	return nil
}

// getClass tells programs what is known of a product code.
func (d *Door) getClass(w http.ResponseWriter, r *http.Request) error {
	// The path as it was sent: the parser unescapes each value itself.
	k, err := id.ParseDigitalLink(strings.TrimPrefix(r.URL.EscapedPath(), "/class"), "", id.Options{})
	if err != nil || k.Serial() || d.cfg.Class == nil { // a serial has no class page; its class has
		return open.ErrUnknown
	}
	c, err := d.cfg.Class(r.Context(), k, "")
	if err != nil {
		return err
	}
	public(w, keepList)
	answer.JSON(w, http.StatusOK, jsonType, struct {
		open.Class
		List []listedThing `json:"list"`
	}{c, d.list(c.Things)})
	return nil
}
