package suite

import (
	"runtime"
	"sync"
)

// Spread calls f for every i below n, on as many goroutines as there are
// processors and none for fewer than least calls; with one processor, as in
// WebAssembly, it calls them in order. All have returned when it returns. The
// error is that of the smallest i among the calls that were made; a goroutine
// stops at its first.
func Spread(n, least int, f func(i int) error) error {
	workers := min(runtime.GOMAXPROCS(0), n/max(least, 1))
	if workers < 2 {
		return run(0, n, f)
	}
	share := (n + workers - 1) / workers
	failed := make([]error, workers)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() { failed[w] = run(w*share, min((w+1)*share, n), f) })
	}
	wait.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

func run(from, to int, f func(int) error) error {
	for i := from; i < to; i++ {
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}
