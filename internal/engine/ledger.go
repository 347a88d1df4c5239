package engine

import (
	"context"
	"errors"
	"path/filepath"
	"time"

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
