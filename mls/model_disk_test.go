package mls

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"

	"primum/mls/internal/codec"
)

// disk is the store of one member of a model: one file that is replaced by
// writing another beside it, syncing and renaming it, as internal/durable
// does. A crash can strike between any two of these steps. When the process
// dies, what it wrote is there; when the power goes, what was not synced is
// torn, and a rename whose directory was not synced may be undone.
type disk struct {
	path string
	torn bool // a control: writes in place
}

// Places where a write can be struck.
const (
	strikeOpened  = iota // the other file is made and empty
	strikePart           // part of it is written
	strikeWritten        // all of it, not synced
	strikeSynced         // synced, not renamed
	strikeRenamed        // renamed, the directory not synced
	strikeDone           // durable, and nobody was told
	strikes
)

// strike is a crash in a write.
type strike struct {
	at    int
	power bool // the power goes, not only the process
}

var errStruck = errors.New("crashed while writing")

func (d *disk) temp() string { return d.path + ".tmp" }

// write replaces the file, or is struck.
func (d *disk) write(b []byte, hit *strike, pick *rand.Rand) error {
	old, err := os.ReadFile(d.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	name := d.temp()
	if d.torn {
		name = d.path
	}
	part := pick.IntN(len(b))
	steps := []func() error{
		strikeOpened:  func() error { return os.WriteFile(name, nil, 0o600) },
		strikePart:    func() error { return appendFile(name, b[:part]) },
		strikeWritten: func() error { return appendFile(name, b[part:]) },
		strikeSynced:  func() error { return nil }, // the model decides what a sync saved
		strikeRenamed: func() error { return os.Rename(name, d.path) },
		strikeDone:    func() error { return nil },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return err
		}
		if hit != nil && hit.at == i {
			if hit.power {
				err = d.powerLoss(i, old, pick)
			}
			return errors.Join(errStruck, err)
		}
	}
	return nil
}

func appendFile(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// powerLoss leaves of a write what a file system may leave of it.
func (d *disk) powerLoss(at int, old []byte, pick *rand.Rand) error {
	switch {
	case at < strikeSynced && !d.torn:
		return damage(d.temp(), pick)
	case at == strikeRenamed && old != nil && pick.IntN(2) == 0: // the rename is undone
		return errors.Join(os.Rename(d.path, d.temp()), os.WriteFile(d.path, old, 0o600))
	}
	return nil
}

// damage loses the end of a file, or all that its blocks held.
func damage(name string, pick *rand.Rand) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	from := 0
	if len(b) > 0 {
		from = pick.IntN(len(b))
	}
	if pick.IntN(2) == 0 {
		b = b[:from]
	} else {
		clear(b[from:])
	}
	return os.WriteFile(name, b, 0o600)
}

// read is what a restarted process finds; it clears the other file away.
func (d *disk) read() ([]byte, error) {
	if err := os.Remove(d.temp()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return os.ReadFile(d.path)
}

// record is what a member stores in one write: its group, or the private keys
// of its key package before it joined, and what it has made and not handed to
// the network, or opened and shown, since the state before.
type record struct {
	serial uint64
	state  []byte
	key    []byte
	outbox [][]byte
	opened uint64 // id of the letter whose content is shown with this write
}

func (r *record) bytes() []byte {
	w := codec.NewWriter(make([]byte, 0, len(r.state)+1024))
	w.U64(r.serial)
	w.Bytes(r.state)
	w.Bytes(r.key)
	w.U32(uint32(len(r.outbox)))
	for _, b := range r.outbox {
		w.Bytes(b)
	}
	w.U64(r.opened)
	return w.Out()
}

func readRecord(b []byte) (*record, error) {
	r := codec.NewReader(b)
	out := &record{serial: r.U64(), state: bytes.Clone(r.Bytes()), key: bytes.Clone(r.Bytes())}
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		out.outbox = append(out.outbox, bytes.Clone(r.Bytes()))
	}
	out.opened = r.U64()
	return out, r.Close()
}
