package operator

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"primum/internal/store"
	"primum/internal/words"
)

const perPage = 50

// page is what every page has; Body is what it is about.
type page struct {
	words               *words.Words
	Lang, Dir           string
	Title, Authority    string
	Style, Icon, Script string
	Who                 *store.Operator // nil: nobody is logged in
	Admin, Publisher    bool
	Form                string // what every form carries
	Here                string // the path without /operator
	Done                string // id of a sentence about what was just done
	Body                any
	Languages           []choice
	Now                 time.Time
}

// choice is a link to the same page in another language.
type choice struct{ Lang, Name string }

// T is a sentence of the page's language.
func (p page) T(id string, pairs ...any) string { return p.words.Get(id, pairs...) }

// TabName is what the page at a path is called.
func (p page) TabName(here string) string { return p.words.Get(tabID(here)) }

// TabMark names a tab for tests.
func (p page) TabMark(here string) string { return cmp.Or(strings.TrimPrefix(here, "/"), "overview") }

func tabID(here string) string {
	return "operator.tab." + cmp.Or(strings.TrimPrefix(here, "/"), "overview")
}

// Tabs are the pages one can go to.
func (p page) Tabs() []string {
	return []string{"", "/accounts", "/invitations", "/notices", "/operators", "/log"}
}

func parsePages() (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"when":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
		"bytes": inBytes,
		"rate":  func(f float64) string { return strconv.FormatFloat(f, 'g', 3, 64) },
	}).ParseFS(templateFiles, "templates/*.html")
}

// inBytes writes an amount as people read it, in powers of 1,000 (IEC 80000-13).
func inBytes(n int64) string {
	unit, value := "B", float64(n)
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if value < 1000 {
			break
		}
		unit, value = next, value/1000
	}
	digits := 0
	if value < 10 && unit != "B" {
		digits = 1
	}
	return strconv.FormatFloat(value, 'f', digits, 64) + " " + unit
}

// frame is a page for whoever asks.
func (o *Operator) frame(w http.ResponseWriter, r *http.Request, title string) page {
	lang := o.cfg.Pages.Language(w, r)
	speak := o.speaks.In(lang)
	lang = speak.Language()
	p := page{
		words: speak, Lang: lang, Dir: speak.Direction(), Title: speak.Get(title), Authority: o.cfg.Authority,
		Style: o.cfg.Pages.Asset("style.css"), Icon: o.cfg.Pages.Asset("icon.svg"), Now: o.cfg.Clock.Now(),
	}
	if p.Style == "" {
		p.Style = o.cfg.Pages.Asset("page.css")
	}
	for _, l := range words.Available() {
		if l != lang {
			p.Languages = append(p.Languages, choice{l, o.speaks.In(l).Get("operator.language")})
		}
	}
	return p
}

// inside is a page for an operator who is logged in.
func (o *Operator) inside(w http.ResponseWriter, r *http.Request, v visit, here string) page {
	p := o.frame(w, r, tabID(here))
	p.Who, p.Form, p.Here = &v.who, v.csrf(), here
	p.Admin, p.Publisher = v.may(Admin), v.may(Publisher)
	if done := "operator.done." + r.URL.Query().Get("done"); p.words.Has(done) {
		p.Done = done
	}
	return p
}

