package oath

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"primum/identity"
	"primum/internal/wire"
	"primum/ledger"
)

// fetcher reads a ledger, and the witnesses it names, within the budgets.
func (r *Run) fetcher() ledger.Fetcher {
	return ledger.FetchFunc(func(ctx context.Context, url string) ([]byte, error) {
		a, err := r.Fetch(ctx, Ask{URL: url, Max: ledger.MaxFetch, Stay: true})
		switch {
		case err != nil:
			return nil, err
		case a.Status == http.StatusNotFound || a.Status == http.StatusGone:
			return nil, fmt.Errorf("%s: %w", plain(url, maxFact), ledger.ErrNotFound)
		case a.Status != http.StatusOK:
			return nil, fmt.Errorf("%s answers %d", plain(url, maxFact), a.Status)
		case a.Cut:
			return nil, fmt.Errorf("%s: %w: longer than %d bytes", plain(url, maxFact), ErrBody, ledger.MaxFetch)
		}
		return a.Body, nil
	})
}

// ledgerReport verifies the target's logs from what is kept, and keeps what was
// good.
func (r *Run) ledgerReport(ctx context.Context) (ledger.Report, error) {
	if r.Target.Node == nil || r.Target.Node.Ledger == nil {
		return ledger.Report{}, Unshown("the node names no public ledger")
	}
	if err := r.ownLogs(*r.Target.Node.Ledger); err != nil {
		return ledger.Report{}, err
	}
	rep, err := ledger.Verify(ctx, r.fetcher(), *r.Target.Node.Ledger, r.kept, ledger.Options{Now: r.Clock.Now(), Base: identity.BaseURL})
	if len(rep.Findings) == 0 && err == nil {
		r.kept = rep.Kept
	}
	return rep, err
}

// ownLogs refuses logs that are another domain's.
func (r *Run) ownLogs(n ledger.NodeLedger) error {
	for _, l := range []ledger.Log{n.Public, n.Commitments} {
		if ledger.Authority(l.Origin) != r.Target.Domain || !strings.HasPrefix(l.URL, r.Target.Base+"/") {
			return Unshown(fmt.Sprintf("the node names a ledger of another domain, %q", plain(l.Origin, 80)))
		}
	}
	return nil
}

// verifyLedger: reached, consistent, failure, entries.
func verifyLedger(ctx context.Context, r *Run, _ Args) (Observation, error) {
	rep, err := r.ledgerReport(ctx)
	if stopped := stop(ctx, err); stopped != nil {
		return Observation{}, stopped
	}
	var unshown *NotShownError
	if errors.As(err, &unshown) {
		return Observation{}, err
	}
	facts := map[string]Value{
		"reached": Yes(err == nil || len(rep.Findings) > 0), "consistent": Yes(len(rep.Findings) == 0), "entries": Number(rep.Public.Checkpoint.Size),
	}
	if err != nil {
		facts["failure"] = Text(plain(err.Error(), maxReason))
	}
	return Observation{Facts: facts, Evidence: append(r.findings(rep), r.checkpointEvidence(rep)...)}, nil
}

// findings are what is wrong with a log, with the signed notes that show it.
func (r *Run) findings(rep ledger.Report) (all []Evidence) {
	for _, f := range rep.Findings {
		all = append(all, Evidence{
			What: f.Error(), At: r.Clock.Now(), Answer: strings.Join(f.Evidence, "\n---\n"),
			Replay: "primum ledger verify " + r.Target.Domain,
		})
	}
	return all
}

func (r *Run) checkpointEvidence(rep ledger.Report) []Evidence {
	text := rep.Public.Checkpoint.Text
	if text == "" {
		return nil
	}
	return []Evidence{{
		What: "the checkpoint of the public log", At: r.Clock.Now(), Answer: text, SHA256: digest([]byte(text)),
		Replay: "curl -s " + shellQuote(r.Target.Node.Ledger.Public.URL+ledger.CheckpointPath),
	}}
}

// shownOnce are documents of which there is one; each must be the newest of its
// type in the public log.
func shownOnce() map[string]ledger.Type {
	return map[string]ledger.Type{
		wire.OathPath: ledger.TypeOath, wire.MeterCataloguePath: ledger.TypeMeterCatalogue, wire.NamingPolicyPath: ledger.TypeNamingPolicy,
		wire.ReleasePath: ledger.TypeRelease, wire.KeysPath: ledger.TypeKey,
	}
}

