package clock

import (
	"context"
	"testing"
	"time"
)

func start() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

func TestManualFiresInOrderAndOnce(t *testing.T) {
	t.Parallel()
	m := NewManual(start())
	late, early := m.NewTimer(2*time.Second), m.NewTimer(time.Second)
	if m.Waiters() != 2 {
		t.Fatalf("waiters = %d, want 2", m.Waiters())
	}
	m.Advance(time.Second)
	if at := <-early.C(); !at.Equal(start().Add(time.Second)) {
		t.Errorf("early fired at %v", at)
	}
	select {
	case <-late.C():
		t.Error("late fired too early")
	default:
	}
	m.Advance(time.Hour)
	<-late.C()
	if late.Stop() || m.Waiters() != 0 {
		t.Error("a fired timer still waits")
	}
}

func TestManualStopAndZero(t *testing.T) {
	t.Parallel()
	m := NewManual(start())
	s := m.NewTimer(time.Second)
	if !s.Stop() || s.Stop() {
		t.Error("Stop must report true once")
	}
	m.Advance(time.Minute)
	select {
	case <-s.C():
		t.Error("a stopped timer fired")
	default:
	}
	<-m.NewTimer(0).C()
}

func TestManualSetBackwards(t *testing.T) {
	t.Parallel()
	m := NewManual(start())
	timer := m.NewTimer(time.Second)
	m.Set(start().Add(-time.Hour))
	if !m.Now().Equal(start().Add(-time.Hour)) || m.Waiters() != 1 {
		t.Error("setting back must not fire timers")
	}
	if !timer.Stop() {
		t.Error("the timer must still wait")
	}
}

func TestBlockUntil(t *testing.T) {
	t.Parallel()
	m := NewManual(start())
	done := make(chan error)
	go func() { done <- m.BlockUntil(context.Background(), 2) }()
	m.NewTimer(time.Second)
	m.NewTimer(time.Second)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := m.BlockUntil(ctx, 3); err != context.Canceled {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

func TestReal(t *testing.T) {
	t.Parallel()
	c := Real()
	timer := c.NewTimer(time.Nanosecond)
	at := <-timer.C()
	if at.After(c.Now()) {
		t.Error("the timer fired in the future")
	}
	if long := c.NewTimer(time.Hour); !long.Stop() {
		t.Error("a running timer must stop")
	}
}