// show writes a page, whole or not at all.
func (o *Operator) show(w http.ResponseWriter, status int, name string, p page) {
	var b bytes.Buffer
	if err := o.pages.ExecuteTemplate(&b, name, p); err != nil {
		o.cfg.Log.Error("operator: page failed", "page", name, "error", err)
		http.Error(w, "This page failed. The node's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", p.Lang)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// fail shows a sentence about what can't be.
func (o *Operator) fail(w http.ResponseWriter, r *http.Request, status int, id string) {
	p := o.frame(w, r, "operator.failed.title")
	p.Body = id
	o.show(w, status, "failed.html", p)
}

func (o *Operator) broken(w http.ResponseWriter, r *http.Request, err error) {
	o.cfg.Log.Error("operator: request failed", "error", err)
	o.fail(w, r, http.StatusServiceUnavailable, "operator.failed.store")
}

func (o *Operator) missing(w http.ResponseWriter, r *http.Request) {
	o.fail(w, r, http.StatusNotFound, "operator.failed.missing")
}

func (o *Operator) getLogin(w http.ResponseWriter, r *http.Request) {
	o.withScript(w, r, "operator.login.title", "login.html")
}

func (o *Operator) getNew(w http.ResponseWriter, r *http.Request) {
	o.withScript(w, r, "operator.new.title", "new.html")
}

// withScript shows a page that uses a passkey, which needs the script.
func (o *Operator) withScript(w http.ResponseWriter, r *http.Request, title, name string) {
	w.Header().Set("Content-Security-Policy", policy("'self'"))
	p := o.frame(w, r, title)
	p.Script = o.cfg.Pages.Asset("operator.js")
	o.show(w, http.StatusOK, name, p)
}

func (o *Operator) getOverview(w http.ResponseWriter, r *http.Request, v visit) {
	p := o.inside(w, r, v, "")
	p.Body = o.facts(r.Context(), v.now)
	o.show(w, http.StatusOK, "overview.html", p)
}

// list is a page of rows, and where the next one begins.
type list[T any] struct {
	Rows []T
	Next string // empty: there is none
}

// cut makes a list of up to perPage of rows that were read with one more.
func cut[T any](rows []T, key func(T) string) list[T] {
	if len(rows) <= perPage {
		return list[T]{Rows: rows}
	}
	return list[T]{rows[:perPage], key(rows[perPage-1])}
}

func (o *Operator) getAccounts(w http.ResponseWriter, r *http.Request, v visit) {
	rows, err := o.cfg.Store.Overview.Accounts(r.Context(), r.URL.Query().Get("after"), perPage+1)
	if err != nil {
		o.broken(w, r, err)
		return
	}
	p := o.inside(w, r, v, "/accounts")
	p.Body = cut(rows, func(a store.AccountState) string { return a.Address })
	o.show(w, http.StatusOK, "accounts.html", p)
}

// invitations is the page of that name; Code is shown once, when it was made.
type invitations struct {
	Rows   []invitation
	Code   string
	Until  time.Time
	Invite bool
}

type invitation struct {
	store.InviteState
	Name, Hash string
	Over       bool
}

func (o *Operator) getInvitations(w http.ResponseWriter, r *http.Request, v visit) {
	o.showInvitations(w, r, v, "", time.Time{})
}

func (o *Operator) showInvitations(w http.ResponseWriter, r *http.Request, v visit, code string, until time.Time) {
	rows, err := o.cfg.Store.Overview.Invites(r.Context(), v.now, 4*perPage)
	if err != nil {
		o.broken(w, r, err)
		return
	}
	p := o.inside(w, r, v, "/invitations")
	body := invitations{Code: code, Until: until, Invite: o.cfg.Invite}
	for _, i := range rows {
		body.Rows = append(body.Rows, invitation{i, inviteName(i.Hash), base64.RawURLEncoding.EncodeToString(i.Hash), !i.Until.After(v.now)})
	}
	p.Body = body
	o.show(w, http.StatusOK, "invitations.html", p)
}

// notice is what a public page says of itself; whose it is stays out.
type notice struct {
	ID      string
	Title   string
	Changed time.Time
}

func (o *Operator) getNotices(w http.ResponseWriter, r *http.Request, v visit) {
	kept, err := o.cfg.Store.Overview.Notices(r.Context(), r.URL.Query().Get("after"), perPage+1)
	if err != nil {
		o.broken(w, r, err)
		return
	}
	rows := make([]notice, len(kept))
	for i, n := range kept {
		var says struct {
			Title string `json:"title"`
		}
		_ = json.Unmarshal(n.Document, &says) // without a title it has its id
		rows[i] = notice{n.ID, says.Title, n.Changed}
	}
	p := o.inside(w, r, v, "/notices")
	p.Body = cut(rows, func(n notice) string { return n.ID })
	o.show(w, http.StatusOK, "notices.html", p)
}

func (o *Operator) getOperators(w http.ResponseWriter, r *http.Request, v visit) {
	rows, err := o.cfg.Store.Operators.List(r.Context())
	if err != nil {
		o.broken(w, r, err)
		return
	}
	p := o.inside(w, r, v, "/operators")
	p.Body = rows
	o.show(w, http.StatusOK, "operators.html", p)
}

// entry is a line of the log with its sentence.
type entry struct {
	store.Act
	Says string
}

func (o *Operator) getLog(w http.ResponseWriter, r *http.Request, v visit) {
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64) // anything else: from the newest
	acts, err := o.cfg.Store.Operators.Acts(r.Context(), max(before, 0), perPage+1)
	if err != nil {
		o.broken(w, r, err)
		return
	}
	p := o.inside(w, r, v, "/log")
	rows := make([]entry, len(acts))
	for i, a := range acts {
		rows[i] = entry{a, p.words.Get("operator.act." + a.Act)}
		if rows[i].Who == Console {
			rows[i].Who = p.words.Get("operator.console")
		}
	}
	p.Body = cut(rows, func(e entry) string { return strconv.FormatInt(e.N, 10) })
	o.show(w, http.StatusOK, "log.html", p)
}
