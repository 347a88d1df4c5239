package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"primum/identity"
	"primum/internal/wire"
	"primum/ledger"

	"primum/oath"
)

// fetcher reads a ledger, and the witnesses it names, within the budgets.
func fetcher(r *oath.Run) ledger.Fetcher {
	return ledger.FetchFunc(func(ctx context.Context, url string) ([]byte, error) {
		a, err := r.Fetch(ctx, oath.Ask{URL: url, Max: ledger.MaxFetch, Stay: true})
		switch {
		case err != nil:
			return nil, err
		case a.Status == http.StatusNotFound || a.Status == http.StatusGone:
			return nil, fmt.Errorf("%s: %w", oath.Plain(url, maxShown), ledger.ErrNotFound)
		case a.Status != http.StatusOK:
			return nil, fmt.Errorf("%s answers %d", oath.Plain(url, maxShown), a.Status)
		case a.Cut:
			return nil, fmt.Errorf("%s: %w: longer than %d bytes", oath.Plain(url, maxShown), oath.ErrBody, ledger.MaxFetch)
		}
		return a.Body, nil
	})
}

// ledgerReport verifies the target's logs from what is kept, and keeps what was
// good.
func ledgerReport(ctx context.Context, r *oath.Run) (ledger.Report, error) {
	rep, err := readLedger(ctx, r, r.Kept(), 0)
	if len(rep.Findings) == 0 && err == nil {
		r.Keep(rep.Kept)
	}
	return rep, err
}

// readLedger verifies the logs against what is kept and reads at most so many
// entries of the public one.
func readLedger(ctx context.Context, r *oath.Run, kept ledger.Kept, most int) (ledger.Report, error) {
	if r.Target.Node == nil || r.Target.Node.Ledger == nil {
		return ledger.Report{}, oath.Unshown("the node names no public ledger")
	}
	if err := ownLogs(r, *r.Target.Node.Ledger); err != nil {
		return ledger.Report{}, err
	}
	return ledger.Verify(ctx, fetcher(r), *r.Target.Node.Ledger, kept, ledger.Options{Now: r.Clock.Now(), Base: identity.BaseURL, MaxEntries: most})
}

// ownLogs refuses logs that are another domain's.
func ownLogs(r *oath.Run, n ledger.NodeLedger) error {
	for _, l := range []ledger.Log{n.Public, n.Commitments} {
		if ledger.Authority(l.Origin) != r.Target.Domain || !strings.HasPrefix(l.URL, r.Target.Base+"/") {
			return oath.Unshown(fmt.Sprintf("the node names a ledger of another domain, %q", oath.Plain(l.Origin, 80)))
		}
	}
	return nil
}

// verifyLedger: reached, consistent, failure, entries.
func verifyLedger(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	rep, err := ledgerReport(ctx, r)
	if stopped := stop(ctx, err); stopped != nil {
		return oath.Observation{}, stopped
	}
	var unshown *oath.NotShownError
	if errors.As(err, &unshown) {
		return oath.Observation{}, err
	}
	facts := map[string]oath.Value{
		"reached": oath.Yes(err == nil || len(rep.Findings) > 0), "consistent": oath.Yes(len(rep.Findings) == 0), "entries": oath.Number(rep.Public.Checkpoint.Size),
	}
	if err != nil {
		facts["failure"] = oath.Text(oath.Plain(err.Error(), maxSaid))
	}
	return oath.Observation{Facts: facts, Evidence: append(findings(r, rep), checkpointEvidence(r, rep)...)}, nil
}

// findings are what is wrong with a log, with the signed notes that show it.
func findings(r *oath.Run, rep ledger.Report) (all []oath.Evidence) {
	for _, f := range rep.Findings {
		all = append(all, oath.Evidence{
			What: f.Error(), At: r.Clock.Now(), Answer: strings.Join(f.Evidence, "\n---\n"),
			Replay: "primum ledger verify " + r.Target.Domain,
		})
	}
	return all
}

func checkpointEvidence(r *oath.Run, rep ledger.Report) []oath.Evidence {
	text := rep.Public.Checkpoint.Text
	if text == "" {
		return nil
	}
	return []oath.Evidence{{
		What: "the checkpoint of the public log", At: r.Clock.Now(), Answer: text, SHA256: oath.SHA256([]byte(text)),
		Replay: "curl -s " + oath.Quote(r.Target.Node.Ledger.Public.URL+ledger.CheckpointPath),
	}}
}

const (
	maxPolicies = 8
	maxEntries  = 16 << 10 // of the public log that are read for the comparison
)

// shownOnce are documents of which there is one; each must be the newest of its
// type in the public log.
func shownOnce() map[string]ledger.Type {
	return map[string]ledger.Type{
		wire.OathPath: ledger.TypeOath, wire.MeterCataloguePath: ledger.TypeMeterCatalogue, wire.NamingPolicyPath: ledger.TypeNamingPolicy,
		wire.ReleasePath: ledger.TypeRelease, wire.KeysPath: ledger.TypeKey,
	}
}

