package open

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"

	"primum/thing"
)

// security is what an open service asks of a reader: nothing.
const security = "open"

// ReadDescription reads a Thing Description (1.0 or 1.1) as a publisher sends
// it. Forms, base and security are the node's to say and are left out, with
// actions and events: an open service only tells. Errors: *Invalid.
func ReadDescription(b []byte) (*thing.Description, error) {
	if _, err := thing.DecodeLarge(b, thing.MaxDescription); err != nil {
		return nil, invalid(err)
	}
	var d thing.Description
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, &Invalid{"", "not a Thing Description: " + err.Error()}
	}
	bare(&d)
	if len(d.Properties) == 0 {
		return nil, &Invalid{"/properties", "a thing of an open service has at least one property that can be read"}
	}
	for name := range d.Properties {
		if err := thing.CheckName(name); err != nil {
			return nil, &Invalid{"/properties", err.Error()}
		}
	}
	// With forms it is what every reader will get: that must be valid.
	if err := served(d, example).Validate(); err != nil {
		return nil, invalid(err)
	}
	return &d, checkOwnTexts(&d)
}

// example stands for the address of any thing.
const example = "https://node.example/open/service/thing"

// bare takes out what the node says itself.
func bare(d *thing.Description) {
	d.Actions, d.Events = nil, nil
	d.SecurityDefinitions = map[string]json.RawMessage{security: json.RawMessage(`{"scheme":"nosec"}`)}
	d.Security = thing.Strings{security}
	for _, name := range []string{"base", "forms", "registration"} {
		delete(d.Extra, name)
	}
	maps.DeleteFunc(d.Properties, func(_ string, p *thing.Property) bool { return p == nil || p.WriteOnly })
	for _, p := range d.Properties {
		p.Forms, p.ReadOnly, p.Observable = nil, true, true
		delete(p.Extra, "security") // names a scheme that is gone
		delete(p.Extra, "uriVariables")
	}
}

// checkOwnTexts refuses texts for people that a page could not show.
func checkOwnTexts(d *thing.Description) error {
	if err := errors.Join(checkText("/title", d.Title, maxTitle), checkText("/description", d.Text, maxText)); err != nil {
		return invalid(err)
	}
	for name, p := range d.Properties {
		for _, text := range []string{p.Title, p.Unit} {
			if err := checkText("/properties/"+name, text, maxTitle); err != nil {
				return err
			}
		}
	}
	return nil
}

// invalid gives an error of a decoder the type of this package.
func invalid(err error) error {
	var own *Invalid
	var p *thing.Problem
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &p):
		return &Invalid{p.Pointer, p.Reason}
	}
	return &Invalid{"", err.Error()}
}

// form is a form of TD 1.1 §5.3.4.2.
type form struct {
	Href        string   `json:"href"`
	Op          []string `json:"op"`
	ContentType string   `json:"contentType"`
	Subprotocol string   `json:"subprotocol,omitempty"`
}

// link is a link of TD 1.1 §5.3.4.1.
type link struct {
	Href string `json:"href"`
	Rel  string `json:"rel"`
	Type string `json:"type,omitempty"`
}

// Served is the description that anyone gets: with an id and the forms by which
// a stock consumer of the W3C Web of Things reads and follows the thing. url is
// the thing's own address, without a final slash.
func (t Thing) Served(url string) *thing.Description { return served(*t.Description, url) }

func served(d thing.Description, at string) *thing.Description {
	if d.ID == "" {
		d.ID = at
	}
	d.Properties = maps.Clone(d.Properties)
	for name, p := range d.Properties {
		own := *p
		where := at + "/properties/" + url.PathEscape(name)
		own.Forms = []thing.Form{
			formOf(where, thing.ReadProperty, ""),
			formOf(where+"/observe", thing.ObserveProperty, "sse"),
		}
		d.Properties[name] = &own
	}
	d.Extra = maps.Clone(d.Extra)
	if d.Extra == nil {
		d.Extra = map[string]json.RawMessage{}
	}
	d.Extra["forms"] = raw([]form{
		{at + "/properties", []string{"readallproperties"}, "application/json", ""},
		{at + "/observe", []string{"observeallproperties"}, "application/json", "sse"},
	})
	d.Extra["links"] = raw(append(ownLinks(d.Extra["links"]), linksOf(d, at)...))
	return &d
}

func formOf(href, op, subprotocol string) thing.Form {
	f := thing.Form{Href: href, Op: thing.Strings{op}, Extra: map[string]json.RawMessage{"contentType": json.RawMessage(`"application/json"`)}}
	if subprotocol != "" {
		f.Extra["subprotocol"] = raw(subprotocol)
	}
	return f
}

func linksOf(d thing.Description, at string) []any {
	// The page names what is told, to whom and for how long: it is the notice, too.
	all := []any{link{at, "alternate", "text/html"}, link{at, "privacy-policy", "text/html"}}
	for _, name := range slices.Sorted(maps.Keys(d.Properties)) {
		all = append(all, link{at + "/properties/" + url.PathEscape(name) + "/history", "archives", "application/json"})
	}
	return all
}

// ownLinks are the links that the publisher gave.
func ownLinks(links json.RawMessage) (all []any) {
	_ = json.Unmarshal(links, &all) // absent, or valid as the description is
	return all
}

// raw encodes what can't fail.
func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}

// Properties are the names of a thing's properties: numbers first, then by name.
func (t Thing) Properties() []string {
	names := slices.Sorted(maps.Keys(t.Description.Properties))
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case t.Numeric(a) == t.Numeric(b):
			return 0
		case t.Numeric(a):
			return -1
		}
		return 1
	})
	return names
}

// TitleIn is the title of a thing in a language, else its own.
func (t Thing) TitleIn(language string) string {
	return inLanguage(t.Description.Extra["titles"], language, t.Description.Title)
}

// TextIn is the text of a thing in a language, else its own.
func (t Thing) TextIn(language string) string {
	return inLanguage(t.Description.Extra["descriptions"], language, t.Description.Text)
}

// PropertyTitle is the title of a property in a language, else its name.
func (t Thing) PropertyTitle(name, language string) string {
	p := t.Description.Properties[name]
	if p == nil {
		return name
	}
	if title := inLanguage(p.Extra["titles"], language, p.Title); title != "" {
		return title
	}
	return name
}

func inLanguage(texts json.RawMessage, language, otherwise string) string {
	var all map[string]string
	if json.Unmarshal(texts, &all) == nil && all[language] != "" && checkText("", all[language], maxText) == nil {
		return all[language]
	}
	return otherwise
}

// TitleIn is the title of a service in a language, else its own.
func (s Service) TitleIn(language string) string {
	if t := s.Titles[language]; t != "" {
		return t
	}
	return s.Title
}

// TextIn is the text of a service in a language, else its own.
func (s Service) TextIn(language string) string {
	if t := s.Texts[language]; t != "" {
		return t
	}
	return s.Text
}
