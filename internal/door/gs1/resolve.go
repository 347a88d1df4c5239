package gs1door

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"primum/internal/answer"
	"primum/internal/linkset"
	"primum/internal/wire"
	"primum/thing/id"
)

// How long answers may be kept (design, privacy of names 7).
const (
	cacheClass  = "public, max-age=3600"
	cacheSerial = "no-store"
)

// question is a request for a Digital Link, read.
type question struct {
	path    string // as it was sent
	link    id.Link
	serial  bool // it names one object
	linkset bool // it wants the list, not where it leads
	ask     linkset.Ask
	query   string // as it was sent
}

// ServeHTTP answers for a Digital Link.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer.Open(w.Header(), "Link, Location")
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		w.Header().Set("Allow", readMethods)
		answer.Problem(w, http.StatusMethodNotAllowed, wire.ProbMalformed, "names are read by GET or HEAD")
		return
	}
	q, err := read(r)
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", cacheClass)
	if q.serial {
		w.Header().Set("Cache-Control", cacheSerial)
	}
	if r.Method == http.MethodOptions {
		if c := class(q.link.Key); !c.Serial() {
			w.Header().Add("Link", d.linksetOf(c.Path()))
		}
		answer.Preflight(w, readMethods)
		return
	}
	d.resolve(w, r, q)
}

// read takes a request apart. Errors: *id.Error, *linkset.InvalidError.
func read(r *http.Request) (q question, err error) {
	q.path = r.URL.EscapedPath()
	path := q.path
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/") // Resolver 1.2: final slashes are tolerated
	}
	q.query = r.URL.RawQuery
	if q.link, err = id.ParseLink(path, q.query, id.Options{}); err != nil {
		return q, err
	}
	q.serial = q.link.Serial()
	q.ask = linkset.Ask{Language: r.Header.Get("Accept-Language"), Accept: r.Header.Get("Accept")}
	if q.link.Rest != "" {
		if err := q.readRest(q.link.Rest); err != nil {
			return q, err
		}
	}
	q.linkset = q.linkset || linkset.Wanted(strings.ToLower(q.ask.Accept)) // media types have no case
	return q, nil
}

// readRest reads the members of the query that are for resolvers.
func (q *question) readRest(rest string) error {
	members, err := url.ParseQuery(rest)
	if err != nil {
		return &linkset.InvalidError{Member: "query", Reason: "its percent-encoding is broken"}
	}
	q.ask.Context = members.Get("context")
	switch linkType := members.Get("linkType"); linkType {
	case "":
	case "linkset", "all", linkset.Vocabulary + "linkset", "gs1:linkset", "gs1:all":
		q.linkset = true
	default:
		if q.ask.LinkType, err = linkset.NormalType(linkType); err != nil {
			q.ask.LinkType = unknownType
		}
	}
	return nil
}

// unknownType is a link type that no link has.
const unknownType = "?"

// refuse answers 400 with the place of the error, to a browser with a page.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if d.cfg.BadPage != nil && linkset.Prefers(r.Header.Get("Accept"), "text/html", linkset.MediaType) {
		d.cfg.BadPage(w, r, err)
		return
	}
	var bad *id.Error
	var invalid *linkset.InvalidError
	p := wire.Problem{Type: wire.ProblemPrefix + wire.ProbMalformed, Title: "This is no GS1 Digital Link", Status: http.StatusBadRequest}
	switch {
	case errors.As(err, &bad):
		bad = bad.Unquoted() // it may be a serial number that is wrong
		p.Detail, p.Pointer = bad.Error(), bad.Part
	case errors.As(err, &invalid):
		p.Detail, p.Pointer = invalid.Reason, invalid.Member
	}
	answer.Write(w, p)
}

// class is the part of a key that names no single object; the key itself where
// it has none above it.
func class(k id.Key) id.Key {
	if up := k.Class(); !up.IsZero() {
		return up
	}
	return id.Key{AIs: k.AIs[:1]}
}

// resolve answers for a key that was read.
func (d *Door) resolve(w http.ResponseWriter, r *http.Request, q question) {
	h := w.Header()
	h.Set("Vary", "Accept, Accept-Language")
	if q.link.Compressed {
		h.Add("Link", "<"+d.cfg.Base+"/"+q.link.Path()+`>; rel="owl:sameAs"`)
	}
	generation := d.cfg.Links.Generation() // before anything is read
	if to, ok, err := d.cfg.Links.Delegated(r.Context(), q.link.Path()); err != nil {
		d.failed(w, err)
		return
	} else if ok && to.HandledBy != d.cfg.Base {
		h.Add("Link", "<"+to.HandledBy+">; rel=\""+linkset.TypeURL(linkset.HandledBy)+`"`)
		// What is delegated is the other node's to answer, serial and all.
		redirect(w, to.HandledBy+"/"+q.link.Path(), q.query)
		return
	}
	found, err := d.walk(r.Context(), q)
	if err != nil {
		d.failed(w, err)
		return
	}
	if len(found) > 0 {
		d.keepReady(q, found[0], generation)
	} else if found, err = d.described(r.Context(), class(q.link.Key)); err != nil {
		d.failed(w, err)
		return
	}
	switch {
	case len(found) == 0 && d.people(w, r, q, 0):
	case len(found) == 0:
		answer.Problem(w, http.StatusNotFound, wire.ProbNotFound, "nothing is known here of this key")
	case q.linkset && d.people(w, r, q, http.StatusOK):
	case q.linkset:
		d.writeLinkset(w, r, q, found)
	default:
		d.lead(w, r, q, found)
	}
}

