package local

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"primum/client"
	"primum/client/vault"
	"primum/internal/store"
	"primum/internal/wire"
)

// Bytes shows, beside a running `primum local`, the next values that the
// adviser opens and what lies in node H's database for each.
func Bytes(ctx context.Context, o Options, values int) (err error) {
	home, ok := Home("")
	if !ok {
		return errors.New("no `primum local` runs here; start it in another terminal")
	}
	address, err := adviserIn(home)
	if err != nil {
		return err
	}
	v, err := vault.Open(home, address, "primum local bytes")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	options, err := v.Options(o.Transport)
	if err != nil {
		return err
	}
	c, err := client.Open(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if _, err := c.Sync(ctx); err != nil {
		return err
	}
	target, err := c.Find(shared)
	if err != nil {
		return err
	}
	log := filepath.Join(filepath.Dir(home), "node-h", "store")
	say(o, "local.bytes", "Address", address, "File", filepath.Join(log, "log.db"))
	for v := range c.WatchTarget(ctx, target) {
		if v.State != "" || len(v.Value) == 0 {
			continue
		}
		f, err := store.Newest(ctx, log, wire.CircleID(target.Circle))
		if err != nil {
			return err
		}
		say(o, "local.bytes.one", "Value", fmt.Sprintf("%s %-8s", v.Value, v.Unit), "Number", f.Seq, "Bytes", len(f.Message), "Epoch", f.Epoch, "Dump", dump(o, f.Message))
		if values--; values <= 0 {
			break
		}
	}
	return ctx.Err()
}

// adviserIn finds the adviser's address among the identities of a game.
func adviserIn(home string) (string, error) {
	all, err := vault.List(home)
	if err != nil {
		return "", err
	}
	for _, a := range all {
		if strings.HasPrefix(a, adviserUser+"@"+adviserHost) {
			return a, nil
		}
	}
	return "", fmt.Errorf("no adviser's keys in %s", home)
}

// dump is a hex dump, indented, of at most eight lines.
func dump(o Options, b []byte) string {
	const lines = 8
	out := hex.Dump(b[:min(len(b), lines*16)])
	if len(b) > lines*16 {
		out += o.Words.Get("local.bytes.more", "Bytes", len(b)-lines*16) + "\n"
	}
	return "    " + strings.ReplaceAll(strings.TrimRight(out, "\n"), "\n", "\n    ") + "\n"
}
