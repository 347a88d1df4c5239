package httpdoor

import (
	"fmt"
	"testing"
)

// TestPollsAreBounded: who waits for a link's next step is woken once, and
// there is room for so many only.
func TestPollsAreBounded(t *testing.T) {
	t.Parallel()
	p := newPolls()
	var leave []func()
	enter := func(account string) (<-chan struct{}, bool) {
		changed, done, room := p.enter(account)
		leave = append(leave, done)
		return changed, room
	}
	first, _ := enter("a")
	for range pollsOfLink - 1 {
		if _, room := enter("a"); !room {
			t.Fatal("no room for so many of one link")
		}
	}
	if _, room := enter("a"); room {
		t.Error("room for more")
	}
	other, _ := enter("b")
	p.wake("a")
	select {
	case <-first:
	default:
		t.Error("not woken")
	}
	select {
	case <-other:
		t.Error("woken by another link")
	default:
	}
	if _, room := enter("a"); !room {
		t.Error("no room after all were woken")
	}
	for i := 0; p.total < maxPolls; i++ {
		if _, room := enter(fmt.Sprint(i)); !room {
			t.Fatal("no room")
		}
	}
	if _, room := enter("one more"); room {
		t.Error("room for more than there may be")
	}
	for _, f := range leave {
		f()
	}
	if p.total != 0 || len(p.by) != 0 {
		t.Errorf("%d of %d links stay", p.total, len(p.by))
	}
}
