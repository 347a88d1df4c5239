package engine

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"primum/circle"
	"primum/client/monitor"
	"primum/identity"
	"primum/ledger"
)

// ledgerEntries of the public log are read at a first visit: a page has no time
// for all; `primum ledger verify` reads them.
const ledgerEntries = 64

func (e *Engine) ledgerHandlers() map[string]handler {
	return map[string]handler{"ledger.verify": handle(e.verifyLedger)}
}

// verifyLedger checks a node's ledger and remembers it in this browser.
func (e *Engine) verifyLedger(ctx context.Context, p LedgerParams) (LedgerReport, error) {
	authority, err := identity.ParseAuthority(p.Authority)
	if err != nil {
		return LedgerReport{}, &Error{Code: "params", Detail: "authority"}
	}
	e.ledger.Lock() // one look at a time: it writes what is kept
	defer e.ledger.Unlock()
	m := monitor.Monitor{Calls: e.calls(), Dir: filepath.Join(e.o.Dir, "ledgers")}
	if s, err := e.current(); err == nil {
		m.Calls.Transport = s.client.Home.Transport // it may be carried by the page's own node
	}
	began := time.Now()
	_, r, err := m.Verify(ctx, authority, ledger.Options{MaxEntries: ledgerEntries})
	out := LedgerReport{
		Authority: authority, Public: logOf(r.Public), Commitments: logOf(r.Commitments), Found: []LedgerFound{},
		Took: float64(time.Since(began).Microseconds()) / 1000,
	}
	for _, f := range r.Findings {
		out.Found = append(out.Found, LedgerFound{Kind: ledger.KindName(f), Log: f.Log, Detail: clean(f.Detail, maxText)})
	}
	switch {
	case len(r.Findings) > 0:
		return out, nil
	case errors.Is(err, ledger.ErrNoLedger):
		return out, &Error{Code: "no-such"}
	case errors.Is(err, ledger.ErrUnreachable):
		return out, &Error{Code: "unreachable", Detail: clean(err.Error(), maxText)}
	}
	return out, err
}

func logOf(l ledger.LogReport) LedgerLog {
	out := LedgerLog{
		Size: int64(l.Checkpoint.Size), Since: int64(l.Since), Read: int64(l.Read),
		Witnesses: []LedgerWitness{}, Requests: l.Fetched,
	}
	for _, w := range l.Witnesses {
		out.Witnesses = append(out.Witnesses, LedgerWitness{Authority: clean(ledger.Authority(w.Name), maxText), At: w.At})
	}
	return out
}

const (
	ledgerFirst = time.Minute   // after a page was opened: it has better things to do before
	ledgerAgain = 6 * time.Hour // between two looks
)

// watchLedger looks after the own node's ledger while the page is open, and
// tells the person of each kind of finding once.
func (s *session) watchLedger() {
	told := map[string]bool{}
	for pause := ledgerFirst; ; pause = ledgerAgain {
		t := s.e.o.Pace.NewTimer(pause)
		select {
		case <-t.C():
		case <-s.ctx.Done():
			t.Stop()
			return
		}
		s.lookAtLedger(told)
	}
}

func (s *session) lookAtLedger(told map[string]bool) {
	r, err := s.e.verifyLedger(s.ctx, LedgerParams{Authority: s.client.Home.Authority})
	if err != nil {
		s.e.o.Log.Info("ledger not verified", "why", err)
	}
	for _, f := range r.Found {
		if told[f.Kind+f.Log] {
			continue
		}
		told[f.Kind+f.Log] = true
		if err := s.client.Owner.Finding(circle.ID{}, "", "ledger-"+f.Kind, f.Log+": "+f.Detail); err != nil {
			s.e.o.Log.Error("finding not told", "finding", f.Kind, "why", err)
		}
	}
}
