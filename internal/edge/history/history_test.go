package history

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"primum/circle"
	"primum/internal/clock"
)

var _ circle.History = (*DB)(nil)

func start() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

func open(t *testing.T, o Options) (*DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history #1 %41.db")
	h, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h, path
}

func sample(thing string, second int, value string) circle.Sample {
	return circle.Sample{Thing: thing, Name: "flow", Unit: "L/min", At: start().Add(time.Duration(second) * time.Second), Value: json.RawMessage(value)}
}

func keep(t *testing.T, h *DB, samples ...circle.Sample) {
	t.Helper()
	if err := h.Add(context.Background(), samples...); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, h *DB, thing string, from, to, limit int) string {
	t.Helper()
	list, err := h.History(thing, "flow", start().Add(time.Duration(from)*time.Second), start().Add(time.Duration(to)*time.Second), limit)
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, s := range list {
		if s.Unit != "L/min" || s.Thing != thing {
			t.Errorf("sample %+v", s)
		}
		out += fmt.Sprintf("%d=%s ", int(s.At.Sub(start()).Seconds()), s.Value)
	}
	return out
}

func TestHalfOpenOldestFirstLimited(t *testing.T) {
	t.Parallel()
	h, path := open(t, Options{})
	keep(t, h, sample("water", 2, "2"), sample("water", 0, "0"), sample("water", 1, `"text"`), sample("water", 3, "3"), sample("lamp", 1, "9"))
	keep(t, h, sample("water", 2, "2.5")) // the later one of the same instant stays
	if got := read(t, h, "water", 0, 3, 10); got != `0=0 1="text" 2=2.5 ` {
		t.Errorf("[0,3) is %s", got)
	}
	if got := read(t, h, "water", 1, 9, 2); got != `1="text" 2=2.5 ` {
		t.Errorf("two from 1 are %s", got)
	}
	if all, err := h.History("water", "flow", time.Time{}, time.Unix(1<<50, 0), 100); err != nil || len(all) != 4 {
		t.Errorf("all: %d, %v; want 4", len(all), err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if got := read(t, again, "lamp", 0, 9, 9); got != "1=9 " {
		t.Errorf("after opening again: %s", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file mode %v, %v", info.Mode(), err)
	}
}

func TestSwitchErases(t *testing.T) {
	t.Parallel()
	h, path := open(t, Options{})
	canary := `"canary-4f1d2c9b8e7a65"`
	keep(t, h, sample("camera", 0, canary), sample("water", 0, "1"))
	if err := h.SetOn(context.Background(), "camera", false); err != nil {
		t.Fatal(err)
	}
	keep(t, h, sample("camera", 1, canary), sample("water", 1, "2"))
	if got := read(t, h, "camera", 0, 9, 9); got != "" {
		t.Errorf("kept %s of a thing that is switched off", got)
	}
	if on, err := h.On(context.Background(), "camera"); on || err != nil {
		t.Errorf("on %v, %v", on, err)
	}
	for _, suffix := range []string{"", "-wal", "-journal"} {
		if b, err := os.ReadFile(path + suffix); err == nil && bytes.Contains(b, []byte("canary")) {
			t.Errorf("the erased value is still in history.db%s", suffix)
		}
	}
	if err := h.SetOn(context.Background(), "camera", true); err != nil {
		t.Fatal(err)
	}
	keep(t, h, sample("camera", 2, "7"))
	if got := read(t, h, "camera", 0, 9, 9) + read(t, h, "water", 0, 9, 9); got != "2=7 0=1 1=2 " {
		t.Errorf("afterwards %s", got)
	}
}

func TestTrim(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start())
	h, _ := open(t, Options{Clock: c})
	keep(t, h, sample("water", 0, "1"))
	c.Set(start().AddDate(0, KeepMonths, 0))
	if n, err := h.Trim(context.Background()); n != 0 || err != nil {
		t.Errorf("trimmed %d after 13 months to the second, %v", n, err)
	}
	c.Advance(time.Second)
	if n, err := h.Trim(context.Background()); n != 1 || err != nil {
		t.Errorf("trimmed %d, %v; want 1", n, err)
	}
	short, _ := open(t, Options{Clock: clock.NewManual(start().Add(time.Minute)), Keep: 30 * time.Second})
	keep(t, short, sample("water", 0, "1"), sample("water", 45, "2"))
	if n, err := short.Trim(context.Background()); n != 1 || err != nil {
		t.Errorf("trimmed %d, %v; want 1", n, err)
	}
	if got := read(t, short, "water", 0, 99, 9); got != "45=2 " {
		t.Errorf("left %s", got)
	}
}

func TestCopyWhileWriting(t *testing.T) {
	t.Parallel()
	h, _ := open(t, Options{})
	keep(t, h, sample("water", 0, "1"))
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := range 100 {
			if err := h.Add(context.Background(), sample("water", i, "2")); err != nil {
				t.Error(err)
			}
		}
	})
	to := filepath.Join(t.TempDir(), "copy.db")
	if err := h.Copy(context.Background(), to); err != nil {
		t.Fatal(err)
	}
	writing.Wait()
	again, err := Open(to, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if got := read(t, again, "water", 0, 1, 1); got != "0=1 " && got != "0=2 " {
		t.Errorf("the copy has %q", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	h, path := open(t, Options{})
	if err := h.Add(context.Background(), sample("water", 0, "1"), sample("water", 1, "{")); err == nil {
		t.Error("a value that is not JSON was kept")
	}
	if got := read(t, h, "water", 0, 9, 9); got != "" {
		t.Errorf("half of a refused batch was kept: %s", got)
	}
	if _, err := h.db.Exec("PRAGMA user_version = 2"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); err == nil {
		t.Error("a newer file was opened")
	}
	garbage := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("garbage "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(garbage, Options{}); err == nil {
		t.Error("a file of garbage was opened")
	}
}
