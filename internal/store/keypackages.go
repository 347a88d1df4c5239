package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// KeyPackage is a client's MLS key package, checked by the caller.
type KeyPackage struct {
	Account    string
	Client     string
	Suite      uint16 // MLS cipher suite
	Ref        []byte // its hash reference: a package is taken once
	LastResort bool
	NotAfter   time.Time
	Bytes      []byte
}

// KeyPackages are the stocks of this node's accounts' clients.
type KeyPackages struct{ f *File }

// Publish adds one-time packages to a client's stock and, unless it is nil,
// replaces its package of last resort of that suite. A package that was published before,
// taken or not, is passed over. ErrQuota if more than limit one-time packages
// of a suite would be in stock; then nothing is added.
func (k *KeyPackages) Publish(ctx context.Context, oneTime []KeyPackage, lastResort *KeyPackage, limit int, now time.Time) error {
	return k.f.writer.do(ctx, "keep key packages", func(t *Tx) error {
		if lastResort != nil {
			if err := t.lastResort(*lastResort); err != nil {
				return err
			}
		}
		for _, p := range oneTime {
			if err := t.keyPackage(p); err != nil {
				return err
			}
			if n, err := t.stock(p, now); err != nil || n > limit {
				return errors.Join(err, ErrQuota)
			}
		}
		return nil
	})
}

func (t *Tx) keyPackage(p KeyPackage) error {
	_, err := t.Exec(`INSERT OR IGNORE INTO key_packages (ref, account, client, suite, last_resort, not_after, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		p.Ref, p.Account, p.Client, p.Suite, p.LastResort, ms(p.NotAfter), p.Bytes)
	return err
}

func (t *Tx) lastResort(p KeyPackage) error {
	p.LastResort = true
	if _, err := t.Exec(`DELETE FROM key_packages WHERE account = ? AND client = ? AND suite = ? AND last_resort AND ref <> ?`,
		p.Account, p.Client, p.Suite, p.Ref); err != nil {
		return err
	}
	return t.keyPackage(p)
}

// stock is how many one-time packages of p's suite its client has.
func (t *Tx) stock(p KeyPackage, now time.Time) (int, error) {
	n, err := t.Number(`SELECT count(*) FROM key_packages
		WHERE account = ? AND client = ? AND suite = ? AND NOT last_resort AND claimed IS NULL AND not_after > ?`,
		p.Account, p.Client, p.Suite, ms(now))
	return int(n), err
}

// Claim takes one package of a suite of each client named: a one-time package, which is
// given out once, else the package of last resort. Clients without any are
// left out. The order is that of clients.
func (k *KeyPackages) Claim(ctx context.Context, account string, suite uint16, clients []string, now time.Time) ([]KeyPackage, error) {
	return result(ctx, k.f.writer, "claim key packages", func(t *Tx) ([]KeyPackage, error) {
		var claimed []KeyPackage
		for _, client := range clients {
			p, err := t.claim(account, suite, client, now)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return nil, err
			}
			claimed = append(claimed, p)
		}
		return claimed, nil
	})
}

func (t *Tx) claim(account string, suite uint16, client string, now time.Time) (p KeyPackage, err error) {
	var notAfter int64
	err = t.Row(`SELECT account, client, suite, ref, last_resort, not_after, bytes FROM key_packages
		WHERE account = ? AND client = ? AND suite = ? AND claimed IS NULL AND not_after > ? ORDER BY last_resort, not_after LIMIT 1`,
		account, client, suite, ms(now)).Scan(&p.Account, &p.Client, &p.Suite, &p.Ref, &p.LastResort, &notAfter, &p.Bytes)
	p.NotAfter = at(notAfter)
	if err != nil || p.LastResort {
		return p, err
	}
	// The reference stays, so that the package can't be published again.
	_, err = t.Exec(`UPDATE key_packages SET claimed = ?, bytes = NULL WHERE ref = ?`, ms(now), p.Ref)
	return p, err
}

// Stock is what is left of a client's packages of one suite.
type Stock struct {
	Suite      uint16
	OneTime    int
	LastResort bool
}

// Count is a client's stock, by suite; a suite without any is left out.
func (k *KeyPackages) Count(ctx context.Context, account, client string, now time.Time) ([]Stock, error) {
	scan := func(r Row) (s Stock, err error) { return s, r.Scan(&s.Suite, &s.OneTime, &s.LastResort) }
	return Many(ctx, k.f, "stock of key packages", scan,
		`SELECT suite, count(*) FILTER (WHERE NOT last_resort), count(*) FILTER (WHERE last_resort) > 0 FROM key_packages
		WHERE account = ? AND client = ? AND claimed IS NULL AND not_after > ? GROUP BY suite ORDER BY suite`, account, client, ms(now))
}

// Drop erases the stock of clients of an account that aren't in keep.
func (k *KeyPackages) Drop(ctx context.Context, account string, keep []string) error {
	return k.f.writer.do(ctx, "drop key packages", func(t *Tx) error {
		keeps := map[string]bool{}
		for _, c := range keep {
			keeps[c] = true
		}
		clients, err := t.texts(`SELECT DISTINCT client FROM key_packages WHERE account = ?`, account)
		if err != nil {
			return err
		}
		for _, c := range clients {
			if keeps[c] {
				continue
			}
			if _, err := t.Exec(`DELETE FROM key_packages WHERE account = ? AND client = ?`, account, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// Trim forgets packages whose time is over.
func (k *KeyPackages) Trim(ctx context.Context, now time.Time) error {
	return k.f.writer.do(ctx, "trim key packages", func(t *Tx) error {
		_, err := t.Exec(`DELETE FROM key_packages WHERE not_after <= ?`, ms(now))
		return err
	})
}
