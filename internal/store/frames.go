package store

import (
	"context"
	"time"

	"primum/internal/wire"
)

// Kind says what a frame carries.
type Kind uint8

// Kinds of frames. The numbers are kept on disk.
const (
	KindApplication Kind = 1
	KindProposal    Kind = 2
	KindCommit      Kind = 3
	KindWelcome     Kind = 4
	KindKeyPackage  Kind = 5 // of a client that lost its state; of no epoch
)

// Frame is one message of a circle as it is kept.
type Frame struct {
	Seq     uint64
	Kind    Kind
	Epoch   uint64 // of a commit: the epoch that it ends
	Message []byte
}

// updateEvery is how often one leaf may propose an Update.
const updateEvery = time.Hour

// Append is one message to add, and what it compares with.
type Append struct {
	Circle  wire.CircleID
	Kind    Kind   // not KindWelcome
	Epoch   uint64 // must be the circle's, except of KindKeyPackage
	Message []byte
	Welcome []byte // KindCommit: nil, or what is released with it
	Now     time.Time

	// Tracker is the circle's view afterwards: of a commit and a proposal.
	Tracker []byte
	// Leaf is who proposes (KindProposal); one may once an hour, else *TooSoon.
	Leaf uint32
	// Left and Joined are the leaves that a commit blanked, then filled.
	Left, Joined []uint32
	// Last marks a commit that removes every other leaf: it passes a fence,
	// once, and then nothing follows it.
	Last bool
	// Commitment of a commit is the leaf that commits to the epoch that it
	// begins; zero: none.
	Commitment [32]byte
	// MaxBytes bounds the bytes kept in the circle; 0: no bound. Else ErrQuota.
	MaxBytes int64
}

// Appended is the answer to an append.
type Appended struct {
	Seq       uint64
	WelcomeAt uint64 // sequence number of the Welcome; 0: none
	Epoch     uint64 // of the circle afterwards
}

// Submit queues an append and returns; it blocks only while thousands wait.
// done is called once, when the append is durable or refused; calls come one
// after the other, and those of one circle in the order of its sequence. It
// must not block. Errors: *Stale, *Fenced, *TooSoon, ErrNotFound, ErrQuota, and
// those of the disk.
func (c *Circles) Submit(a Append, done func(Appended, error)) {
	var result Appended
	c.f.writer.submit(job{
		safe: a.Kind == KindApplication,
		run:  func(t *Tx) (err error) { result, err = t.append(a); return err },
		done: func(err error) { done(result, typed("append to circle", err)) },
	})
}

// Append is Submit for one who waits.
func (c *Circles) Append(ctx context.Context, a Append) (Appended, error) {
	type outcome struct {
		Appended
		err error
	}
	answered := make(chan outcome, 1)
	c.Submit(a, func(r Appended, err error) { answered <- outcome{r, err} })
	select {
	case o := <-answered:
		return o.Appended, o.err
	case <-ctx.Done():
		return Appended{}, ctx.Err()
	}
}

// append compares and appends, inside the writer's transaction.
func (t *Tx) append(a Append) (Appended, error) {
	r, err := t.circle(a.Circle)
	if err != nil {
		return Appended{}, err
	}
	if err := admit(r, a); err != nil {
		return Appended{}, err
	}
	if a.Kind == KindProposal {
		if err := t.proposed(r, a); err != nil {
			return Appended{}, err
		}
	}
	done := Appended{Seq: r.Head + 1, Epoch: r.Epoch}
	if err := t.frame(r, a.Kind, r.Epoch, a.Message); err != nil {
		return Appended{}, err
	}
	if a.Kind == KindCommit {
		err = t.committed(r, a, &done)
	}
	return done, err
}

// admit compares an append with the circle; it changes nothing.
func admit(r *circleRow, a Append) error {
	switch ended := r.EndedAt(a.Now); {
	case r.Closed, ended != nil && !(a.Last && ended.Reason != FenceRestored):
		if ended == nil {
			ended = &Fenced{Reason: r.Fence, At: r.Fenced}
		}
		return ended
	case a.Epoch != r.Epoch && a.Kind != KindKeyPackage:
		return &Stale{Epoch: r.Epoch}
	case a.MaxBytes > 0 && r.Bytes+int64(len(a.Message)+len(a.Welcome)) > a.MaxBytes:
		return ErrQuota
	}
	return nil
}

func (t *Tx) frame(r *circleRow, kind Kind, epoch uint64, message []byte) error {
	if _, err := t.Exec(`INSERT INTO frames (circle, seq, kind, epoch, bytes) VALUES (?, ?, ?, ?, ?)`,
		r.id, r.Head+1, kind, epoch, message); err != nil {
		return err
	}
	r.Head++
	r.Bytes += int64(len(message))
	r.dirty = true
	return nil
}

// proposed enforces the hour between two Updates of a leaf, and keeps the
// tracker's view, which knows the proposal from now on.
func (t *Tx) proposed(r *circleRow, a Append) error {
	last, err := t.Number(`SELECT coalesce(max(updated), 0) FROM leaves WHERE circle = ? AND leaf = ?`, r.id, a.Leaf)
	if err != nil {
		return err
	}
	if next := at(last).Add(updateEvery); last != 0 && a.Now.Before(next) {
		return &TooSoon{Until: next}
	}
	if _, err := t.Exec(`INSERT INTO leaves (circle, leaf, since, updated) VALUES (?, ?, 1, ?)
		ON CONFLICT (circle, leaf) DO UPDATE SET updated = excluded.updated`, r.id, a.Leaf, ms(a.Now)); err != nil {
		return err
	}
	return t.turn(r, r.Epoch, a.Tracker, a.Now)
}