// compareDocuments: served, different, first-different, unlogged,
// first-unlogged, unread (older than what was read of the log). What differs is
// asked for twice, because a document may have changed in between. The log is
// read anew, so that it does not matter what this checker has seen before.
func compareDocuments(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	var c documents
	for range 2 {
		rep, err := readLedger(ctx, r, ledger.Kept{}, maxEntries)
		if err != nil {
			return oath.Observation{}, oath.Unshown("the ledger could not be read: " + oath.Plain(err.Error(), maxSaid))
		}
		c = documents{whole: rep.Public.Read >= rep.Public.Checkpoint.Size}
		if err := compare(ctx, r, rep.Kept, &c); err != nil {
			return oath.Observation{}, err
		}
		if c.different+c.unlogged == 0 {
			break
		}
	}
	return oath.Observation{
		Facts: map[string]oath.Value{
			"served": oath.Number(c.served), "different": oath.Number(c.different), "first-different": oath.Text(c.firstDifferent),
			"unlogged": oath.Number(c.unlogged), "first-unlogged": oath.Text(c.firstUnlogged), "unread": oath.Number(c.unread),
		},
		Evidence: c.evidence,
	}, nil
}

type documents struct {
	whole bool // all of the log was read

	served, different, unlogged   int
	unread                        int
	firstDifferent, firstUnlogged string
	evidence                      []oath.Evidence
}

func compare(ctx context.Context, r *oath.Run, kept ledger.Kept, c *documents) error {
	for _, path := range slices.Sorted(maps.Keys(shownOnce())) {
		of := shownOnce()[path]
		a, err := document(ctx, r, path)
		if err != nil {
			return err
		}
		if a.Status != http.StatusOK {
			continue
		}
		logged, ok := newestOf(kept, of)
		c.note(path, a, ok, logged.SHA256 == oath.SHA256(a.Body))
	}
	return comparePolicies(ctx, r, kept, c)
}

// comparePolicies looks at each rule of the operator that counts now.
func comparePolicies(ctx context.Context, r *oath.Run, kept ledger.Kept, c *documents) error {
	a, err := document(ctx, r, wire.PoliciesPath)
	var list wire.FactList
	if err != nil || a.Status != http.StatusOK || a.JSON(&list) != nil {
		return err
	}
	for _, f := range list.Facts[:min(len(list.Facts), maxPolicies)] {
		if !f.Now || f.Ref != wire.FactPath(f.SHA256) {
			continue
		}
		a, err := document(ctx, r, f.Ref)
		if err != nil {
			return err
		}
		if a.Status != http.StatusOK {
			continue
		}
		logged, ok := kept.Fact(ledger.TypePolicy, f.Ref)
		c.note(wire.PoliciesPath+" "+f.Name, a, ok, logged.SHA256 == oath.SHA256(a.Body))
	}
	return nil
}

// document reads one; what can't be read has the status 0.
func document(ctx context.Context, r *oath.Run, path string) (oath.Answer, error) {
	a, err := r.Fetch(ctx, oath.Ask{URL: r.Target.Base + path, Stay: true, Header: map[string]string{"Accept": "application/json, */*;q=0.5"}})
	if stopped := stop(ctx, err); stopped != nil {
		return a, stopped
	}
	if err != nil || a.Cut {
		return oath.Answer{}, nil
	}
	return a, nil
}

// note counts one document that is served.
func (c *documents) note(name string, a oath.Answer, logged, same bool) {
	c.served++
	c.evidence = append(c.evidence, a.Evidence("the document at "+name))
	switch {
	case !logged && !c.whole:
		c.unread++
	case !logged:
		c.unlogged++
		c.firstUnlogged = cmp.Or(c.firstUnlogged, name)
	case !same:
		c.different++
		c.firstDifferent = cmp.Or(c.firstDifferent, name)
	}
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
func readOath(_ context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	facts := map[string]oath.Value{"found": oath.Yes(r.Target.OathServed), "signature": oath.Yes(r.Target.Oath != nil)}
	if !r.Target.OathServed {
		return oath.Observation{Facts: facts}, nil
	}
	if d := r.Target.Oath; d != nil {
		facts["until"], facts["review-past"] = oath.Text(d.Until.UTC().Format(time.DateOnly)), oath.Yes(d.Until.Before(r.Clock.Now()))
	}
	return oath.Observation{Facts: facts, Evidence: []oath.Evidence{oathEvidence(r, "the oath as it is served")}}, nil
}

func oathEvidence(r *oath.Run, what string) oath.Evidence {
	return oath.Evidence{
		What: what, At: r.Clock.Now(), SHA256: r.Target.OathSHA256, Answer: r.Target.NoOath,
		Replay: "curl -s " + oath.Quote(r.Target.Base+oath.Path),
	}
}

// lookAtWitnesses: witnesses, newest (how long ago).
func lookAtWitnesses(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	rep, err := ledgerReport(ctx, r)
	if err != nil {
		return oath.Observation{}, oath.Unshown("the ledger could not be read: " + oath.Plain(err.Error(), maxSaid))
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
	facts := map[string]oath.Value{"witnesses": oath.Number(good)}
	if good > 0 {
		facts["newest"] = oath.Duration(max(0, r.Clock.Now().Sub(newest)).Truncate(time.Second))
	}
	return oath.Observation{Facts: facts, Evidence: checkpointEvidence(r, rep)}, nil
}
