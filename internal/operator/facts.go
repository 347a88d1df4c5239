package operator

import (
	"cmp"
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"primum/internal/store"
)

// Limit is a bound in force; each has a sentence operator.limit.ID. One of
// the forms is set: a rate, a number, an amount of bytes or a time.
type Limit struct {
	ID        string
	PerSecond float64
	Burst     float64
	Most      int64
	Bytes     int64
	Span      time.Duration
}

// Days is the time in whole days.
func (l Limit) Days() int { return int(l.Span / (24 * time.Hour)) }

// facts are what the first page shows.
type facts struct {
	Problem                     string // of the databases; empty: they answer
	Accounts, Circles, Messages int64
	Sockets                     int64
	Depths                      store.Depths
	Files                       []store.FileSize
	Total                       int64 // bytes of all files
	Free, Disk                  int64 // bytes; 0 where the system does not tell
	Low                         bool  // a tenth or less is free
	Limits                      []Limit
	Refusals                    []count
	Appended, Delivered, Cut    int64
	Reports                     uint64
	Version, Go, Revision       string
	Since                       time.Time
	Up                          time.Duration
	Invite                      bool
}

// count is how often something happened since the start.
type count struct {
	Kind string
	N    int64
}

func (o *Operator) facts(ctx context.Context, now time.Time) facts {
	f := facts{
		Limits: o.cfg.Limits, Version: o.cfg.Version, Go: runtime.Version(), Revision: revision(),
		Since: o.cfg.Since, Up: now.Sub(o.cfg.Since), Invite: o.cfg.Invite, Files: o.cfg.Store.Overview.Files(),
	}
	if o.cfg.Reports != nil {
		f.Reports = o.cfg.Reports()
	}
	for _, file := range f.Files {
		f.Total += file.Bytes
	}
	f.Free, f.Disk = disk(o.cfg.DataDir)
	f.Low = f.Disk > 0 && f.Free*10 <= f.Disk
	if err := o.ask(ctx, now, &f); err != nil {
		o.cfg.Log.Error("operator: reading the store failed", "error", err)
		f.Problem = err.Error()
	}
	o.measure(&f)
	return f
}

// ask reads what the databases know.
func (o *Operator) ask(ctx context.Context, now time.Time, f *facts) error {
	accounts, err := o.cfg.Store.Accounts.Count(ctx)
	if err != nil {
		return err
	}
	f.Accounts = int64(accounts)
	if f.Circles, f.Messages, err = o.cfg.Store.Circles.Totals(ctx); err != nil {
		return err
	}
	f.Depths, err = o.cfg.Store.Overview.Depths(ctx, now)
	return err
}

// measure reads the node's counters.
func (o *Operator) measure(f *facts) {
	if o.cfg.Metrics == nil {
		return
	}
	families, err := o.cfg.Metrics.Gather()
	if err != nil {
		o.cfg.Log.Warn("operator: reading the counters failed", "error", err)
	}
	single := map[string]*int64{
		"primum_live_sockets": &f.Sockets, "primum_messages_appended_total": &f.Appended,
		"primum_messages_delivered_total": &f.Delivered, "primum_sockets_cut_total": &f.Cut,
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			n := int64(m.GetCounter().GetValue() + m.GetGauge().GetValue())
			if to, ok := single[family.GetName()]; ok {
				*to = n
			}
			if family.GetName() == "primum_refusals_total" && len(m.GetLabel()) == 1 {
				f.Refusals = append(f.Refusals, count{m.GetLabel()[0].GetValue(), n})
			}
		}
	}
	slices.SortFunc(f.Refusals, func(a, b count) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Kind, b.Kind)) })
}

// revision is the commit that the program was built from.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return ""
}
