package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"primum/identity"
	"primum/internal/durable"
	"primum/internal/node"
	"primum/internal/words"
)

// ServiceUser is the user of the packaged service. What root sets up is its.
const ServiceUser = "primum"

// ErrOther means that a configuration is there already, of another domain or
// of a node that does not keep its certificate itself.
var ErrOther = errors.New("another configuration is there already")

// Placed is where set-up wrote.
type Placed struct {
	Config string `json:"config"`
	Data   string `json:"data"`
	Zone   string `json:"zone"` // the records, as lines of a zone file
	// Kept: the configuration was there already and stays as it is.
	Kept bool `json:"kept"`
}

// ZoneFile is where the records of a domain lie beside its configuration.
func ZoneFile(config, domain string) string {
	return filepath.Join(filepath.Dir(config), domain+".zone")
}

// Write makes the directory, the node's key, the configuration and the file of
// records. A configuration that is there stays, and its node is returned; the
// file of records is written anew. Errors: ErrOther.
func Write(w *words.Words, file string, c node.Config, records []Record, now time.Time) (node.Config, Placed, error) {
	p := Placed{Config: file, Zone: ZoneFile(file, c.Authority)}
	kept, err := node.LoadConfig(file)
	switch {
	case err == nil && (!sameDomain(kept.Authority, c.Authority) || kept.ACME == nil):
		return c, p, fmt.Errorf("%w: %s of %s", ErrOther, file, kept.Authority)
	case err == nil:
		c, p.Kept = kept, true
	case !errors.Is(err, fs.ErrNotExist):
		return c, p, err
	}
	p.Data = c.DataDir
	if err := node.Prepare(c); err != nil {
		return c, p, err
	}
	if !p.Kept {
		text, err := ConfigText(w, c, now)
		if err == nil {
			err = place(file, text)
		}
		if err != nil {
			return c, p, err
		}
	}
	return c, p, place(p.Zone, []byte(Zone(records)))
}

func sameDomain(a, b string) bool {
	a, err := identity.ParseAuthority(a)
	return err == nil && a == b
}

// place writes a file that everybody on the machine may read: it holds nothing
// secret.
func place(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if b, err := os.ReadFile(file); err == nil && bytes.Equal(b, text) {
		return nil
	}
	if err := durable.WriteFile(file, text); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// HandOver gives a node's directory to the packaged service's user where root
// made it and there is such a user; else it does nothing.
func HandOver(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup(ServiceUser)
	if err != nil {
		return nil // no package: whoever starts the node owns it
	}
	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	if errUID != nil || errGID != nil {
		return nil
	}
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
	if err != nil {
		return fmt.Errorf("hand %s over to %s: %w", dir, ServiceUser, err)
	}
	return nil
}

// ReadRecords reads the records that were printed for a domain. Errors:
// fs.ErrNotExist, ErrRecords.
func ReadRecords(file, domain string) ([]Record, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	return ParseRecords(string(b), strings.TrimSuffix(domain, "."))
}
