package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
)

// TestBackupWhileItRuns: appends and fences go on during a backup. The copy
// has no gap, and every fence that was acknowledged before the call.
func TestBackupWhileItRuns(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), store.Options{})
	ids := make([]wire.CircleID, 40)
	for i := range ids {
		ids[i] = openCircle(t, s)
	}
	fence := func(id wire.CircleID) {
		if _, err := s.Circles.Fence(context.Background(), id, "withdrawn", time.Unix(2, 0)); err != nil {
			t.Error(err)
		}
	}
	for _, id := range ids[:10] {
		fence(id)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	begun := make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			if n == 100 {
				close(begun)
			}
			select {
			case <-stop:
				return
			default:
			}
			_, err := appendTo(s, ids[n%len(ids)], fmt.Appendf(nil, "message %d", n))
			if f := new(store.Fenced); err != nil && !errors.As(err, &f) {
				t.Error(err)
			}
			if n%50 == 49 {
				fence(ids[10+n/50%20])
			}
		}
	}()
	<-begun
	backup, dir := t.TempDir()+"/backup", t.TempDir()+"/restored"
	if err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	close(stop)
	<-stopped
	if _, err := store.Restore(t.Context(), backup, dir, time.Unix(3, 0)); err != nil {
		t.Fatal(err)
	}
	r := openStore(t, dir, store.Options{})
	for i, id := range ids {
		c, frames, err := r.Circles.Read(t.Context(), id, 0, 10_000, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		for n, f := range frames {
			if f.Seq != uint64(n+1) {
				t.Fatalf("circle %d: frame %d where %d belongs", i, f.Seq, n+1)
			}
		}
		if c.Head != 1<<32 || c.Fence == "" || i < 10 && c.Fence != "withdrawn" {
			t.Fatalf("circle %d has head %d and fence %q", i, c.Head, c.Fence)
		}
	}
}

// TestRestoreRevivesNoToken: a token that was removed since the backup opens
// nothing, and a label that was given since is nobody else's.
func TestRestoreRevivesNoToken(t *testing.T) {
	t.Parallel()
	s, now := openStore(t, t.TempDir(), store.Options{}), time.Unix(1_800_000_000, 0)
	if err := s.Tokens.Add(t.Context(), store.Token{Name: "shop", Hash: []byte("hash"), Added: now}, store.Act{At: now, Who: "console", Act: "token-added"}); err != nil {
		t.Fatal(err)
	}
	label := func(s *store.Store, account string) (epoch int64) {
		l := store.Label{Account: account, Name: "lamp", Hush: []byte("hush"), Made: now}
		if _, err := s.Labels.Put(t.Context(), l, 9, func(e int64) string { epoch = e; return fmt.Sprint("label", e) }); err != nil {
			t.Fatal(err)
		}
		return epoch
	}
	backup := t.TempDir() + "/backup"
	if err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	given := label(s, "ada@h.example")
	for i := range 2 {
		dir := fmt.Sprint(t.TempDir(), "/restored", i)
		if _, err := store.Restore(t.Context(), backup, dir, now.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
		r := openStore(t, dir, store.Options{})
		if all, err := r.Tokens.List(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("tokens: %v, %v", all, err)
		}
		if again := label(r, "bea@h.example"); again <= given {
			t.Errorf("epoch %d comes again", again)
		} else {
			given = again
		}
	}
}

func TestBackupRefuses(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), store.Options{})
	if err := s.Backup(t.Context(), t.TempDir()+"/missing/backup"); err == nil {
		t.Fatal("a backup in a missing directory")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir() + "/backup"
	if err := s.Backup(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	if err := s.Backup(t.Context(), dir); err != nil {
		t.Fatalf("after a cancelled one: %v", err)
	}
	target := t.TempDir() + "/restored"
	if _, err := store.Restore(t.Context(), t.TempDir(), target, time.Unix(3, 0)); err == nil {
		t.Fatal("restored from nothing")
	}
	if err := os.Rename(dir+"/"+store.LogFile, dir+"/moved"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Restore(t.Context(), dir, target, time.Unix(3, 0)); err == nil {
		t.Fatal("restored half a backup")
	}
	if err := os.Rename(dir+"/moved", dir+"/"+store.LogFile); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Restore(t.Context(), dir, target, time.Unix(3, 0)); err != nil {
		t.Fatalf("after a failed one: %v", err)
	}
}
