package httpdoor

import (
	"context"
	"strings"
	"testing"
	"time"

	"primum/internal/wire"
)

// TestEveryRightIsMarked: what a person may ask without a price stands in the
// route table as a right, and is marked before its handler.
func TestEveryRightIsMarked(t *testing.T) {
	t.Parallel()
	d := &Door{first: newFirst()}
	found := 0
	for _, rt := range d.routes() {
		is := strings.HasPrefix(rt.path, "/v1/rights") || rt.path == "/v1/closings" || rt.path == "/v1/refusals" || rt.path == "/v1/seen" ||
			rt.path == "/v1/account" || strings.HasPrefix(rt.path, "/v1/suspension")
		if is != rt.right && rt.path != "/v1/ledger/proof" {
			t.Errorf("%s %s: right is %v", rt.method, rt.path, rt.right)
		}
		ctx, leave, err := d.turn(t.Context(), rt)
		if err != nil {
			t.Fatal(err)
		}
		leave()
		if wire.IsRight(ctx) != rt.right {
			t.Errorf("%s %s: marked %v", rt.method, rt.path, wire.IsRight(ctx))
		}
		if rt.right {
			found++
		}
	}
	if found < 14 {
		t.Errorf("only %d rights", found)
	}
}

// TestOthersMakeWay: while a right works, what comes later waits for it; without
// one, nothing waits.
func TestOthersMakeWay(t *testing.T) {
	t.Parallel()
	d := &Door{first: newFirst()}
	d.first.hold = time.Hour
	_, leave, err := d.turn(t.Context(), route{right: true})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, end, err := d.turn(t.Context(), route{})
		if err != nil {
			t.Error(err)
		}
		order = append(order, "other")
		end()
	}()
	order = append(order, "right")
	leave()
	<-done
	if strings.Join(order, " ") != "right other" {
		t.Errorf("order: %v", order)
	}
}

// TestRightsWaitForRightsOnly: when all other places are taken, a right still
// has one.
func TestRightsWaitForRightsOnly(t *testing.T) {
	t.Parallel()
	d := &Door{first: newFirst()}
	for range cap(d.first.others) {
		d.first.others <- struct{}{}
	}
	_, leave, err := d.turn(t.Context(), route{right: true})
	if err != nil {
		t.Fatal(err)
	}
	leave()
	for range rightSlots {
		d.first.pool <- struct{}{}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := d.turn(gone, route{right: true}); err == nil {
		t.Error("a right that nobody waits for has a place")
	}
	d.first.mu.Lock()
	defer d.first.mu.Unlock()
	if d.first.n != 0 {
		t.Errorf("%d rights are left", d.first.n)
	}
}

// TestSlowOnesKeepNobodyOut: who has a place and does not leave it, because
// another domain is slow to answer, loses it.
func TestSlowOnesKeepNobodyOut(t *testing.T) {
	t.Parallel()
	f := newFirst()
	f.hold = time.Millisecond
	f.come()
	f.gone()
	var leave []func()
	for range 4 * cap(f.others) {
		leave = append(leave, f.giveWay(t.Context()))
	}
	for range cap(f.others) {
		select {
		case f.others <- struct{}{}:
		case <-time.After(10 * time.Second):
			t.Fatal("the places stay taken")
		}
	}
	for range cap(f.others) {
		<-f.others
	}
	for _, end := range leave {
		end() // a second time gives nothing back
	}
	if len(f.others) != 0 {
		t.Errorf("%d places are taken", len(f.others))
	}
}
