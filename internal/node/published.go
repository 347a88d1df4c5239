package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"primum/identity"
	"primum/internal/meter"
	"primum/internal/notary"
	"primum/internal/portal"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/ledger"
	"primum/oath"
)

const (
	resultsMost  = 200 // results that are read for the page
	perClause    = 30
	securityLife = 180 * 24 * time.Hour
)

// ErrFact refuses a document that can't be published.
var ErrFact = errors.New("this can't be published")

// checkFact looks at a document before it is published for good.
func checkFact(f *store.Fact) error {
	kind, _, err := mime.ParseMediaType(f.Kind)
	switch {
	case len(f.Body) == 0 || len(f.Body) > wire.MaxFact:
		return fmt.Errorf("%w: it has %d bytes, from 1 to %d are taken", ErrFact, len(f.Body), wire.MaxFact)
	case err != nil || strings.Contains(kind, "html") || strings.Contains(kind, "svg") || strings.Contains(kind, "script"):
		return fmt.Errorf("%w: a document of the type %q could run where it is shown", ErrFact, f.Kind)
	case !utf8.Valid(f.Body):
		return fmt.Errorf("%w: it is no text in UTF-8", ErrFact)
	case len(f.Name) > 100:
		return fmt.Errorf("%w: its name has more than 100 bytes", ErrFact)
	}
	// Whether the log takes it is known only with an entry made.
	probe := ledger.Entry{T: ledger.Type(f.Type), At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), SHA256: strings.Repeat("0", 64), Ref: wire.FactsPath, Counts: f.Counts}
	if f.Type == string(ledger.TypeCheck) {
		domain, _, err := oath.Measured(f.Body)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFact, err)
		}
		f.About, probe.Domains = domain, []string{domain}
	}
	if f.Type == string(ledger.TypeOath) {
		if _, err := oath.ReadDocument(f.Body); err != nil {
			return fmt.Errorf("%w: %w", ErrFact, err)
		}
	}
	if _, err := probe.Marshal(); err != nil {
		return fmt.Errorf("%w: %w", ErrFact, err)
	}
	return nil
}

