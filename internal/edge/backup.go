package edge

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"primum/circle"
	"primum/internal/durable"
)

// Names in a backup. Anything else in an archive is refused.
const (
	backupFormat = "format"
	backupAnchor = "anchor"
)

const backupVersion = "primum edge backup 1\n"

// maxBackupFile bounds one file of a backup.
const maxBackupFile = 64 << 30

// Backup writes what a restored edge needs: names, pinned descriptions,
// history, the thing's key. It holds no ratchet state: a restored edge can't
// open or seal anything of its former circles. It may run while the edge runs.
// The archive holds the history and a key: keep it as you keep those.
func (e *Edge) Backup(w io.Writer) error {
	anchor, err := e.claims.Backup()
	if err != nil {
		return fmt.Errorf("back up edge: %w", err)
	}
	dir, err := os.MkdirTemp(e.config.Dir, "backup")
	if err != nil {
		return fmt.Errorf("back up edge: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	copied := filepath.Join(dir, historyFile)
	if err := e.history.Copy(context.Background(), copied); err != nil {
		return fmt.Errorf("back up edge: %w", err)
	}
	known, err := e.house.List()
	if err != nil {
		return fmt.Errorf("back up edge: %w", err)
	}
	t := tar.NewWriter(w)
	for _, part := range []struct {
		name string
		b    []byte
	}{{backupFormat, []byte(backupVersion)}, {backupAnchor, anchor}, {registryFile, known}} {
		if err := writeEntry(t, part.name, part.b); err != nil {
			return fmt.Errorf("back up edge: %w", err)
		}
	}
	if err := errors.Join(copyEntry(t, historyFile, copied), t.Close()); err != nil {
		return fmt.Errorf("back up edge: %w", err)
	}
	return nil
}

func writeEntry(t *tar.Writer, name string, b []byte) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(b)), ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err := t.Write(b)
	return err
}

func copyEntry(t *tar.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

// Restore makes a state folder from a backup; dir must be empty or absent. The
// edge must then be claimed again by its owner, and its circles are opened
// anew.
func Restore(dir string, r io.Reader) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("restore edge: %s is not empty; choose a new folder", dir)
	}
	if err := durable.MakeDir(dir); err != nil {
		return fmt.Errorf("restore edge: %w", err)
	}
	anchor, err := unpack(dir, r)
	if err != nil {
		return fmt.Errorf("restore edge: %w", err)
	}
	a, err := circle.RestoreAnchor(filepath.Join(dir, anchorDir), anchor, circle.AnchorOptions{})
	if err != nil {
		return fmt.Errorf("restore edge: %w", err)
	}
	return a.Close()
}

// unpack writes the known files and returns the anchor's part.
func unpack(dir string, r io.Reader) (anchor []byte, err error) {
	t := tar.NewReader(r)
	seen := map[string]bool{}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("this is no backup of an edge: %w", err)
		}
		if h.Typeflag != tar.TypeReg || seen[h.Name] || h.Size > maxBackupFile || len(seen) == 0 && h.Name != backupFormat {
			return nil, errors.New("this is no backup of an edge")
		}
		seen[h.Name] = true
		if anchor, err = unpackOne(dir, h.Name, t, anchor); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{backupFormat, backupAnchor, registryFile, historyFile} {
		if !seen[name] {
			return nil, fmt.Errorf("the backup is not complete: %s is missing", name)
		}
	}
	return anchor, nil
}

func unpackOne(dir, name string, from io.Reader, anchor []byte) ([]byte, error) {
	switch name {
	case backupFormat:
		b, err := io.ReadAll(io.LimitReader(from, int64(len(backupVersion))+1))
		if err != nil || string(b) != backupVersion {
			return nil, errors.New("this is no backup of an edge, or one of a newer version")
		}
		return anchor, nil
	case backupAnchor:
		return io.ReadAll(io.LimitReader(from, 64<<20))
	case registryFile, historyFile:
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(f, from)
		return anchor, errors.Join(err, f.Sync(), f.Close())
	}
	return nil, fmt.Errorf("the backup holds a file of no known name: %.60q", name)
}

// Backup writes a backup of the edge of a state folder: asks the one that runs
// on it, else opens the folder itself.
func Backup(dir string, w io.Writer) error {
	err := NewControl(dir).Backup(context.Background(), w)
	if !errors.Is(err, ErrNotRunning) {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, anchorDir)); err != nil {
		return fmt.Errorf("back up edge: there is no edge in %s: %w", dir, err)
	}
	e, err := Open(Config{Dir: dir, Zigbee2MQTT: Off, HomeAssistant: Off})
	if err != nil {
		return err
	}
	return errors.Join(e.Backup(w), e.Close())
}
