package store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
)

func appendTo(s *store.Store, id wire.CircleID, message []byte) (store.Appended, error) {
	var done store.Appended
	answered := make(chan error, 1)
	s.Circles.Submit(store.Append{Circle: id, Kind: store.KindApplication, Message: message, Now: time.Unix(2, 0)},
		func(a store.Appended, err error) { done = a; answered <- err })
	err := <-answered
	return done, err
}

// TestDiskFull: a typed refusal, nothing acknowledged is lost, and the store
// goes on when there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), dir, store.Options{MaxPages: 100})
	if err != nil {
		t.Fatal(err)
	}
	id := openCircle(t, s)
	var acked uint64
	for {
		done, err := appendTo(s, id, make([]byte, 10_000))
		if err != nil {
			if !errors.Is(err, store.ErrDiskFull) {
				t.Fatalf("error is %v, want ErrDiskFull", err)
			}
			break
		}
		acked = done.Seq
	}
	if acked == 0 {
		t.Fatal("nothing fitted at all")
	}
	for range 2 { // it stays readable, and refuses again
		c, frames, err := s.Circles.Read(t.Context(), id, 0, 1000, 1<<30)
		if err != nil || c.Head != acked || uint64(len(frames)) != acked {
			t.Fatalf("head %d, %d frames, acknowledged %d: %v", c.Head, len(frames), acked, err)
		}
		if _, err := appendTo(s, id, make([]byte, 10_000)); !errors.Is(err, store.ErrDiskFull) {
			t.Fatalf("error is %v, want ErrDiskFull", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, store.Options{})
	done, err := appendTo(s, id, make([]byte, 10_000))
	if err != nil || done.Seq != acked+1 {
		t.Fatalf("with room again: %d, %v", done.Seq, err)
	}
}

func TestOpenRefusesDamagedAndNewerFiles(t *testing.T) {
	t.Parallel()
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, store.LogFile), bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), damaged, store.Options{}); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("damaged: %v", err)
	}
	newer := t.TempDir()
	s, err := store.Open(t.Context(), newer, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(newer, store.StateFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), newer, store.Options{}); !errors.Is(err, store.ErrNewer) {
		t.Fatalf("newer: %v", err)
	}
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), blocked, store.Options{}); err == nil {
		t.Fatal("a file was taken for a directory")
	}
}

// TestErasedBytesAreGone: what was trimmed is in no file (secure_delete).
func TestErasedBytesAreGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{})
	id := openCircle(t, s)
	canary := make([]byte, 64)
	_, _ = rand.Read(canary)
	if _, err := appendTo(s, id, append(make([]byte, 300), canary...)); err != nil {
		t.Fatal(err)
	}
	big := append(make([]byte, 9000), canary...) // on overflow pages
	if _, err := appendTo(s, id, big); err != nil {
		t.Fatal(err)
	}
	if !found(t, dir, canary) {
		t.Fatal("the canary is nowhere even before it is erased")
	}
	if _, err := s.Circles.Fence(t.Context(), id, "withdrawn", time.Unix(3, 0)); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Circles.Trim(t.Context(), time.Unix(4, 0), 10); n != 1 || err != nil {
		t.Fatalf("trimmed %d: %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if found(t, dir, canary) {
		t.Fatal("erased bytes are still in a file")
	}
}

func found(t *testing.T, dir string, canary []byte) bool {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, canary) {
			return true
		}
	}
	return false
}

// TestFilesAreTheOwnersAlone looks at the mode of every file.
func TestFilesAreTheOwnersAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir, store.Options{})
	openCircle(t, s)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
	}
	if len(files) < 2 {
		t.Fatalf("%d files", len(files))
	}
}

// TestOpenLoadsNothing: memory after opening doesn't depend on what is kept.
// Not parallel: it reads the process's memory.
func TestOpenLoadsNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 2000)
	id := openCircle(t, s)
	for range cap(answered) {
		s.Circles.Submit(store.Append{Circle: id, Kind: store.KindApplication, Message: make([]byte, 15_000), Now: time.Unix(2, 0)},
			func(_ store.Appended, err error) { answered <- err })
	}
	for range cap(answered) {
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := resident(t)
	openStore(t, dir, store.Options{})
	if grown := resident(t) - before; grown > 16<<20 {
		t.Fatalf("opening 30 MB of messages took %d MB of memory", grown>>20)
	}
}

func resident(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

func TestNewest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{})
	id := openCircle(t, s)
	if _, err := store.Newest(t.Context(), dir, id); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("nothing there: %v", err)
	}
	for _, text := range []string{"one", "two"} {
		if _, err := appendTo(s, id, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := store.Newest(t.Context(), dir, id)
	if err != nil || f.Seq != 2 || string(f.Message) != "two" {
		t.Fatalf("newest is %d %q: %v", f.Seq, f.Message, err)
	}
}

// TestCallerGoes: a caller whose context ended leaves, and the job's result
// harms nobody (run with -race).
func TestCallerGoes(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), store.Options{})
	id := openCircle(t, s)
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		c, err := s.Circles.Fence(ctx, id, "withdrawn", time.Unix(2, 0))
		if err == nil && c.Fence != "withdrawn" || err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("fence %q: %v", c.Fence, err)
		}
	}
	if _, err := s.Circles.Fence(t.Context(), id, "revoked", time.Unix(3, 0)); err != nil {
		t.Fatal(err)
	}
}
