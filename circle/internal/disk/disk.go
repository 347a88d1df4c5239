// Package disk keeps an actor's parts, each in a file of one locked directory,
// and changes several of them at once.
//
// A change of one part is one atomic replacement. A change of several first
// writes all of them into one file, the intent; then each part; then removes
// the intent. Open completes an intent that a crash left. What a change replaced
// or removed stands in no file afterwards.
package disk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"primum/internal/durable"
)

const (
	suffix     = ".part"
	intentName = "intent"
	// MaxPart is the largest part that is read back.
	MaxPart = 64 << 20
)

// Store is the directory. It is for one goroutine at a time.
type Store struct {
	dir  string
	lock *durable.Lock
	step func(string) error
}

// Open makes dir if need be, locks it and reads all parts. A directory that
// another process holds is durable.ErrLocked.
func Open(dir string) (*Store, map[string][]byte, error) {
	return OpenStepping(dir, nil)
}

// OpenStepping is Open with a function that is called before each single change
// of the directory and may fail it: tests crash there. After an error nothing
// more is changed.
func OpenStepping(dir string, step func(what string) error) (*Store, map[string][]byte, error) {
	if err := durable.MakeDir(dir); err != nil {
		return nil, nil, err
	}
	lock, err := durable.LockDir(dir)
	if err != nil {
		return nil, nil, err
	}
	s := &Store{dir: dir, lock: lock, step: step}
	parts, err := s.Load()
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return s, parts, nil
}

// Load completes what a crash interrupted and reads all parts.
func (s *Store) Load() (map[string][]byte, error) {
	if err := s.recover(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.dir, err)
	}
	parts := map[string][]byte{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || !e.Type().IsRegular() {
			continue
		}
		st, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", e.Name(), err)
		}
		if st.Size() > MaxPart {
			return nil, fmt.Errorf("read %s: %d bytes are more than a part has", e.Name(), st.Size())
		}
		if parts[name], err = durable.ReadFile(s.path(name)); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name+suffix) }

func (s *Store) intent() string { return filepath.Join(s.dir, intentName) }

func (s *Store) recover() error {
	b, err := durable.ReadFile(s.intent())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var changes map[string][]byte
	if err := json.Unmarshal(b, &changes); err != nil {
		return fmt.Errorf("complete a change in %s: %w", s.dir, err)
	}
	return s.complete(changes)
}

// Apply changes parts; nil removes one. When it returns nil all changes survive
// a crash; when it fails, or the machine does, Load shows all of them or none.
func (s *Store) Apply(changes map[string][]byte) error {
	for name := range changes {
		if !validName(name) {
			return fmt.Errorf("write part %q: not a name for a file", name)
		}
	}
	if len(changes) < 2 {
		return s.change(changes)
	}
	b, err := json.Marshal(changes)
	if err != nil {
		return fmt.Errorf("write intent: %w", err)
	}
	if err := s.do("intent"); err != nil {
		return err
	}
	if err := durable.WriteFile(s.intent(), b); err != nil {
		return err
	}
	return s.complete(changes)
}

func (s *Store) complete(changes map[string][]byte) error {
	if err := s.change(changes); err != nil {
		return err
	}
	if err := s.do("done"); err != nil {
		return err
	}
	return durable.Remove(s.intent())
}

func (s *Store) change(changes map[string][]byte) error {
	names := make([]string, 0, len(changes))
	for name := range changes {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if err := s.do(name); err != nil {
			return err
		}
		var err error
		if content := changes[name]; content == nil {
			err = durable.Remove(s.path(name))
		} else {
			err = durable.WriteFile(s.path(name), content)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) do(what string) error {
	if s.step == nil {
		return nil
	}
	return s.step(what)
}

// Close gives the directory back.
func (s *Store) Close() error { return s.lock.Close() }

// validName: file names on every system.
func validName(name string) bool {
	if name == "" || len(name) > 100 {
		return false
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}
