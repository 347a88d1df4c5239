package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Kinds of deliveries.
const (
	DeliverValue   = "value"
	DeliverGranted = "granted" // values may come from now on
	DeliverEnded   = "ended"   // Reason: withdrawn, superseded, expired, revoked, removed
	DeliverPaused  = "paused"
	DeliverResumed = "resumed"
)

// Delivery is what the receiving side passes on: a value, or news of a grant.
type Delivery struct {
	// ID is the same for the same delivery, also over restarts: the
	// Idempotency-Key of a webhook.
	ID    string    `json:"id"`
	Kind  string    `json:"kind"`
	At    time.Time `json:"at"`             // end of the value's window, or of the event
	From  string    `json:"from,omitempty"` // account of the owner, where told
	Grant string    `json:"grant"`
	// Thing is the thing's pseudonym in this relation; Title is what its owner
	// calls it.
	Thing string          `json:"thing,omitempty"`
	Title string          `json:"title,omitempty"`
	Name  string          `json:"name,omitempty"`  // affordance
	Value json.RawMessage `json:"value,omitempty"` // null: nothing was measured
	Unit  string          `json:"unit,omitempty"`
	// Reason says why a grant ended or pauses.
	Reason string `json:"reason,omitempty"`
}

// Sink is where deliveries go. Deliver returns when the delivery is safe (on
// disk, at the broker, written); an error means: the same again later. One
// goroutine delivers at a time.
type Sink interface {
	Deliver(ctx context.Context, d Delivery) error
	Close() error
}

// writerSink writes JSON lines.
type writerSink struct {
	mu sync.Mutex
	w  io.Writer
	f  *os.File // synced after each line; nil for a writer that can't be
}

// NewWriterSink writes deliveries as JSON lines: standard output.
func NewWriterSink(w io.Writer) (Sink, error) { return &writerSink{w: w}, nil }

// NewFileSink appends deliveries as JSON lines to a file, on disk before
// Deliver returns. After a crash the last line may come twice (same id).
func NewFileSink(path string) (Sink, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open file for values: %w", err)
	}
	if err := endLine(f); err != nil {
		return nil, errors.Join(fmt.Errorf("open file for values: %w", err), f.Close())
	}
	return &writerSink{w: f, f: f}, nil
}

// endLine goes to the end and ends a line that a crash left unfinished.
func endLine(f *os.File) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], end-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.Write([]byte{'\n'})
	return err
}

func (s *writerSink) Deliver(_ context.Context, d Delivery) error {
	line, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("write value: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write value: %w", err)
	}
	if s.f != nil {
		if err := s.f.Sync(); err != nil {
			return fmt.Errorf("write value: %w", err)
		}
	}
	return nil
}

func (s *writerSink) Close() error {
	if s.f == nil {
		return nil
	}
	return s.f.Close()
}
