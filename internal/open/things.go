package open

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"primum/internal/store"
	"primum/thing"
)

func (b *Book) now() time.Time { return b.o.Clock.Now().UTC().Truncate(time.Millisecond) }

// PutThing makes or replaces a thing of a service that exists; created tells
// which. Values of properties that its description has no more go. Errors:
// ErrUnknown (no such service), *Invalid, store.ErrQuota, or what Free and Linked
// say.
func (b *Book) PutThing(ctx context.Context, t Thing) (created bool, err error) {
	if err := thing.CheckName(t.Name); err != nil {
		return false, &Invalid{"", err.Error()}
	}
	text, err := json.Marshal(t.Description)
	if err != nil {
		return false, fmt.Errorf("put open thing: %w", err)
	}
	if err := b.checkMore(t); err != nil {
		return false, err
	}
	if b.o.Free != nil {
		if err := b.o.Free(ctx, t); err != nil {
			return false, err
		}
	}
	t.Modified = b.now()
	if err := b.unlinkOld(ctx, t); err != nil {
		return false, err
	}
	var isNew bool // written by the job, read after it
	err = b.file.Change(ctx, "put open thing", func(tx *store.Tx) error {
		isNew, err = putThing(tx, t, string(text))
		return err
	})
	if err == nil && b.o.Linked != nil {
		err = b.o.Linked(ctx, t, false)
	}
	return err == nil && isNew, err
}

// checkMore asks Check about what every reader will get.
func (b *Book) checkMore(t Thing) error {
	if b.o.Check == nil {
		return nil
	}
	text, err := json.Marshal(t.Served(example))
	if err != nil {
		return fmt.Errorf("put open thing: %w", err)
	}
	return b.o.Check(text)
}

// unlinkOld tells of a thing that is to get another key or id.
func (b *Book) unlinkOld(ctx context.Context, t Thing) error {
	if b.o.Linked == nil {
		return nil
	}
	old, err := b.Thing(ctx, t.Service, t.Name)
	if errors.Is(err, ErrUnknown) || err == nil && old.Key == t.Key && old.Description.ID == t.Description.ID {
		return nil
	}
	if err != nil {
		return err
	}
	return b.o.Linked(ctx, old, true)
}

func putThing(tx *store.Tx, t Thing, text string) (isNew bool, err error) {
	if n, err := tx.Number("SELECT count(*) FROM service WHERE name = ?", t.Service); err != nil || n == 0 {
		return false, errors.Join(err, ErrUnknown)
	}
	id, err := tx.Number("SELECT coalesce(max(id), 0) FROM thing WHERE service = ? AND name = ?", t.Service, t.Name)
	if err != nil {
		return false, err
	}
	if id == 0 {
		if all, err := tx.Number("SELECT count(*) FROM thing"); err != nil || all >= MaxThings {
			return false, quota(err)
		}
		_, err := tx.Exec("INSERT INTO thing (service, name, description, key, class, modified) VALUES (?, ?, ?, ?, ?, ?)",
			t.Service, t.Name, text, t.Key, t.Class, t.Modified.UnixMilli())
		return true, err
	}
	if _, err := tx.Exec("UPDATE thing SET description = ?, key = ?, class = ?, modified = ? WHERE id = ?", text, t.Key, t.Class, t.Modified.UnixMilli(), id); err != nil {
		return false, err
	}
	return false, dropSeries(tx, `thing = ? AND property NOT IN (SELECT j.key FROM json_each(?, '$.properties') j)`, id, text)
}

// dropSeries erases the series that a condition names, with their values.
func dropSeries(tx *store.Tx, where string, args ...any) error {
	for _, query := range []string{
		"DELETE FROM value WHERE series IN (SELECT id FROM series WHERE " + where + ")",
		"DELETE FROM hour WHERE series IN (SELECT id FROM series WHERE " + where + ")",
		"DELETE FROM series WHERE " + where,
	} {
		if _, err := tx.Exec(query, args...); err != nil {
			return err
		}
	}
	return nil
}

// RemoveThing erases a thing and its values. What others keep of it goes first:
// when the node stops in between, the thing is there to be removed again.
// Errors: ErrUnknown, or what Linked says.
func (b *Book) RemoveThing(ctx context.Context, service, name string) error {
	t, err := b.Thing(ctx, service, name)
	if err != nil {
		return err
	}
	if b.o.Linked != nil {
		if err := b.o.Linked(ctx, t, true); err != nil {
			return err
		}
	}
	return b.file.Change(ctx, "remove open thing", func(tx *store.Tx) error {
		if err := dropSeries(tx, "thing = ?", t.id); err != nil {
			return err
		}
		_, err := tx.Exec("DELETE FROM thing WHERE id = ?", t.id)
		return err
	})
}

const thingColumns = "SELECT id, service, name, description, key, class, modified FROM thing "

// Thing reads one thing. Errors: ErrUnknown.
func (b *Book) Thing(ctx context.Context, service, name string) (Thing, error) {
	t, err := store.One(ctx, b.file, "open thing", scanThing, thingColumns+"WHERE service = ? AND name = ?", service, name)
	return t, known(err)
}

// Things lists at most limit things of a service by name, those after a name.
func (b *Book) Things(ctx context.Context, service, after string, limit int) ([]Thing, error) {
	return store.Many(ctx, b.file, "open things", scanThing, thingColumns+"WHERE service = ? AND name > ? ORDER BY name LIMIT ?", service, after, page(limit))
}

// OfClass lists at most limit things of a product code: the path of a GS1 key
// without a serial, or with fewer qualifiers. An empty class has none.
func (b *Book) OfClass(ctx context.Context, class string, limit int) ([]Thing, error) {
	return store.Many(ctx, b.file, "open things", scanThing, thingColumns+
		"WHERE class <> '' AND (class = ?1 OR class >= ?1 || '/' AND class < ?1 || '0') ORDER BY key, id LIMIT ?2", class, page(limit)) // '0' follows '/'
}

// Count is how many things a service has.
func (b *Book) Count(ctx context.Context, service string) (int64, error) {
	return b.file.Read(ctx, "open things", "SELECT count(*) FROM thing WHERE service = ?", service)
}

func page(limit int) int { return max(0, min(limit, MaxPage)) }

func scanThing(r store.Row) (t Thing, err error) {
	var text string
	var modified int64
	if err := r.Scan(&t.id, &t.Service, &t.Name, &text, &t.Key, &t.Class, &modified); err != nil {
		return t, err
	}
	t.Modified = time.UnixMilli(modified).UTC()
	t.Description = &thing.Description{}
	return t, json.Unmarshal([]byte(text), t.Description)
}
