package local

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A running `primum local` registers where the keys of its two addresses are,
// so that the commands it prints need no environment: a folder of this user,
// mode 0700, with one file per address.

// registerDir is the register of this user.
func registerDir() string {
	base := os.Getenv("XDG_RUNTIME_DIR")
	if base == "" {
		base = os.TempDir()
	}
	return filepath.Join(base, fmt.Sprintf("primum-local-register-%d", os.Getuid()))
}

// register notes the home of the addresses, and the data directories of nodes by
// their domains; it returns the folder to remove at the end.
func register(home string, nodes map[string]string, addresses ...string) (string, error) {
	dir := registerDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make register: %w", err)
	}
	if err := ownedByUs(dir); err != nil {
		return "", err
	}
	own := filepath.Join(dir, filepath.Base(filepath.Dir(home)))
	if err := os.MkdirAll(own, 0o700); err != nil {
		return "", fmt.Errorf("make register: %w", err)
	}
	places := maps.Clone(nodes)
	for _, a := range addresses {
		places[a] = home
	}
	for name, place := range places {
		if err := os.WriteFile(filepath.Join(own, name), []byte(place), 0o600); err != nil {
			return own, fmt.Errorf("write register: %w", err)
		}
	}
	return own, nil
}

// ownedByUs refuses a register that another user of the machine laid out.
func ownedByUs(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Getuid() || info.Mode().Perm() != 0o700 {
		return fmt.Errorf("%s is not a private folder of yours; remove it", dir)
	}
	return nil
}

// Home is where a running `primum local` keeps the keys of an address; false
// when none does. With an empty address: of any.
func Home(address string) (string, bool) {
	return registered(func(name string) bool {
		return strings.Contains(name, "@") && (address == "" || name == address)
	})
}

// NodeDir is the data directory of the node that a running `primum local` has
// for a domain; false when none does.
func NodeDir(domain string) (string, bool) {
	return registered(func(name string) bool { return name == domain })
}

// registered is the first place in the register that still is there.
func registered(wanted func(name string) bool) (string, bool) {
	dir := registerDir()
	if ownedByUs(dir) != nil {
		return "", false
	}
	found := ""
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !wanted(d.Name()) {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil {
			if _, statErr := os.Stat(string(b)); statErr == nil {
				found = string(b)
				return fs.SkipAll
			}
		}
		return err
	})
	return found, found != "" && (err == nil || errors.Is(err, fs.SkipAll))
}
