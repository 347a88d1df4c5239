package portal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"primum/internal/answer"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/ledger"
)

// FactSource are the public documents of a node that stand in its log.
type FactSource interface {
	List(ctx context.Context, kind string, before int64, limit int) ([]store.Fact, error)
	Newest(ctx context.Context, kind, name string) (store.Fact, error)
	Get(ctx context.Context, sha256 string) (store.Fact, error)
}

// LogState is what is said of the public log.
type LogState struct {
	Size       uint64
	Witnesses  []string // who cosigned, by name
	Checkpoint string   // URL
}

// Oath is what an operator swears, and what not.
type Oath struct {
	At, Until         time.Time
	Supported         *time.Time
	Clauses, NotSworn []Sworn
}

// Sworn is one clause: its words and remedy, or the reason why it is not sworn.
type Sworn struct {
	ID, Title, Text, Remedy, Reason string
	Parameters                      map[string]string
}

// factsPage is page E: what an operator swears and publishes. It needs no
// script, and every figure on it leads to its evidence.
type factsPage struct {
	frame
	Version  string
	Oath     *Oath
	OathFact *store.Fact
	Clauses  []clauseRow
	NotSworn []Sworn
	Measured bool
	Log      LogState
	Policies, Incidents, Demands,
	Services, Changes []factRow
	Release                   *wire.Release
	Key, ReleaseFact          *store.Fact
	Meters                    []wire.Meter
	Catalogue, Naming         *store.Fact
	NamingRow                 factRow
	Security                  string
	Received, Answer, Refused int64
	Operator, OperatorText    string
	ManifestPath, FactsPath   string
}

// factRow is one document in a list.
type factRow struct {
	Title, Body, When, WhenISO string
	Until                      string // an incident's end, a policy's next review
	Received, Answered         int64
	Refused                    int64
	Type, Ref                  string
	Index                      int64
	Open                       bool // an incident that goes on
	Settings                   []setting
}

const (
	listMost    = 50
	changesMost = 12
	factMost    = 64 // documents that one page reads
)

// ManifestHash is the SHA-256 in hexadecimal of the list of assets as it is
// served at ManifestPath.
func (p *Portal) ManifestHash() string { return hexHash(p.assets.json) }

// forBrowsers answers a browser with a page about facts, and hands programs on to
// the door, which gives the bytes.
func (p *Portal) forBrowsers(show http.HandlerFunc) http.HandlerFunc {
	page := p.page(show)
	return func(w http.ResponseWriter, r *http.Request) {
		if p.cfg.Facts == nil || !answer.WantsPage(r) {
			p.cfg.Next.ServeHTTP(w, r)
			return
		}
		page(w, r)
	}
}

