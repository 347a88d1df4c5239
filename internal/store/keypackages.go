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
	Ref        []byte // its hash reference: a package is taken once
	LastResort bool
	NotAfter   time.Time
	Bytes      []byte
}

// KeyPackages are the stocks of this node's accounts' clients.
type KeyPackages struct{ f *file }

// Publish adds one-time packages to a client's stock and, unless it is nil,
// replaces its package of last resort. A package that was published before,
// taken or not, is passed over. ErrQuota if more than limit one-time packages
// would be in stock; then nothing is added.
func (k *KeyPackages) Publish(ctx context.Context, oneTime []KeyPackage, lastResort *KeyPackage, limit int, now time.Time) error {
	return k.f.writer.do(ctx, "keep key packages", func(t *tx) error {
		if lastResort != nil {
			if err := t.lastResort(*lastResort); err != nil {
				return err
			}
		}
		for _, p := range oneTime {
			if err := t.keyPackage(p); err != nil {
				return err
			}
			if n, err := t.stock(p.Account, p.Client, now); err != nil || n > limit {
				return errors.Join(err, ErrQuota)
			}
		}
		return nil
	})
}

func (t *tx) keyPackage(p KeyPackage) error {
	_, err := t.exec(`INSERT OR IGNORE INTO key_packages (ref, account, client, last_resort, not_after, bytes) VALUES (?, ?, ?, ?, ?, ?)`,
		p.Ref, p.Account, p.Client, p.LastResort, ms(p.NotAfter), p.Bytes)
	return err
}

func (t *tx) lastResort(p KeyPackage) error {
	p.LastResort = true
	if _, err := t.exec(`DELETE FROM key_packages WHERE account = ? AND client = ? AND last_resort AND ref <> ?`,
		p.Account, p.Client, p.Ref); err != nil {
		return err
	}
	return t.keyPackage(p)
}

func (t *tx) stock(account, client string, now time.Time) (int, error) {
	n, err := t.number(`SELECT count(*) FROM key_packages
		WHERE account = ? AND client = ? AND NOT last_resort AND claimed IS NULL AND not_after > ?`, account, client, ms(now))
	return int(n), err
}

// Claim takes one package of each client named: a one-time package, which is
// given out once, else the package of last resort. Clients without any are
// left out. The order is that of clients.
func (k *KeyPackages) Claim(ctx context.Context, account string, clients []string, now time.Time) ([]KeyPackage, error) {
	return result(ctx, k.f.writer, "claim key packages", func(t *tx) ([]KeyPackage, error) {
		var claimed []KeyPackage
		for _, client := range clients {
			p, err := t.claim(account, client, now)
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

func (t *tx) claim(account, client string, now time.Time) (p KeyPackage, err error) {
	var notAfter int64
	err = t.row(`SELECT account, client, ref, last_resort, not_after, bytes FROM key_packages
		WHERE account = ? AND client = ? AND claimed IS NULL AND not_after > ? ORDER BY last_resort, not_after LIMIT 1`,
		account, client, ms(now)).Scan(&p.Account, &p.Client, &p.Ref, &p.LastResort, &notAfter, &p.Bytes)
	p.NotAfter = at(notAfter)
	if err != nil || p.LastResort {
		return p, err
	}
	// The reference stays, so that the package can't be published again.
	_, err = t.exec(`UPDATE key_packages SET claimed = ?, bytes = NULL WHERE ref = ?`, ms(now), p.Ref)
	return p, err
}

// Count is a client's stock.
func (k *KeyPackages) Count(ctx context.Context, account, client string, now time.Time) (oneTime int, lastResort bool, err error) {
	n, err := one(ctx, k.f, "stock of key packages", func(r row) (n [2]int, err error) { return n, r.Scan(&n[0], &n[1]) },
		`SELECT count(*) FILTER (WHERE NOT last_resort), count(*) FILTER (WHERE last_resort) FROM key_packages
		WHERE account = ? AND client = ? AND claimed IS NULL AND not_after > ?`, account, client, ms(now))
	return n[0], n[1] > 0, err
}

// Drop erases the stock of clients of an account that aren't in keep.
func (k *KeyPackages) Drop(ctx context.Context, account string, keep []string) error {
	return k.f.writer.do(ctx, "drop key packages", func(t *tx) error {
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
			if _, err := t.exec(`DELETE FROM key_packages WHERE account = ? AND client = ?`, account, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// Trim forgets packages whose time is over.
func (k *KeyPackages) Trim(ctx context.Context, now time.Time) error {
	return k.f.writer.do(ctx, "trim key packages", func(t *tx) error {
		_, err := t.exec(`DELETE FROM key_packages WHERE not_after <= ?`, ms(now))
		return err
	})
}
