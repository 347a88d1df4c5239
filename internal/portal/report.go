package portal

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"sync/atomic"
	"time"
)

const (
	maxReport    = 64 << 10
	maxInReport  = 20 // reports in one body that are looked at
	logReportsAt = 10 * time.Second
)

// reports counts what browsers report about a violated policy. What they say
// is from pages that strangers could have made: it is not kept.
type reports struct {
	count  atomic.Uint64
	logged atomic.Int64 // Unix milliseconds of the last line in the log
}

// directive is how a directive's name looks; nothing else of a report is
// written anywhere.
var directive = regexp.MustCompile(`^[a-z][a-z-]{0,40}$`)

// postReport takes reports (CSP 3 §5.3, Reporting API §2.3), at most 64 KiB.
func (p *Portal) postReport(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReport))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	names := directives(b)
	if len(names) == 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.reports.count.Add(uint64(len(names)))
	p.logReport(names[0])
	w.WriteHeader(http.StatusNoContent)
}

// logReport writes at most one line in ten seconds.
func (p *Portal) logReport(name string) {
	now := p.cfg.Clock.Now().UnixMilli()
	last := p.reports.logged.Load()
	if now-last < logReportsAt.Milliseconds() || !p.reports.logged.CompareAndSwap(last, now) {
		return
	}
	p.cfg.Log.Warn("content security policy violated", "directive", name, "reports", p.reports.count.Load())
}

// directives reads the names of violated directives out of either form of a
// report; a report without a readable one counts as "unknown".
func directives(b []byte) (names []string) {
	var old struct {
		Report *struct {
			Effective string `json:"effective-directive"`
			Violated  string `json:"violated-directive"`
		} `json:"csp-report"`
	}
	if json.Unmarshal(b, &old) == nil && old.Report != nil {
		if old.Report.Effective == "" {
			old.Report.Effective = old.Report.Violated
		}
		return []string{named(old.Report.Effective)}
	}
	var list []struct {
		Type string `json:"type"`
		Body struct {
			Effective string `json:"effectiveDirective"`
		} `json:"body"`
	}
	if json.Unmarshal(b, &list) != nil {
		return nil
	}
	for _, report := range list {
		if report.Type == "csp-violation" && len(names) < maxInReport {
			names = append(names, named(report.Body.Effective))
		}
	}
	return names
}

func named(s string) string {
	if !directive.MatchString(s) {
		return "unknown"
	}
	return s
}
