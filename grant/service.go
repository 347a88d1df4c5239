package grant

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"primum/identity"
	"primum/internal/jws"
)

// MaxService bounds the description of a service, bytes.
const MaxService = 64 << 10

const (
	maxAsks      = 8
	maxLanguages = 32
	maxOffer     = 4096
)

// IsServiceName tells whether s can name a service: 1 to 48 of a-z, 0-9 and -,
// which it does not begin or end with.
func IsServiceName(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-"
	return s != "" && len(s) <= 48 && strings.Trim(s, letters) == "" && strings.Trim(s, "-") == s
}

// Service is what an account of a node offers to everybody, and what it needs
// for it. It asks nobody: a person who connects says yes to a ServiceAsk, or to
// several, each by itself.
type Service struct {
	V    int    `json:"v"` // 1
	Name string `json:"name"`
	// Provider is the account that would be the grantee; its authority is that
	// of the node that lists the service.
	Provider identity.Address       `json:"provider,omitzero"`
	Texts    map[string]ServiceText `json:"texts,omitempty"` // by language (BCP 47)
	Asks     []ServiceAsk           `json:"asks,omitempty"`
	Page     string                 `json:"page,omitempty"`   // more to read, https
	Review   string                 `json:"review,omitempty"` // day by which the provider looks at it again
	Ended    bool                   `json:"ended,omitempty"`  // it is offered no more
}

// ServiceText is a title and the offer in one language, plain.
type ServiceText struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

// ServiceAsk is what a service needs for one purpose. Each can be refused by itself.
type ServiceAsk struct {
	Purpose        Purpose           `json:"purpose"`
	Wants          []Want            `json:"wants"`
	For            Duration          `json:"for"` // how long a grant lasts, at most 24 months
	Retention      Duration          `json:"retention,omitzero"`
	DeletesWithin  Duration          `json:"deletesWithin,omitzero"`
	Notices        map[string]string `json:"notices"` // the exact text, by language
	Conditionality *Conditionality   `json:"conditionality,omitempty"`
}

// ParseService reads a description strictly: an unknown member is refused.
// Refusals are ErrDocument with the JSON pointer of the fault.
func ParseService(b []byte) (Service, error) {
	var s Service
	err := error(jws.Place("", "longer than %d bytes", MaxService))
	if len(b) <= MaxService {
		err = jws.DecodeStrict(b, &s)
	}
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return Service{}, fmt.Errorf("%w: service: %w", ErrDocument, err)
	}
	return s, nil
}

func (s Service) check() error {
	r := &rules{}
	r.need(s.V == 1, "/v", "not 1")
	r.need(IsServiceName(s.Name), "/name", "not 1 to 48 of a-z, 0-9 and -")
	if s.Ended {
		r.need(len(s.Asks) == 0, "/asks", "an ended service asks for nothing")
		return r.err
	}
	r.need(len(s.Texts) > 0 && len(s.Texts) <= maxLanguages, "/texts", "not 1 to %d languages", maxLanguages)
	for _, lang := range sortedLanguages(s.Texts) {
		r.need(isLanguage(lang), "/texts", "not a language tag")
		at := "/texts/" + lang
		r.needText(s.Texts[lang].Title, at+"/title", 128)
		r.lines(s.Texts[lang].Body, at+"/body", maxOffer)
	}
	r.need(len(s.Asks) <= maxAsks, "/asks", "more than %d", maxAsks)
	if len(s.Asks) > 0 {
		r.account(s.Provider, "/provider")
	}
	for i, a := range s.Asks {
		a.rules(r, fmt.Sprintf("/asks/%d", i))
	}
	u, err := url.Parse(s.Page)
	r.need(s.Page == "" || err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil, "/page", "not an https address")
	r.text(s.Page, "/page", 512)
	_, err = time.Parse(time.DateOnly, s.Review)
	r.need(s.Review == "" || err == nil, "/review", "not a day as 2027-11-23")
	return r.err
}

func sortedLanguages[T any](in map[string]T) (all []string) {
	for lang := range in {
		all = append(all, lang)
	}
	slices.Sort(all)
	return all
}

func (a ServiceAsk) rules(r *rules, at string) {
	r.need(IsPurpose(a.Purpose.Class), at+"/purpose/@id", "not a purpose of DPV 2.3")
	r.text(a.Purpose.Label, at+"/purpose/label", 256)
	r.need(len(a.Wants) > 0 && len(a.Wants) <= maxDetails, at+"/wants", "not 1 to %d", maxDetails)
	for i, w := range a.Wants {
		w.rules(r, fmt.Sprintf("%s/wants/%d", at, i))
		r.need(w.Quantity != "", fmt.Sprintf("%s/wants/%d", at, i), "a service knows nobody's names: say the quantity")
	}
	r.need(a.For > 0 && a.For <= 732*Day, at+"/for", "not up to 24 months")
	r.need(a.Retention >= 0, at+"/retention", "negative")
	r.need(a.DeletesWithin >= 0, at+"/deletesWithin", "negative")
	r.need(len(a.Notices) > 0 && len(a.Notices) <= maxLanguages, at+"/notices", "not 1 to %d languages", maxLanguages)
	for _, lang := range sortedLanguages(a.Notices) {
		r.need(isLanguage(lang), at+"/notices", "not a language tag")
		NewNotice(lang, a.Notices[lang]).rules(r, at+"/notices/"+lang)
	}
	if c := a.Conditionality; c != nil {
		r.text(c.Price, at+"/conditionality/price", 256)
		r.text(c.Benefit, at+"/conditionality/benefit", 256)
	}
}

// lines is text of several lines.
func (r *rules) lines(s, at string, most int) {
	r.need(len(s) <= most, at, "more than %d bytes", most)
	for line := range strings.SplitSeq(s, "\n") {
		r.text(line, at, most)
	}
}

// Text is the title and offer in a language, else in English, else in the first
// by name.
func (s Service) Text(language string) (text ServiceText, in string) {
	in = pickLanguage(s.Texts, language)
	return s.Texts[in], in
}

// Notice is the text of an ask in a language, else as Text chooses.
func (a ServiceAsk) Notice(language string) Notice {
	in := pickLanguage(a.Notices, language)
	return NewNotice(in, a.Notices[in])
}

func pickLanguage[T any](in map[string]T, language string) string {
	for _, l := range []string{language, "en"} {
		if _, ok := in[l]; ok {
			return l
		}
	}
	all := sortedLanguages(in)
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// Request is the ask at an index as a request to an owner would be, in their
// language. Nobody signed it: it is for showing and answering, not for sending.
func (s Service) Request(ask int, language string, now time.Time) Request {
	a := s.Asks[ask]
	text, _ := s.Text(language)
	return Request{
		From: s.Provider, Service: cmp.Or(text.Title, s.Name), Purpose: a.Purpose, Wants: slices.Clone(a.Wants),
		For: a.For, Retention: a.Retention, DeletesWithin: a.DeletesWithin, Conditionality: a.Conditionality,
		Notice: a.Notice(language), Issued: now, Expires: now.Add(MaxRequestAge),
	}
}
