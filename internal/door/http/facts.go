package httpdoor

import (
	"context"
	"net/http"
	"regexp"
	"strconv"

	"primum/internal/store"
	"primum/internal/wire"
	"primum/ledger"
)

const (
	factsPage  = 200
	forEver    = "public, max-age=31536000, immutable"
	askAgain   = "no-cache"
	namingName = "naming" // the name of the naming policy
)

// factRoutes are the public facts, which anybody reads from anywhere.
func (d *Door) factRoutes() []route {
	all := []route{
		{path: wire.FactPath("{sha256}"), id: "fact", summary: "A public document by its hash, for good", outType: "application/octet-stream", handle: d.getFact},
		{path: wire.MeasurementsPath, id: "measurements", summary: "What the newest published results of checks say", out: wire.Measurements{}, handle: d.getMeasurements},
		{path: wire.SecurityPath, id: "security-txt", summary: "Whom to tell about a weakness (RFC 9116)", outType: "text/plain", handle: d.getSecurity},
		{path: wire.OldSecurityPath, id: "security-txt-old", summary: "Leads to " + wire.SecurityPath, status: http.StatusFound, outType: "text/plain", handle: d.getOldSecurity},
	}
	for _, one := range []struct {
		path, id, summary, name string
		of                      ledger.Type
	}{
		{wire.OathPath, "oath", "What the operator swears (DSSE)", "", ledger.TypeOath},
		{wire.MeterCataloguePath, "meter-catalogue", "All that is counted of organisations", "", ledger.TypeMeterCatalogue},
		{wire.NamingPolicyPath, "naming-policy", "Who gets which name", namingName, ledger.TypeNamingPolicy},
		{wire.ReleasePath, "release", "The software that the node says it runs", "", ledger.TypeRelease},
		{wire.KeysPath, "keys", "The node's keys", "", ledger.TypeKey},
	} {
		all = append(all, route{path: one.path, id: one.id, summary: one.summary, outType: "application/octet-stream", handle: d.newestFact(one.of, one.name)})
	}
	for _, list := range []struct {
		path, id, summary string
		of                ledger.Type
	}{
		{wire.FactsPath, "facts", "All public documents, newest first", ""},
		{wire.PoliciesPath, "policies", "Rules of the operator", ledger.TypePolicy},
		{wire.ServicesPath, "services", "Services of the operator", ledger.TypeService},
		{wire.IncidentsPath, "incidents", "What went wrong", ledger.TypeIncident},
		{wire.LegalDemandsPath, "legal-demands", "Demands of authorities, in numbers", ledger.TypeLegalDemand},
	} {
		all = append(all, route{path: list.path, id: list.id, summary: list.summary, query: []string{"before"}, out: wire.FactList{}, handle: d.listFacts(list.of)})
	}
	for i := range all {
		all[i].method = http.MethodGet
	}
	return all
}

// public lets pages of other origins read an answer: checkers run there, too.
func public(c *call) {
	h := c.w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Add("Vary", "Accept") // a browser gets a page at some of these places
}

var factHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (d *Door) getFact(ctx context.Context, c *call) (any, error) {
	public(c)
	hash := c.r.PathValue("sha256")
	if !factHash.MatchString(hash) {
		return nil, problem(wire.ProbNotFound, "documents are named by their SHA-256 in lower-case hexadecimal")
	}
	f, err := d.cfg.Store.Facts.Get(ctx, hash)
	return raw{kind: f.Kind, bytes: f.Body, cache: forEver}, err
}

func (d *Door) newestFact(of ledger.Type, name string) func(context.Context, *call) (any, error) {
	return func(ctx context.Context, c *call) (any, error) {
		public(c)
		f, err := d.cfg.Store.Facts.Newest(ctx, string(of), name)
		return raw{kind: f.Kind, bytes: f.Body, cache: askAgain}, err
	}
}

func (d *Door) listFacts(of ledger.Type) func(context.Context, *call) (any, error) {
	return func(ctx context.Context, c *call) (any, error) {
		public(c)
		before, err := strconv.ParseInt("0"+c.r.URL.Query().Get("before"), 10, 64)
		if err != nil {
			return nil, problem(wire.ProbMalformed, "before must be a number n of a fact")
		}
		facts, err := d.cfg.Store.Facts.List(ctx, string(of), before, factsPage+1)
		if err != nil {
			return nil, err
		}
		out := wire.FactList{Authority: d.cfg.Authority, Facts: []wire.Fact{}, More: len(facts) > factsPage}
		for _, f := range facts[:min(len(facts), factsPage)] {
			out.Facts = append(out.Facts, shownFact(f))
		}
		return out, nil
	}
}

func shownFact(f store.Fact) wire.Fact {
	return wire.Fact{
		N: f.N, Type: f.Type, Name: f.Name, At: f.At, SHA256: f.SHA256, Ref: wire.FactPath(f.SHA256), Index: f.Index,
		Kind: f.Kind, Now: f.Newest, Counts: f.Counts, About: f.About,
	}
}

func (d *Door) getMeasurements(ctx context.Context, c *call) (any, error) {
	public(c)
	if d.cfg.Measurements == nil {
		return wire.Measurements{Authority: d.cfg.Authority, Clauses: []wire.ClauseSeen{}}, nil
	}
	return d.cfg.Measurements(ctx)
}

func (d *Door) getSecurity(_ context.Context, c *call) (any, error) {
	public(c)
	if d.cfg.Security == nil {
		return nil, problem(wire.ProbNotFound, "the operator gave no address for this")
	}
	return raw{kind: "text/plain; charset=utf-8", bytes: []byte(d.cfg.Security(c.now)), cache: askAgain}, nil
}

func (d *Door) getOldSecurity(_ context.Context, c *call) (any, error) {
	c.w.Header().Set("Location", d.cfg.Base+wire.SecurityPath)
	return raw{kind: "text/plain; charset=utf-8", cache: askAgain}, nil
}