// compareDocuments: served, different, first-different, unlogged,
// first-unlogged. What differs is asked for twice, because a document may have
// changed in between.
func compareDocuments(ctx context.Context, r *Run, _ Args) (Observation, error) {
	var c documents
	for range 2 {
		rep, err := r.ledgerReport(ctx)
		if err != nil {
			return Observation{}, Unshown("the ledger could not be read: " + plain(err.Error(), maxReason))
		}
		c = documents{}
		if err := r.compare(ctx, rep.Kept, &c); err != nil {
			return Observation{}, err
		}
		if c.different+c.unlogged == 0 {
			break
		}
	}
	return Observation{
		Facts: map[string]Value{
			"served": Number(c.served), "different": Number(c.different), "first-different": Text(c.firstDifferent),
			"unlogged": Number(c.unlogged), "first-unlogged": Text(c.firstUnlogged),
		},
		Evidence: c.evidence,
	}, nil
}

type documents struct {
	served, different, unlogged   int
	firstDifferent, firstUnlogged string
	evidence                      []Evidence
}

func (r *Run) compare(ctx context.Context, kept ledger.Kept, c *documents) error {
	for path, of := range shownOnce() {
		a, err := r.Fetch(ctx, Ask{URL: r.Target.Base + path, Stay: true, Header: map[string]string{"Accept": "application/json, */*;q=0.5"}})
		if stopped := stop(ctx, err); stopped != nil {
			return stopped
		}
		if err != nil || a.Status != http.StatusOK || a.Cut {
			continue
		}
		c.served++
		c.evidence = append(c.evidence, a.Evidence("the document at "+path))
		switch logged, ok := newestOf(kept, of); {
		case !ok:
			c.unlogged++
			c.firstUnlogged = cmp.Or(c.firstUnlogged, path)
		case logged.SHA256 != digest(a.Body):
			c.different++
			c.firstDifferent = cmp.Or(c.firstDifferent, path)
		}
	}
	return nil
}

// newestOf is the newest entry of a type, whatever document it is about.
func newestOf(kept ledger.Kept, of ledger.Type) (newest ledger.Entry, ok bool) {
	for _, e := range kept.Facts {
		if e.T == of && (!ok || !e.At.Before(newest.At)) {
			newest, ok = e, true
		}
	}
	return newest, ok
}

// readOath: found, signature, review-past, until.
func readOath(_ context.Context, r *Run, _ Args) (Observation, error) {
	facts := map[string]Value{"found": Yes(r.Target.OathServed), "signature": Yes(r.Target.Oath != nil)}
	if !r.Target.OathServed {
		return Observation{Facts: facts}, nil
	}
	if d := r.Target.Oath; d != nil {
		facts["until"], facts["review-past"] = Text(d.Until.UTC().Format(time.DateOnly)), Yes(d.Until.Before(r.Clock.Now()))
	}
	return Observation{Facts: facts, Evidence: []Evidence{r.oathEvidence("the oath as it is served")}}, nil
}

func (r *Run) oathEvidence(what string) Evidence {
	return Evidence{
		What: what, At: r.Clock.Now(), SHA256: r.Target.OathSHA256, Answer: r.Target.NoOath,
		Replay: "curl -s " + shellQuote(r.Target.Base+Path),
	}
}

// lookAtWitnesses: witnesses, newest (how long ago).
func lookAtWitnesses(ctx context.Context, r *Run, _ Args) (Observation, error) {
	rep, err := r.ledgerReport(ctx)
	if err != nil {
		return Observation{}, Unshown("the ledger could not be read: " + plain(err.Error(), maxReason))
	}
	good, newest := 0, time.Time{}
	for _, w := range rep.Public.Witnesses {
		if !w.Good || ledger.Authority(w.Name) == r.Target.Domain {
			continue
		}
		good++
		if w.At.After(newest) {
			newest = w.At
		}
	}
	facts := map[string]Value{"witnesses": Number(good)}
	if good > 0 {
		facts["newest"] = Duration(max(0, r.Clock.Now().Sub(newest)).Truncate(time.Second))
	}
	return Observation{Facts: facts, Evidence: r.checkpointEvidence(rep)}, nil
}