// measurements are what the results that the operator has published say about
// this node, newest first. They are read anew when there is a newer one.
func (f *facts) measurements(ctx context.Context) (wire.Measurements, error) {
	newest, err := f.store.List(ctx, string(ledger.TypeCheck), 0, resultsMost)
	if err != nil {
		return wire.Measurements{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last.Clauses != nil && (len(newest) == 0 || newest[0].N == f.of) {
		return f.last, nil
	}
	seen := map[string][]wire.Measurement{}
	for _, listed := range newest {
		if listed.About != f.cfg.Authority {
			continue
		}
		full, err := f.store.Get(ctx, listed.SHA256)
		if err != nil {
			return wire.Measurements{}, err
		}
		addMeasured(seen, full)
	}
	f.last = wire.Measurements{Authority: f.cfg.Authority, Clauses: byClause(seen)}
	if len(newest) > 0 {
		f.of = newest[0].N
	}
	return f.last, nil
}

// addMeasured adds what one result says. One that this program can't read any
// more says nothing.
func addMeasured(seen map[string][]wire.Measurement, doc store.Fact) {
	_, all, err := oath.Measured(doc.Body)
	if err != nil {
		return
	}
	unshown := map[string][]string{}
	if report, _, err := oath.OpenReport(doc.Body); err == nil {
		for _, r := range report.Results {
			unshown[r.Clause] = r.Unshown
		}
	}
	for _, m := range all {
		if len(seen[m.Clause]) >= perClause {
			continue
		}
		w := wire.Measurement{
			Clause: m.Clause, At: m.At, Checker: m.From, Verdict: verdictOf(m.Verdict), Reason: m.Reason, Unshown: unshown[m.Clause],
			SHA256: doc.SHA256, Ref: wire.FactPath(doc.SHA256), Index: doc.Index,
		}
		if s := m.Shown; s != nil {
			w.Value, w.Unit, w.Bound = &s.Value, s.Unit, s.Bound
		}
		seen[m.Clause] = append(seen[m.Clause], w)
	}
}

func verdictOf(v oath.Verdict) string {
	switch v {
	case oath.Broken:
		return wire.VerdictBroken
	case oath.NoBreach:
		return wire.VerdictNoBreach
	}
	return wire.VerdictNotShown
}

func byClause(seen map[string][]wire.Measurement) []wire.ClauseSeen {
	out := []wire.ClauseSeen{}
	for clause, all := range seen {
		slices.SortStableFunc(all, func(a, b wire.Measurement) int { return b.At.Compare(a.At) })
		out = append(out, wire.ClauseSeen{Clause: clause, Measurements: all})
	}
	slices.SortFunc(out, func(a, b wire.ClauseSeen) int { return strings.Compare(a.Clause, b.Clause) })
	return out
}

// security is the text of security.txt at a time (RFC 9116). Where the operator
// gave no contact, it is the mailbox that every domain has for this (RFC 2142).
func (n *Node) security(now time.Time) string {
	contact := n.cfg.Contact
	if contact == "" {
		u := url.URL{Scheme: "http", Host: n.cfg.Authority}
		contact = "mailto:security@" + u.Hostname()
	}
	return "Contact: " + contact + "\n" +
		"Expires: " + now.UTC().Truncate(24*time.Hour).Add(securityLife).Format(time.RFC3339) + "\n" +
		"Preferred-Languages: en, de, ar\n" +
		"Canonical: " + n.BaseURL() + wire.SecurityPath + "\n" +
		"Policy: " + n.BaseURL() + wire.NodePath + "\n"
}

// logState is what the operator's page says of the public log.
func (n *Node) logState() (s portal.LogState) {
	l := n.notary.NodeLedger().Public
	c, err := ledger.OpenCheckpoint([]byte(n.notary.Checkpoint(notary.Public)), l)
	if err != nil {
		return s // there is none before the first entry
	}
	return portal.LogState{Size: c.Size, Witnesses: c.Others, Checkpoint: l.URL + "/checkpoint"}
}

// sworn is the oath that the node publishes, as the page shows it.
func sworn(doc []byte) (portal.Oath, error) {
	d, err := oath.ReadDocument(doc)
	if err != nil {
		return portal.Oath{}, err
	}
	o := portal.Oath{At: d.At, Until: d.Until, Supported: d.Supported}
	for _, c := range d.Clauses {
		o.Clauses = append(o.Clauses, portal.Sworn{ID: c.ID, Title: c.Title, Text: c.Text, Remedy: c.Remedy, Parameters: c.Parameters})
	}
	for _, c := range d.NotSworn {
		o.NotSworn = append(o.NotSworn, portal.Sworn{ID: c.ID, Reason: c.Reason})
	}
	return o, nil
}

// incident and demand documents are made here, so that all have one form.

// IncidentFact is the document of an incident.
func IncidentFact(i wire.Incident) (store.Fact, error) {
	i.V = 1
	return factOf(ledger.TypeIncident, i.ID, i)
}

// PolicyFact is the document of a policy or, with another type, of a naming
// policy or service.
func PolicyFact(of ledger.Type, p wire.Policy) (store.Fact, error) {
	p.V = 1
	return factOf(of, p.Name, p)
}

// DemandFact is the document of the legal demands of a period.
func DemandFact(d wire.LegalDemand) (store.Fact, error) {
	d.V = 1
	if d.Received < 0 || d.Answered < 0 || d.Refused < 0 || d.Answered+d.Refused > d.Received {
		return store.Fact{}, fmt.Errorf("%w: more demands were answered and refused than received", ErrFact)
	}
	f, err := factOf(ledger.TypeLegalDemand, d.From, d)
	f.Counts = map[string]int{"received": d.Received, "answered": d.Answered, "refused": d.Refused}
	return f, err
}

func factOf(of ledger.Type, name string, doc any) (store.Fact, error) {
	b, err := json.MarshalIndent(doc, "", "  ")
	return store.Fact{Type: string(of), Name: name, Kind: typeDocument, Body: b}, err
}

// Facts lists the public documents of the node of dataDir, running or not:
// those in the log, newest first, and those that wait. Errors: fs.ErrNotExist.
func Facts(ctx context.Context, dataDir string) (logged, waiting []store.Fact, err error) {
	err = withStore(ctx, dataDir, func(st *store.Store) (err error) {
		if logged, err = st.Facts.List(ctx, "", 0, wire.MaxFacts); err != nil {
			return err
		}
		waiting, err = st.Facts.Pending(ctx, wire.MaxFacts)
		return err
	})
	return logged, waiting, err
}

// usagePage is how many sums are read at a time.
const usagePage = 1000

// Usage reads what organisations used at the node of dataDir, running or not,
// in the order of time, from one time to before another. A running node is at
// most ten seconds ahead. Errors: fs.ErrNotExist.
func Usage(ctx context.Context, dataDir string, from, to time.Time, each func(store.Usage) error) error {
	return withStore(ctx, dataDir, func(st *store.Store) error {
		for after := (store.Usage{}); ; {
			page, err := st.Usages.List(ctx, from, to, "", after, usagePage)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, u := range page {
				if err := each(u); err != nil {
					return err
				}
			}
			after = page[len(page)-1]
		}
	})
}

// WriteUsageEvents writes Usage as CloudEvents 1.0, one a line.
func WriteUsageEvents(ctx context.Context, dataDir string, from, to time.Time, w io.Writer) error {
	me, err := loadSelf(dataDir)
	if err != nil {
		return err
	}
	base := identity.BaseURL(me.Authority)
	return Usage(ctx, dataDir, from, to, func(u store.Usage) error { return meter.WriteEvents(w, base, []store.Usage{u}) })
}
