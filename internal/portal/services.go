package portal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/answer"
	"primum/internal/catalogue"
	"primum/internal/open"
	"primum/internal/wire"
	"primum/thing"
)

// ServiceSource is the catalogue of the services that a node's accounts offer.
type ServiceSource interface {
	Get(ctx context.Context, name string) (catalogue.Entry, error)
	List(ctx context.Context, after string) (all []catalogue.Entry, next string, err error)
}

// servicesPage is the catalogue.
type servicesPage struct {
	frame
	Rows []serviceRow
	Next string // where the list goes on
}

type serviceRow struct {
	Href, Title, Body string
	Lang              string // of title and body
	Provider          string
	Tied              bool // there is a price
}

// servicePage is one service: what it offers, what it asks for, and the way
// into the visitor's own portal.
type servicePage struct {
	frame
	Heading, Body  string
	TextLang       string
	Provider, Page string
	Asks           []askRow
	Connect        string // into the portal of At, or of this node
	At             string // a foreign domain, which anybody may have put into the address; empty: this node's
	AtAsked        string // what was typed
	AtWrong        bool
	Command        string
	Address        string // what the code says
	Code           open.QR
	Ref            string
	Index          int64
	JSON           string
}

// askRow is what the service needs for one purpose.
type askRow struct {
	Purpose, For, Kept, Deleted string
	Wants                       []wantRow
	Notice, NoticeLang          string
	Price, Benefit              string
	Needed                      bool // the service does not work without this yes
}

type wantRow struct{ What, Ways, Every, Fine string }

// ServicePages are the pages about services, for browsers that a door lets
// through: headers, but no limit of their own.
func (p *Portal) ServicePages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+wire.ServicePages, p.getServices)
	mux.HandleFunc("GET "+wire.ServicePages+"/{name}", p.getService)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header(), p.cfg.TLS)
		w.Header().Set("Content-Security-Policy", scriptless())
		answer.Vary(w.Header(), "Accept")
		if p.cfg.Services == nil || p.isLink(r) {
			p.missing(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (p *Portal) getServices(w http.ResponseWriter, r *http.Request) {
	all, next, err := p.cfg.Services.List(r.Context(), r.URL.Query().Get("after"))
	if err != nil {
		p.serviceFailed(w, r, err)
		return
	}
	d := servicesPage{frame: p.frame(w, r)}
	d.Title = p.words(d.Lang)("services.title")
	for _, e := range all {
		d.Rows = append(d.Rows, serviceRowOf(e, d.Lang))
	}
	if next != "" {
		d.Next = wire.ServicePages + "?after=" + url.QueryEscape(next)
	}
	p.show(w, http.StatusOK, "services.html", d.Lang, d)
}

func serviceRowOf(e catalogue.Entry, lang string) serviceRow {
	text, in := e.Text(lang)
	row := serviceRow{Href: wire.ServicePages + "/" + e.Name, Title: clean(text.Title), Body: firstLine(text.Body), Lang: in}
	if len(e.Asks) > 0 {
		row.Provider = e.Provider.Display()
	}
	for _, a := range e.Asks {
		row.Tied = row.Tied || a.Conditionality != nil && a.Conditionality.Price != ""
	}
	return row
}

// serviceFailed answers for what is not there, and for what failed.
func (p *Portal) serviceFailed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, catalogue.ErrUnknown) {
		p.missing(w, r)
		return
	}
	p.cfg.Log.Error("services not read", "error", err)
	w.WriteHeader(http.StatusServiceUnavailable)
}

func (p *Portal) getService(w http.ResponseWriter, r *http.Request) {
	e, err := p.cfg.Services.Get(r.Context(), r.PathValue("name"))
	if err != nil {
		p.serviceFailed(w, r, err)
		return
	}
	d, err := p.service(p.frame(w, r), e, strings.TrimSpace(r.URL.Query().Get("at")))
	if err != nil {
		p.serviceFailed(w, r, err)
		return
	}
	// The form only asks this page for the way into another portal.
	w.Header().Set("Content-Security-Policy", strings.Replace(scriptless(), "form-action 'none'", "form-action 'self'", 1))
	p.show(w, http.StatusOK, "service.html", d.Lang, d)
}

