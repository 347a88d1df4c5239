package edge

import (
	"errors"
	"fmt"
	"sync"

	"primum/internal/durable"
)

// Marks of the queue's records.
const (
	markAdded = 'A' // followed by the item
	markDone  = 'D' // the oldest item is done
)

// queue is a durable first-in first-out queue of bounded size; the oldest
// items go when it is full.
type queue struct {
	maxItems, maxBytes int

	mu      sync.Mutex
	log     *durable.Log
	items   [][]byte
	bytes   int
	dropped uint64
	wake    chan struct{} // capacity 1
}

func openQueue(path string, maxItems, maxBytes int) (*queue, error) {
	q := &queue{maxItems: maxItems, maxBytes: maxBytes, wake: make(chan struct{}, 1)}
	var err error
	q.log, err = durable.OpenLog(path, func(record []byte) error {
		switch {
		case len(record) == 0:
			return errors.New("the queue has an empty record")
		case record[0] == markAdded:
			q.remember(append([]byte(nil), record[1:]...))
		case record[0] == markDone && len(q.items) > 0:
			q.forget()
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	return q, nil
}

func (q *queue) remember(item []byte) {
	q.items = append(q.items, item)
	q.bytes += len(item)
}

func (q *queue) forget() {
	q.bytes -= len(q.items[0])
	q.items[0] = nil
	q.items = q.items[1:]
}

// add puts an item at the end; it is on disk when add returns.
func (q *queue) add(item []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.log.Append(true, append([]byte{markAdded}, item...)); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	q.remember(item)
	var gone [][]byte
	for len(q.items) > q.maxItems || q.bytes > q.maxBytes {
		q.forget()
		q.dropped++
		gone = append(gone, []byte{markDone})
	}
	if len(gone) > 0 {
		if err := q.log.Append(false, gone...); err != nil {
			return fmt.Errorf("queue: %w", err)
		}
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// head is the oldest item, nil when there is none.
func (q *queue) head() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return nil
	}
	return q.items[0]
}

// done takes the oldest item off, if it still is the one given.
func (q *queue) done(item []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 || &q.items[0][0] != &item[0] {
		return nil // it was dropped meanwhile
	}
	q.forget()
	if len(q.items) == 0 || q.log.Size() > 4*int64(q.bytes)+1<<20 {
		return q.rewrite()
	}
	if err := q.log.Append(false, []byte{markDone}); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	return nil
}

func (q *queue) rewrite() error {
	records := make([][]byte, 0, len(q.items))
	for _, item := range q.items {
		records = append(records, append([]byte{markAdded}, item...))
	}
	if err := q.log.Rewrite(records); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	return nil
}

func (q *queue) counts() (waiting int, dropped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items), q.dropped
}

func (q *queue) close() error { return q.log.Close() }