// showFacts is page E.
func (p *Portal) showFacts(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", scriptless())
	answer.Vary(w.Header(), "Accept")
	d := factsPage{
		frame: p.frame(w, r), Version: p.cfg.Version, Security: wire.SecurityPath, ManifestPath: ManifestPath, FactsPath: wire.FactsPath,
		Operator: contact(p.cfg.Contact),
	}
	if d.Operator == "" {
		d.Operator = p.postmaster()
	}
	d.OperatorText = shown(d.Operator)
	d.Title = p.words(d.Lang)("facts.title", "Authority", p.cfg.Authority)
	if p.cfg.LogState != nil {
		d.Log = p.cfg.LogState()
		d.Log.Witnesses = cleanAll(d.Log.Witnesses)
	}
	if err := p.fillFacts(r.Context(), &d); err != nil {
		p.cfg.Log.Error("facts not read", "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	p.show(w, http.StatusOK, "facts.html", d.Lang, d)
}

// fillFacts reads what the page shows.
func (p *Portal) fillFacts(ctx context.Context, d *factsPage) error {
	f := &factReader{ctx: ctx, from: p.cfg.Facts, lang: d.Lang, say: p.words(d.Lang)}
	seen := p.measured(ctx, f)
	d.Measured = len(seen) > 0
	d.OathFact = f.newest(ledger.TypeOath, "")
	if d.OathFact != nil && p.cfg.Sworn != nil {
		if o, err := p.cfg.Sworn(d.OathFact.Body); err == nil {
			d.Oath, d.NotSworn = &o, o.NotSworn
		}
	}
	d.Clauses = p.clauses(d, seen)
	if d.ReleaseFact = f.newest(ledger.TypeRelease, ""); d.ReleaseFact != nil {
		d.Release = new(wire.Release)
		f.read(d.ReleaseFact, d.Release)
		for _, s := range []*string{&d.Release.Version, &d.Release.Platform, &d.Release.Binary, &d.Release.Assets} {
			*s = clean(*s)
		}
	}
	d.Key = f.newest(ledger.TypeKey, "")
	if d.Catalogue = f.newest(ledger.TypeMeterCatalogue, ""); d.Catalogue != nil {
		var c wire.MeterCatalogue
		f.read(d.Catalogue, &c)
		d.Meters = c.Meters
	}
	if d.Naming = f.newest(ledger.TypeNamingPolicy, "naming"); d.Naming != nil {
		d.NamingRow = f.row(*d.Naming, *d.Naming)
	}
	d.Policies, d.Services = f.rows(ledger.TypePolicy), f.rows(ledger.TypeService)
	d.Incidents, d.Demands = f.rows(ledger.TypeIncident), f.rows(ledger.TypeLegalDemand)
	for _, row := range d.Demands {
		d.Received, d.Answer, d.Refused = d.Received+row.Received, d.Answer+row.Answered, d.Refused+row.Refused
	}
	d.Changes = f.changes()
	return f.err
}

// measured are the published results by clause; none where they can't be read.
func (p *Portal) measured(ctx context.Context, f *factReader) map[string][]wire.Measurement {
	out := map[string][]wire.Measurement{}
	if p.cfg.Measurements == nil {
		return out
	}
	m, err := p.cfg.Measurements(ctx)
	f.err = errors.Join(f.err, err)
	for _, c := range m.Clauses {
		out[c.Clause] = c.Measurements
	}
	return out
}

// factReader reads documents for one page, in one language. The first error
// stays; a document that can't be read says nothing.
type factReader struct {
	ctx  context.Context
	from FactSource
	lang string
	say  func(id string, pairs ...any) string
	used int
	err  error
}

func (f *factReader) newest(of ledger.Type, name string) *store.Fact {
	doc, err := f.from.Newest(f.ctx, string(of), name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		f.err = errors.Join(f.err, err)
		return nil
	}
	return &doc
}

func (f *factReader) read(doc *store.Fact, into any) { _ = json.Unmarshal(doc.Body, into) }

// rows are the documents of a type that no newer one replaced.
func (f *factReader) rows(of ledger.Type) (out []factRow) {
	all, err := f.from.List(f.ctx, string(of), 0, listMost)
	f.err = errors.Join(f.err, err)
	for _, listed := range all {
		if !listed.Newest || f.used >= factMost {
			continue
		}
		f.used++
		full, err := f.from.Get(f.ctx, listed.SHA256)
		if err != nil {
			f.err = errors.Join(f.err, err)
			continue
		}
		out = append(out, f.row(full, listed))
	}
	return out
}

// row says what a document says; its place in the log is that of the listed
// fact, because the same words may stand there twice.
func (f *factReader) row(full, listed store.Fact) factRow {
	row := plainRow(listed)
	var doc struct {
		Name     string               `json:"name"`
		ID       string               `json:"id"`
		Texts    map[string]wire.Text `json:"texts"`
		Review   string               `json:"review"`
		Settings map[string]string    `json:"settings"`
		Began    time.Time            `json:"began"`
		Ended    *time.Time           `json:"ended"`
		From, To string
		Received int64 `json:"received"`
		Answered int64 `json:"answered"`
		Refused  int64 `json:"refused"`
	}
	f.read(&full, &doc)
	t := textIn(doc.Texts, f.lang)
	row.Title, row.Body = cmp.Or(t.Title, clean(doc.Name), clean(doc.ID)), t.Body
	row.Received, row.Answered, row.Refused = doc.Received, doc.Answered, doc.Refused
	row.Until, row.Settings = clean(doc.Review), settings(doc.Settings, f.say)
	switch ledger.Type(full.Type) {
	case ledger.TypeIncident:
		row.When, row.WhenISO, row.Open = day(doc.Began), doc.Began.UTC().Format(time.RFC3339), doc.Ended == nil
		if doc.Ended != nil && day(*doc.Ended) != row.When {
			row.Until = day(*doc.Ended)
		}
	case ledger.TypeLegalDemand:
		row.Title = clean(doc.From) + " – " + clean(doc.To)
	}
	return row
}

// changes are the newest documents of all kinds but results and logs' own.
func (f *factReader) changes() (out []factRow) {
	all, err := f.from.List(f.ctx, "", 0, listMost)
	f.err = errors.Join(f.err, err)
	for _, listed := range all {
		if listed.Type != string(ledger.TypeCheck) && len(out) < changesMost {
			out = append(out, plainRow(listed))
		}
	}
	return out
}

func plainRow(f store.Fact) factRow {
	return factRow{
		Type: f.Type, Title: clean(f.Name), When: day(f.At), WhenISO: f.At.UTC().Format(time.RFC3339), Ref: wire.FactPath(f.SHA256), Index: int64(f.Index),
	}
}

// day is a day as everybody reads it, kept in one line, and in its order in a
// text from right to left.
func day(t time.Time) string { return t.UTC().Format("\u20662006-\u206001-\u206002\u2069") }

// textIn is a text in a language, or in English, or in any.
func textIn(texts map[string]wire.Text, lang string) wire.Text {
	t := oneOf(texts, lang)
	return wire.Text{Title: clean(t.Title), Body: cleanLines(t.Body)}
}

func oneOf(texts map[string]wire.Text, lang string) wire.Text {
	for _, l := range []string{lang, "en"} {
		if t, ok := texts[l]; ok {
			return t
		}
	}
	var tags []string
	for tag := range texts {
		tags = append(tags, tag)
	}
	if slices.Sort(tags); len(tags) > 0 {
		return texts[tags[0]]
	}
	return wire.Text{}
}
