// Package durable keeps bytes over a crash: whole files replaced at once, an
// append-only log of records, and a lock on a directory.
//
// A file that is replaced is never seen half written, and what was replaced or
// removed stands in no file of the directory afterwards, also after a crash:
// temporary files have fixed names, and LockDir and OpenLog clear them away.
// What the disk itself keeps in free blocks is outside this promise.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const tempSuffix = ".primum-tmp"

func tempName(path string) string { return path + tempSuffix }

// WriteFile replaces path by data, mode 0600. When it returns nil the new
// content survives a crash; when it fails, the old content stands. One writer
// per path at a time.
func WriteFile(path string, data []byte) error {
	return replace(path, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// CopyFile is WriteFile with what another file holds.
func CopyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	err = replace(to, func(f *os.File) error {
		_, err := io.Copy(f, in)
		return err
	})
	return errors.Join(err, in.Close())
}

// replace writes a new file beside path and puts it in its place.
func replace(path string, write func(*os.File) error) error {
	temp := tempName(path)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// ReadFile reads what WriteFile wrote. A missing file is fs.ErrNotExist.
func ReadFile(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return b, nil
}

// Remove deletes path, and what a crashed WriteFile left of it; when it
// returns nil the file stays deleted after a crash. A missing file is no error.
func Remove(path string) error {
	for _, p := range []string{tempName(path), path} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", p, err)
		}
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

// MakeDir makes a directory, mode 0700, and the ones above it that are
// missing; when it returns nil they survive a crash. An existing one is fine.
func MakeDir(path string) error {
	path = filepath.Clean(path)
	if st, err := os.Stat(path); err == nil {
		if st.IsDir() {
			return nil
		}
		return fmt.Errorf("make directory %s: a file stands there", path)
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := MakeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make directory %s: %w", path, err)
	}
	if err := syncDir(parent); err != nil {
		return fmt.Errorf("make directory %s: %w", path, err)
	}
	return nil
}

// clearTemps removes what crashed writers left in dir.
func clearTemps(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), tempSuffix) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear %s: %w", dir, err)
		}
	}
	return nil
}

// syncDir makes a rename or removal in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
