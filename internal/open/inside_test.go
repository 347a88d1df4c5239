package open

import "testing"

// TestGatherLeavesAnUnfinishedWindow: an answer reads a bounded number of rows;
// the window that this cuts is the next answer's first.
func TestGatherLeavesAnUnfinishedWindow(t *testing.T) {
	t.Parallel()
	parts := make([]part, maxRead+1)
	for i := range parts {
		parts[i] = part{at: int64(i) * 10, n: 1, total: 2, least: 2, most: 2}
	}
	const step = 30_000 // 3,000 parts
	windows, next := gather(parts, step, MaxPage)
	if len(windows) != 66 || next.UnixMilli() != 66*step || windows[65].N != 3000 || windows[65].Mean != 2 {
		t.Errorf("%d windows, next %v", len(windows), next)
	}
	if windows, next = gather(parts[:maxRead], step, MaxPage); len(windows) != 67 || !next.IsZero() {
		t.Errorf("%d windows of all, next %v", len(windows), next)
	}
	if windows, next = gather(parts, step, 5); len(windows) != 5 || next.UnixMilli() != 5*step {
		t.Errorf("%d windows of five, next %v", len(windows), next)
	}
	// One window of more rows than an answer reads: Windows refuses it.
	if windows, next = gather(parts, 1<<40, MaxPage); len(windows) != 1 || !next.IsZero() {
		t.Errorf("%d windows of one, next %v", len(windows), next)
	}
}

// TestWatchesAreSmall: a reader that waits for values that are rare takes no room
// for them beforehand, and after a burst gives it back.
func TestWatchesAreSmall(t *testing.T) {
	t.Parallel()
	b := &Book{hub: newHub()}
	w, err := b.Watch("air", "square")
	if err != nil {
		t.Fatal(err)
	}
	for _, burst := range []int{0, 3, waitingSamples} {
		for range burst {
			b.hub.tell("air", Sample{Thing: "square"})
		}
		if all, more := w.Take(); len(all) != burst || !more || cap(w.waiting) != 0 || cap(w.wake) != 1 {
			t.Errorf("after %d values: %d taken, room for %d", burst, len(all), cap(w.waiting))
		}
	}
}
