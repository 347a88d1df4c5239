package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"primum/client/alert"
	"primum/internal/durable"
)

const (
	alertFile = "alerts.json"
	maxAlerts = 100
)

// alerts are the rules of the account that is open. They are judged here: a
// node learns nothing of them. Safe for concurrent use.
type alerts struct {
	file string

	mu    sync.Mutex
	rules []keptAlert // guarded by mu; oldest first
}

type keptAlert struct {
	Alert Alert       `json:"alert"`
	State alert.State `json:"state"`
}

func (k keptAlert) rule() alert.Rule {
	return alert.Rule{Above: k.Alert.Above, Below: k.Alert.Below, Equals: k.Alert.Equals}
}

func (k keptAlert) shown() Alert {
	a := k.Alert
	a.Since = k.State.Since
	return a
}

func openAlerts(dir string) (*alerts, error) {
	a := &alerts{file: filepath.Join(dir, alertFile)}
	b, err := durable.ReadFile(a.file)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &a.rules)
	}
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	return a, nil
}

// save writes the rules; mu is held.
func (a *alerts) save() error {
	b, err := json.Marshal(a.rules)
	if err == nil {
		err = durable.WriteFile(a.file, b)
	}
	if err != nil {
		return fmt.Errorf("keep alerts: %w", err)
	}
	return nil
}

func (e *Engine) alertHandlers() map[string]handler {
	return map[string]handler{
		"alert.set":    handle(e.alertSet),
		"alert.list":   handle(e.alertList),
		"alert.remove": handle(e.alertRemove),
	}
}

// alertSet keeps a new rule, or changes the one of its id, which begins anew.
// One that already holds rings at once, by the newest value that is here.
func (e *Engine) alertSet(_ context.Context, a Alert) (Alert, error) {
	s, err := e.current()
	if err != nil {
		return Alert{}, err
	}
	k := keptAlert{Alert: a}
	k.Alert.Title = clean(a.Title, maxTitle)
	if err := k.rule().Check(); err != nil {
		return Alert{}, &Error{Code: "alert-rule", Detail: err.Error()}
	}
	t, err := s.findTarget(a.Ref)
	if err != nil {
		return Alert{}, err
	}
	if a.ID == "" {
		if k.Alert.ID, err = e.label(); err != nil {
			return Alert{}, err
		}
	}
	if err := s.alerts.set(k, a.ID != ""); err != nil {
		return Alert{}, err
	}
	e.emit(Event{Kind: "things"})
	if p := s.recent.get(seriesKey(t.StreamOf(), a.Ref.Thing, a.Ref.Name)).Latest; p != nil {
		s.alertValue(a.Ref, *p)
	}
	return k.shown(), nil
}

func (a *alerts) set(k keptAlert, known bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.rules, func(old keptAlert) bool { return old.Alert.ID == k.Alert.ID })
	switch {
	case known && i < 0:
		return &Error{Code: "no-alert"}
	case !known && len(a.rules) >= maxAlerts:
		return &Error{Code: "alerts-full"}
	}
	old := slices.Clone(a.rules)
	if known {
		a.rules[i] = k
	} else {
		a.rules = append(a.rules, k)
	}
	return a.saveOr(old)
}

// saveOr saves, or goes back to old; mu is held.
func (a *alerts) saveOr(old []keptAlert) error {
	err := a.save()
	if err != nil {
		a.rules = old
	}
	return err
}

func (e *Engine) alertList(context.Context, Empty) ([]Alert, error) {
	s, err := e.current()
	if err != nil {
		return nil, err
	}
	return s.alerts.of(nil), nil
}

func (e *Engine) alertRemove(_ context.Context, p AlertParams) (Empty, error) {
	s, err := e.current()
	if err != nil {
		return Empty{}, err
	}
	err = s.alerts.remove(p.ID)
	e.emit(Event{Kind: "things"})
	return Empty{}, err
}

// remove ends a rule; one that is not there has ended.
func (a *alerts) remove(id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := slices.Clone(a.rules)
	a.rules = slices.DeleteFunc(a.rules, func(k keptAlert) bool { return k.Alert.ID == id })
	if len(a.rules) == len(old) {
		return nil
	}
	return a.saveOr(old)
}

// of lists the rules of an affordance, or all of them.
func (a *alerts) of(r *Ref) []Alert {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []Alert{}
	for _, k := range a.rules {
		if r == nil || k.Alert.Ref == *r {
			all = append(all, k.shown())
		}
	}
	return all
}

// alertValue is told every value after it was kept, oldest first.
func (s *session) alertValue(r Ref, p Point) {
	rang, err := s.alerts.value(r, p)
	if err != nil {
		s.e.o.Log.Error("alert not kept", "why", err)
	}
	for _, a := range rang {
		s.e.emit(Event{Kind: "alert", Alert: &a, Point: &p})
	}
}

// value judges a value and returns the rules that ring by it. What they
// remember is on disk before: nobody is rung twice by one crossing, also over
// reloads and crashes.
func (a *alerts) value(r Ref, p Point) (rang []Alert, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed := false
	for i := range a.rules {
		k := &a.rules[i]
		if k.Alert.Ref != r {
			continue
		}
		next, ring, news := k.rule().Next(k.State, p.At, p.Value)
		k.State, changed = next, changed || news
		if ring {
			rang = append(rang, k.shown())
		}
	}
	if changed {
		err = a.save()
	}
	return rang, err
}
