package engine_test

import (
	"slices"
	"testing"

	"primum/internal/engine"
)

// What the pages' types are written from is what the engine answers.
func TestMethodsAreHandled(t *testing.T) {
	t.Parallel()
	e, err := engine.New(engine.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	here := e.MethodsHere()
	for _, m := range engine.Methods() {
		if !slices.Contains(here, m.Name) {
			t.Errorf("%s has no handler", m.Name)
		}
	}
	if len(here) != len(engine.Methods()) {
		t.Errorf("%d handlers, %d methods", len(here), len(engine.Methods()))
	}
}
