package node

import (
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/internal/operator"
	"primum/internal/store"
)

// Operators are added from another process while the node runs, which shows
// their page; what was done in the terminal stands in the log.
func TestOperatorsOfARunningNode(t *testing.T) {
	t.Parallel()
	c := config(t)
	n := open(t, c)
	defer serve(t, n)()
	ctx := t.Context()
	url, until, err := AddOperator(ctx, c.DataDir, "ada", operator.Admin, begin())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(url, n.BaseURL()+"/operator/new#") || !until.Equal(begin().Add(10*time.Minute)) {
		t.Errorf("%s until %s", url, until)
	}
	if _, err := n.Invite(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	all, err := Operators(ctx, c.DataDir)
	if err != nil || len(all) != 1 || all[0].Role != "admin" || all[0].Keys != 0 {
		t.Errorf("operators %+v, %v", all, err)
	}
	for path, want := range map[string]int{"/operator/login": http.StatusOK, "/operator/new": http.StatusOK, "/operator/nowhere": http.StatusNotFound, "/operators": http.StatusNotFound} {
		if code, body := get(t, n, path); code != want {
			t.Errorf("%s: %d\n%s", path, code, body)
		}
	}
	if err := RemoveOperator(ctx, c.DataDir, "ada", begin()); err != nil {
		t.Error(err)
	}
	if err := RemoveOperator(ctx, c.DataDir, "ada", begin()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	acts, err := n.store.Operators.Acts(ctx, 0, 10)
	if err != nil || len(acts) != 3 || acts[1].Act != "invite-made" || acts[1].Who != operator.Console {
		t.Errorf("log %+v, %v", acts, err)
	}
}

func TestOperatorsOfNoNode(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "nothing")
	if _, _, err := AddOperator(t.Context(), dir, "ada", operator.Admin, begin()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("add: %v", err)
	}
	if _, err := Operators(t.Context(), dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("list: %v", err)
	}
}

// The page shows the bounds that are in force, those by default too.
func TestLimitsShown(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	ids := map[string]operator.Limit{}
	for _, l := range n.limitsShown() {
		ids[l.ID] = l
	}
	if ids["circle"].Bytes != 256<<20 || ids["retention"].Span != 30*24*time.Hour || ids["address"].PerSecond != 0 || ids["sockets"].Most != 20000 {
		t.Errorf("%+v", ids)
	}
}
