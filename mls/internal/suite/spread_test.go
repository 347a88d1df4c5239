package suite

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// TestSpread makes every call once and gives the error of the smallest index,
// however many goroutines there are.
func TestSpread(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 7} {
		runtime.GOMAXPROCS(procs)
		for _, n := range []int{0, 1, 2, 8, 9, 100} {
			t.Run(fmt.Sprintf("%d on %d", n, procs), func(t *testing.T) { checkSpread(t, n) })
		}
	}
}

func checkSpread(t *testing.T, n int) {
	var mu sync.Mutex
	calls := make([]int, n)
	err := Spread(n, 4, func(i int) error {
		mu.Lock()
		defer mu.Unlock()
		calls[i]++
		return nil
	})
	for i, c := range calls {
		if c != 1 || err != nil {
			t.Fatalf("call %d was made %d times, error %v", i, c, err)
		}
	}
	bad := func(i int) error { return fmt.Errorf("call %d: %w", i, errTest) }
	if err := Spread(n, 4, bad); n > 0 && (!errors.Is(err, errTest) || err.Error() != "call 0: test") {
		t.Errorf("error is %v", err)
	}
	last := func(i int) error {
		if i < n-1 {
			return nil
		}
		return errTest
	}
	if err := Spread(n, 4, last); n > 0 && !errors.Is(err, errTest) {
		t.Errorf("the error of the last call is %v", err)
	}
}

var errTest = errors.New("test")
