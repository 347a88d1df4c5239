package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrLocked: another process works in the directory.
var ErrLocked = errors.New("in use by another process")

const lockName = ".lock"

// Lock holds a directory for one process. The system releases it when the
// process ends, however it ends.
type Lock struct{ f *os.File }

// LockDir takes dir, which must exist, or fails with ErrLocked at once. Then
// it clears away what crashed writers left in dir (not in directories below).
// On systems without flock (js) the lock always succeeds.
func LockDir(dir string) (*Lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := tryLock(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := clearTemps(dir); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Lock{f}, nil
}

// Close gives the directory back.
func (l *Lock) Close() error {
	if err := l.f.Close(); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}
