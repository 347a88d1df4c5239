package engine

import "sync"

// crew is work that ends before its end; after it nothing begins.
type crew struct {
	mu    sync.Mutex
	ended bool
	work  sync.WaitGroup
}

// start runs f aside, unless the crew has ended.
func (c *crew) start(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.work.Go(f)
	}
}

// end waits for all that runs.
func (c *crew) end() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.work.Wait()
}