// committed turns the epoch and releases the Welcome.
func (t *Tx) committed(r *circleRow, a Append, done *Appended) error {
	for _, leaf := range a.Left {
		if _, err := t.Exec(`DELETE FROM leaves WHERE circle = ? AND leaf = ?`, r.id, leaf); err != nil {
			return err
		}
	}
	if err := t.seat(r.id, a.Joined, done.Seq); err != nil {
		return err
	}
	if err := t.turn(r, r.Epoch+1, a.Tracker, a.Now); err != nil {
		return err
	}
	if a.Commitment != [32]byte{} {
		if _, err := t.Exec(`INSERT INTO commitments (hash) VALUES (?)`, a.Commitment[:]); err != nil {
			return err
		}
	}
	if a.Welcome != nil {
		if err := t.frame(r, KindWelcome, r.Epoch, a.Welcome); err != nil {
			return err
		}
		r.Welcome, done.WelcomeAt = r.Head, r.Head
	}
	if a.Last && r.EndedAt(a.Now) != nil {
		r.Closed, r.dirty = true, true
	}
	done.Epoch = r.Epoch
	return nil
}

// Read returns the circle and its frames after a sequence number, oldest
// first, at most maxFrames and about maxBytes (one frame at least). It doesn't
// judge: the caller looks at the circle's fence.
func (c *Circles) Read(ctx context.Context, id wire.CircleID, after uint64, maxFrames, maxBytes int) (Circle, []Frame, error) {
	r, err := One(ctx, c.f, "circle", scanCircleRow, `SELECT `+circleColumns+` FROM circles WHERE circle = ?`, id[:])
	if err != nil || r.Head <= after {
		return r.Circle, nil, err
	}
	stmt, err := c.f.prepared(ctx, `SELECT seq, kind, epoch, bytes FROM frames WHERE circle = ? AND seq > ? ORDER BY seq LIMIT ?`)
	if err != nil {
		return r.Circle, nil, c.f.failed("read frames", err)
	}
	rows, err := stmt.QueryContext(ctx, r.id, after, maxFrames)
	if err != nil {
		return r.Circle, nil, c.f.failed("read frames", err)
	}
	defer func() { _ = rows.Close() }()
	var frames []Frame
	for size := 0; size < maxBytes && rows.Next(); {
		var f Frame
		if err := rows.Scan(&f.Seq, &f.Kind, &f.Epoch, &f.Message); err != nil {
			return r.Circle, nil, c.f.failed("read frames", err)
		}
		size += len(f.Message)
		frames = append(frames, f)
	}
	return r.Circle, frames, c.f.failed("read frames", rows.Err())
}

// Trim erases the frames of epochs whose retention is over, whole epochs only,
// and every frame of circles that were ended (not merely restored), which
// nobody will read. It works in steps of limit circles and returns how many it
// shortened; call it until that is 0.
func (c *Circles) Trim(ctx context.Context, now time.Time, limit int) (shortened int, err error) {
	return result(ctx, c.f.writer, "trim circles", func(t *Tx) (int, error) {
		old, err := t.oldEpochs(now, limit)
		if err != nil {
			return 0, err
		}
		for _, o := range old {
			if err := t.shorten(o.id, o.first); err != nil {
				return 0, err
			}
		}
		return len(old), nil
	})
}

type cut struct {
	id    wire.CircleID
	first uint64 // first sequence number that stays
}

func (t *Tx) oldEpochs(now time.Time, limit int) ([]cut, error) {
	s, err := t.stmt(`SELECT c.circle, max(n.first) FROM epochs e
			JOIN circles c ON c.id = e.circle
			JOIN epochs n ON n.circle = e.circle AND n.epoch = (SELECT min(epoch) FROM epochs WHERE circle = e.circle AND epoch > e.epoch)
			WHERE e.erase IS NOT NULL AND e.erase <= ?1 GROUP BY c.id
		UNION ALL
		SELECT circle, head + 1 FROM circles WHERE fence <> '' AND fence <> '` + FenceRestored + `' AND head >= oldest AND fenced <= ?1
		LIMIT ?2`)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(ms(now), limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var cuts []cut
	for rows.Next() {
		var o cut
		var id []byte
		if err := rows.Scan(&id, &o.first); err != nil {
			return nil, err
		}
		copy(o.id[:], id)
		cuts = append(cuts, o)
	}
	return cuts, rows.Err()
}

// shorten erases a circle's frames before first, and the epochs they were of.
func (t *Tx) shorten(id wire.CircleID, first uint64) error {
	r, err := t.circle(id)
	if err != nil {
		return err
	}
	size, err := t.Number(`SELECT coalesce(sum(length(bytes)), 0) FROM frames WHERE circle = ? AND seq < ?`, r.id, first)
	if err != nil {
		return err
	}
	if _, err := t.Exec(`DELETE FROM frames WHERE circle = ? AND seq < ?`, r.id, first); err != nil {
		return err
	}
	if _, err := t.Exec(`DELETE FROM epochs WHERE circle = ?1 AND erase IS NOT NULL AND epoch <
		(SELECT max(epoch) FROM epochs WHERE circle = ?1 AND first <= ?2)`, r.id, first); err != nil {
		return err
	}
	r.Bytes -= size
	r.Oldest = max(r.Oldest, first)
	r.dirty = true
	return nil
}

// Totals are the number of circles and about the number of frames ever taken,
// for a status page.
func (c *Circles) Totals(ctx context.Context) (circles, frames int64, err error) {
	n, err := One(ctx, c.f, "totals", func(r Row) (n [2]int64, err error) { return n, r.Scan(&n[0], &n[1]) },
		`SELECT count(*), coalesce(sum(head & 0xffffffff), 0) FROM circles`)
	return n[0], n[1], err
}