func (p *Portal) service(f frame, e catalogue.Entry, at string) (d servicePage, err error) {
	text, in := e.Text(f.Lang)
	say := p.words(f.Lang)
	d = servicePage{
		frame: f, Heading: clean(text.Title), Body: cleanLines(text.Body), TextLang: in, Page: e.Page, Ref: wire.FactPath(e.SHA256), Index: int64(e.Index),
		AtAsked: clean(at), JSON: wire.ServiceListPath + "/" + e.Name, Command: "primum connect " + p.cfg.Authority + "/" + e.Name,
	}
	d.Title = d.Heading
	if len(e.Asks) == 0 {
		return d, nil
	}
	d.Provider = e.Provider.Display()
	for _, a := range e.Asks {
		d.Asks = append(d.Asks, askRowOf(a, f.Lang, say))
	}
	if d.At, d.AtWrong = portalOf(at); d.At == p.cfg.Authority {
		d.At = "" // the way is the one without it
	}
	d.Connect = "/my" + connectRoute(p.cfg.Authority, e.Name)
	d.Address = p.base + wire.ServicePages + "/" + e.Name
	if d.At != "" {
		d.Connect = identity.BaseURL(d.At) + d.Connect
		d.Address = d.Connect
	}
	d.Code, err = open.DrawQR(d.Address)
	return d, err
}

// connectRoute is where a portal shows the request of a service.
func connectRoute(authority, name string) string {
	return "#/connect/" + url.PathEscape(authority) + "/" + url.PathEscape(name)
}

// portalOf is the domain of whoever's portal was typed: an address, or a domain.
func portalOf(s string) (authority string, wrong bool) {
	if s == "" {
		return "", false
	}
	if a, err := identity.ParseAddress(s); err == nil {
		return a.Authority, false
	}
	authority, err := identity.ParseAuthority(s)
	return authority, err != nil
}

func askRowOf(a grant.ServiceAsk, lang string, say func(string, ...any) string) askRow {
	notice := a.Notice(lang)
	row := askRow{
		Purpose: clean(cmp.Or(a.Purpose.Label, strings.TrimPrefix(a.Purpose.Class, "dpv:"))), For: span(a.For.D(), say),
		Notice: cleanLines(notice.Text), NoticeLang: notice.Language,
	}
	if a.Retention > 0 {
		row.Kept = span(a.Retention.D(), say)
	}
	if a.DeletesWithin > 0 {
		row.Deleted = span(a.DeletesWithin.D(), say)
	}
	if c := a.Conditionality; c != nil {
		row.Price, row.Benefit, row.Needed = clean(c.Price), clean(c.Benefit), !c.CoreFunctionWithoutGrant
	}
	for _, w := range a.Wants {
		row.Wants = append(row.Wants, wantRowOf(w, say))
	}
	return row
}

func wantRowOf(w grant.Want, say func(string, ...any) string) wantRow {
	row := wantRow{What: clean(strings.TrimSpace(w.Quantity + " " + bracketed(w.Unit)))}
	for _, op := range w.Actions {
		if op == thing.WriteProperty || op == grant.OpInvoke {
			row.Ways = say("services.switches")
		}
	}
	p := w.Precision
	switch {
	case p.Change:
		row.Every = say("portal.every.change")
	case p.Every > 0:
		row.Every = every(shortEvery(p.Every.D()), say)
		row.Fine = say("services.stat." + string(p.Stat))
	}
	if p.Round > 0 {
		step := strings.TrimSpace(strconv.FormatFloat(p.Round, 'f', -1, 64) + " " + clean(w.Unit))
		// The isolates keep number and unit in their order from right to left.
		row.Fine = strings.TrimPrefix(row.Fine+", "+say("services.round", "Step", "\u2066"+step+"\u2069"), ", ")
	}
	return row
}

func bracketed(unit string) string {
	if unit == "" {
		return ""
	}
	return "(" + unit + ")"
}

// shortEvery is a rhythm in the form that every reads: "15m".
func shortEvery(d time.Duration) string {
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}} {
		if d >= unit.of && d%unit.of == 0 {
			return fmt.Sprint(int64(d/unit.of)) + unit.name
		}
	}
	return fmt.Sprint(int64(d/time.Second)) + "s"
}