// walk returns what is known of a key and of all above it, the most exact
// first (Resolver 1.2, walking up the tree). It reads every level in any case.
func (d *Door) walk(ctx context.Context, q question) (found []*linkset.Item, err error) {
	k := q.link.Key
	up := id.Key{AIs: k.AIs[:len(k.AIs)-len(k.Attributes())]}
	for ok := true; ok; up, ok = up.Up() {
		it, err := d.level(ctx, up, q.linkset || q.ask.LinkType == linkset.DescribedBy)
		if err != nil {
			return nil, err
		}
		if it != nil {
			found = append(found, it)
		}
	}
	return found, nil
}

// level is what is known of exactly this key; nil: nothing. Thing Descriptions
// of single objects are looked for in any case; those of a class that has links
// only if somebody wants to see them, so that redirects are quick.
func (d *Door) level(ctx context.Context, k id.Key, describe bool) (*linkset.Item, error) {
	if !k.Serial() {
		it, err := d.cfg.Links.Class(ctx, k.Path())
		if errors.Is(err, linkset.ErrNotFound) {
			return nil, nil
		}
		if err != nil || !describe {
			return it, err
		}
		return d.describedBy(ctx, k, it)
	}
	name := id.FromKey(k)
	anchor, err := d.cfg.Anchor(ctx, name)
	if err != nil {
		return nil, err
	}
	it, err := d.cfg.Links.Lookup(ctx, anchor)
	switch {
	case errors.Is(err, linkset.ErrNotFound):
		return d.describedBy(ctx, k, nil)
	case err != nil:
		return nil, err
	}
	return d.describedBy(ctx, k, &it)
}

// describedBy adds the Thing Description of a key to what the links say of it.
func (d *Door) describedBy(ctx context.Context, k id.Key, it *linkset.Item) (*linkset.Item, error) {
	td, ok, err := d.cfg.Described(ctx, id.FromKey(k))
	if err != nil || !ok {
		return it, err
	}
	all := linkset.Item{Anchor: k.Path(), Description: td.Title}
	if it != nil {
		all = *it
	}
	if slices.ContainsFunc(all.Entries, func(e linkset.Entry) bool { return e.Href == td.URL }) {
		return it, nil
	}
	all.Entries = append(slices.Clone(all.Entries), linkset.Entry{
		LinkType: linkset.DescribedBy, Href: td.URL, Title: td.Title, Type: "application/td+json", NoQuery: true,
	})
	return &all, nil
}

// described is the Thing Description of a class that has no links at all.
func (d *Door) described(ctx context.Context, k id.Key) ([]*linkset.Item, error) {
	if k.Serial() { // looked for already
		return nil, nil
	}
	it, err := d.describedBy(ctx, k, nil)
	if err != nil || it == nil {
		return nil, err
	}
	return []*linkset.Item{it}, nil
}

// lead redirects to the link that fits, or lists those that fit alike.
func (d *Door) lead(w http.ResponseWriter, r *http.Request, q question, found []*linkset.Item) {
	w.Header().Add("Link", d.linksetOf(found[0].Anchor))
	for _, it := range found {
		switch fit := it.Choose(q.ask); len(fit) {
		case 0:
		case 1:
			query := q.query
			if fit[0].NoQuery {
				query = ""
			} else if query != "" {
				query = q.forward()
			}
			redirect(w, fit[0].Href, query)
			return
		default:
			if !d.people(w, r, q, http.StatusMultipleChoices) {
				d.writeChoices(w, it, fit, q.ask.Language)
			}
			return
		}
	}
	answer.Problem(w, http.StatusNotFound, wire.ProbNotFound, "no link of this type is known here")
}

// linksetOf names the list of all links of an anchor, as a Link header does
// (Resolver 1.2, Link header).
func (d *Door) linksetOf(anchor string) string {
	return "<" + d.cfg.Base + "/" + anchor + `?linkType=linkset>; rel="linkset"; type="` + linkset.MediaType + `"`
}

// redirect answers 307, with a query added to the target's own.
func redirect(w http.ResponseWriter, to, query string) {
	if query != "" {
		page, fragment, has := strings.Cut(to, "#")
		sign := "?"
		if strings.Contains(page, "?") {
			sign = "&"
		}
		to = page + sign + query
		if has {
			to += "#" + fragment
		}
	}
	w.Header()["Location"] = []string{to}
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// forward is the query as it goes on to a target, which may be a third party's:
// all of it, but attributes that name a single object, however they are written,
// and every attribute of GS1's where the question was for one (design, privacy
// of names 7).
func (q *question) forward() string {
	query := q.query
	if q.serial {
		query = q.link.Rest
	}
	var keep []string
	for member := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(member, "=")
		if plain, err := url.QueryUnescape(name); err == nil && !namesObject(strings.TrimSpace(plain)) {
			keep = append(keep, member)
		}
	}
	return strings.Join(keep, "&")
}

// namesObject tells of the attributes that name a single object.
func namesObject(code string) bool {
	switch code {
	case "21", "235", "250", "251", "8200":
		return true
	}
	return false
}

// failed answers for a store that failed, without its words.
func (d *Door) failed(w http.ResponseWriter, err error) {
	d.cfg.Log.Error("links not read", "error", err)
	answer.Problem(w, http.StatusServiceUnavailable, wire.ProbStorage, "try again later")
}
