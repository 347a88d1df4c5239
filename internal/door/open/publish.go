package opendoor

import (
	"encoding/json"
	"errors"
	"net/http"

	"primum/internal/answer"
	"primum/internal/open"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/thing"
	"primum/thing/id"
)

// maxValues bounds the body of a POST of values.
const maxValues = 1 << 20

// byPublisher lets publishers through; the handler gets their name.
func (d *Door) byPublisher(h func(http.ResponseWriter, *http.Request, string) error) http.HandlerFunc {
	return d.answered(func(w http.ResponseWriter, r *http.Request) error {
		who, err := d.publisher(r)
		if err != nil {
			return err
		}
		return h(w, r, who)
	})
}

func (d *Door) publisher(r *http.Request) (string, error) {
	if d.cfg.Publisher == nil {
		return "", &wire.Problem{Type: wire.ProblemPrefix + wire.ProbForbidden, Title: http.StatusText(http.StatusForbidden), Status: http.StatusForbidden, Detail: "nothing is published here"}
	}
	return d.cfg.Publisher(r)
}

// note writes what is about to change where operators look it up.
func (d *Door) note(r *http.Request, who, act, about string) error {
	if d.cfg.Note == nil {
		return nil
	}
	return d.cfg.Note(r.Context(), who, act, about)
}

// body reads what a publisher sent, or gives the problem.
func body(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	b, err := answer.Body(w, r, most)
	switch {
	case errors.Is(err, answer.ErrTooLarge):
		return nil, &wire.Problem{
			Type: wire.ProblemPrefix + wire.ProbTooLarge, Title: http.StatusText(http.StatusRequestEntityTooLarge), Status: http.StatusRequestEntityTooLarge,
			Detail: err.Error(),
		}
	case err != nil:
		return nil, &open.Invalid{Reason: "the body ended early"}
	}
	return b, nil
}

func (d *Door) putService(w http.ResponseWriter, r *http.Request, who string) error {
	b, err := body(w, r, thing.MaxValue)
	if err != nil {
		return err
	}
	s, err := open.ReadService(b)
	if err != nil {
		return err
	}
	name := r.PathValue("service")
	if s.Name != "" && s.Name != name {
		return &open.Invalid{Pointer: "/name", Reason: "not the name in the address"}
	}
	s.Name = name
	if err := s.Check(); err != nil {
		return err
	}
	if err := d.note(r, who, store.ActOpen, name); err != nil {
		return err
	}
	created, err := d.cfg.Book.PutService(r.Context(), s)
	if err == nil {
		done(w, created, d.serviceURL(name))
	}
	return err
}

// done answers a PUT.
func done(w http.ResponseWriter, created bool, where string) {
	if created {
		w.Header().Set("Location", where)
		w.WriteHeader(http.StatusCreated)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (d *Door) deleteService(w http.ResponseWriter, r *http.Request, who string) error {
	service, _, err := named(r)
	if err != nil {
		return err
	}
	if _, err := d.cfg.Book.Service(r.Context(), service); err != nil {
		return err
	}
	if err := d.note(r, who, store.ActOpenRemoved, service); err != nil {
		return err
	}
	if err := d.cfg.Book.RemoveService(r.Context(), service); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// putThing takes a Thing Description; the query's key is the thing's GS1 key in
// any form: "01/04012345999990/21/7", "(01)04012345999990(21)7", a Digital Link.
func (d *Door) putThing(w http.ResponseWriter, r *http.Request, who string) error {
	service, name, err := named(r)
	if err != nil {
		return &open.Invalid{Reason: "the address has a name that can't be one"}
	}
	b, err := body(w, r, thing.MaxDescription)
	if err != nil {
		return err
	}
	t := open.Thing{Service: service, Name: name}
	if t.Description, err = open.ReadDescription(b); err != nil {
		return err
	}
	if t.Key, t.Class, err = d.keyFor(r, service, name); err != nil {
		return err
	}
	if _, err := d.cfg.Book.Service(r.Context(), service); err != nil {
		return err
	}
	if err := d.note(r, who, store.ActOpen, service+"/"+name); err != nil {
		return err
	}
	created, err := d.cfg.Book.PutThing(r.Context(), t)
	if err == nil {
		done(w, created, d.thingURL(service, name))
	}
	return err
}

// keyFor is the key that a request names. One that says nothing of it leaves the
// thing the key it has: an edge describes its things at each start, and knows
// none.
func (d *Door) keyFor(r *http.Request, service, name string) (path, class string, err error) {
	if r.URL.Query().Has("key") {
		return keyOf(r.URL.Query().Get("key"))
	}
	old, err := d.cfg.Book.Thing(r.Context(), service, name)
	if errors.Is(err, open.ErrUnknown) {
		return "", "", nil
	}
	return old.Key, old.Class, err
}

// keyOf reads a GS1 key: its path and that of its class.
func keyOf(s string) (path, class string, err error) {
	if s == "" {
		return "", "", nil
	}
	one, err := id.Parse(s)
	if err != nil {
		return "", "", &open.Invalid{Pointer: "key", Reason: err.Error()}
	}
	k, ok := one.Key()
	if !ok {
		return "", "", &open.Invalid{Pointer: "key", Reason: "not a GS1 key"}
	}
	return k.Path(), k.Class().Path(), nil
}

func (d *Door) deleteThing(w http.ResponseWriter, r *http.Request, who string) error {
	service, name, err := named(r)
	if err != nil {
		return err
	}
	if _, err := d.cfg.Book.Thing(r.Context(), service, name); err != nil {
		return err
	}
	if err := d.note(r, who, store.ActOpenRemoved, service+"/"+name); err != nil {
		return err
	}
	if err := d.cfg.Book.RemoveThing(r.Context(), service, name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// postValues takes {"values": [{"thing", "property", "at", "value"}, …]}. What
// is fed is the service's daily work: it is no line in the operators' log.
func (d *Door) postValues(w http.ResponseWriter, r *http.Request, _ string) error {
	service, _, err := named(r)
	if err != nil {
		return err
	}
	b, err := body(w, r, maxValues)
	if err != nil {
		return err
	}
	samples, err := readValues(b)
	if err != nil {
		return err
	}
	added, err := d.cfg.Book.Add(r.Context(), service, samples)
	if err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, jsonType, added)
	return nil
}

// readValues reads the body of a POST of values.
func readValues(b []byte) ([]open.Sample, error) {
	if _, err := thing.DecodeLarge(b, maxValues); err != nil {
		return nil, &open.Invalid{Reason: err.Error()}
	}
	var in struct {
		Values []open.Sample `json:"values"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, &open.Invalid{Reason: `not {"values": […]}: ` + err.Error()}
	}
	if len(in.Values) == 0 {
		return nil, &open.Invalid{Pointer: "/values", Reason: "no values"}
	}
	return in.Values, nil
}
