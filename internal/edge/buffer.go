package edge

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"primum/circle"
	"primum/internal/durable"
)

// Bounds of the outage buffer.
const (
	bufferBytes = 8 << 20
	bufferAge   = 24 * time.Hour
)

// buffer keeps values that the anchor could not take (its disk is full, its
// clock is wrong) until it can: on disk, sealed under a key of this machine,
// bounded in size and age. The oldest go first.
type buffer struct {
	random io.Reader
	aead   cipher.AEAD

	mu      sync.Mutex
	log     *durable.Log
	records [][]byte // sealed, oldest first
	bytes   int
	waiting int
	dropped uint64
}

// held is the content of a record.
type held struct {
	At      time.Time       `json:"at"`
	Samples []circle.Sample `json:"samples"`
}

func openBuffer(path string, random io.Reader) (*buffer, error) {
	key, err := localKey(path+".key", random)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("open outage buffer: %w", err)
	}
	b := &buffer{random: random}
	if b.aead, err = cipher.NewGCM(block); err != nil {
		return nil, fmt.Errorf("open outage buffer: %w", err)
	}
	b.log, err = durable.OpenLog(path, func(record []byte) error {
		if h, err := b.open(record); err == nil {
			b.remember(append([]byte(nil), record...), len(h.Samples))
		}
		return nil // what another key sealed is not readable any more
	})
	return b, err
}

// localKey reads or makes a key that never leaves this machine.
func localKey(path string, random io.Reader) ([]byte, error) {
	key, err := durable.ReadFile(path)
	if err == nil && len(key) == 32 {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read local key: %w", err)
	}
	key = make([]byte, 32)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("make local key: %w", err)
	}
	if err := durable.WriteFile(path, key); err != nil {
		return nil, fmt.Errorf("write local key: %w", err)
	}
	return key, nil
}

func (b *buffer) open(record []byte) (h held, err error) {
	n := b.aead.NonceSize()
	if len(record) < n {
		return h, errors.New("record is too short")
	}
	plain, err := b.aead.Open(nil, record[:n], record[n:], nil)
	if err != nil {
		return h, err
	}
	return h, json.Unmarshal(plain, &h)
}

func (b *buffer) remember(record []byte, samples int) {
	b.records = append(b.records, record)
	b.bytes += len(record)
	b.waiting += samples
}

// put keeps samples.
func (b *buffer) put(now time.Time, samples []circle.Sample) error {
	plain, err := json.Marshal(held{At: now, Samples: samples})
	if err != nil {
		return fmt.Errorf("buffer values: %w", err)
	}
	nonce := make([]byte, b.aead.NonceSize())
	if _, err := io.ReadFull(b.random, nonce); err != nil {
		return fmt.Errorf("buffer values: %w", err)
	}
	record := b.aead.Seal(nonce, nonce, plain, nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remember(record, len(samples))
	if b.bytes > bufferBytes {
		return b.shrink()
	}
	if err := b.log.Append(true, record); err != nil {
		return fmt.Errorf("buffer values: %w", err)
	}
	return nil
}

// shrink drops the older half. The lock is held.
func (b *buffer) shrink() error {
	old := b.records
	b.records, b.bytes, b.waiting = nil, 0, 0
	for i, record := range old {
		h, err := b.open(record)
		switch {
		case err != nil:
		case i < len(old)/2:
			b.dropped += uint64(len(h.Samples))
		default:
			b.remember(record, len(h.Samples))
		}
	}
	return b.rewrite()
}

func (b *buffer) rewrite() error {
	if err := b.log.Rewrite(b.records); err != nil {
		return fmt.Errorf("buffer values: %w", err)
	}
	return nil
}

// drain gives the oldest samples to feed until it fails; what it took is
// forgotten. Samples older than bufferAge are dropped.
func (b *buffer) drain(now time.Time, feed func(circle.Sample) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.records) == 0 {
		return nil
	}
	taken := 0
	var failed error
	for _, record := range b.records {
		h, err := b.open(record)
		if err == nil && now.Sub(h.At) <= bufferAge {
			if failed = feedAll(h.Samples, feed); failed != nil {
				break
			}
		} else {
			b.dropped += uint64(len(h.Samples))
		}
		taken++
		b.bytes -= len(record)
		b.waiting -= len(h.Samples)
	}
	if taken == 0 {
		return failed
	}
	b.records = b.records[taken:]
	return errors.Join(failed, b.rewrite())
}

func feedAll(samples []circle.Sample, feed func(circle.Sample) error) error {
	for _, s := range samples {
		if err := feed(s); err != nil {
			return err
		}
	}
	return nil
}

func (b *buffer) counts() (waiting int, dropped uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting, b.dropped
}

func (b *buffer) close() error { return b.log.Close() }
