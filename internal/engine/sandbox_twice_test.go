package engine_test

import (
	"sync"
	"testing"

	"primum/internal/engine"
)

// Two tabs that ask for the thermometer at the same time get the same one.
func TestSandboxFromTwoTabs(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	e := a.start(t.TempDir())
	call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop"})
	var homes [3]engine.HomeResult
	var errs [3]error
	var tabs sync.WaitGroup
	for i := range homes {
		tabs.Go(func() { homes[i], errs[i] = try[engine.HomeResult](t, e, "sandbox.start", nil) })
	}
	tabs.Wait()
	for i := range homes {
		if errs[i] != nil || homes[i].Home == "" || homes[i].Home != homes[0].Home {
			t.Errorf("%d: %+v, %v; the first: %+v", i, homes[i], errs[i], homes[0])
		}
	}
}
