//go:build unix

package mls

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"primum/internal/durable"
)

const killDir = "PRIMUM_TEST_KILL_DIR"

// done is what the victim says after each write, and after each start.
type done struct {
	Serial uint64
	Opened uint64
	Sent   []byte `json:",omitempty"`
	Err    string `json:",omitempty"`
}

// wanted is what the victim is to do: open a message, or seal one.
type wanted struct {
	ID  uint64
	Msg []byte `json:",omitempty"`
}

// serveKilled is the child of TestModelKill: a member that opens and seals as
// ordered, and says what it did when it is durable.
func serveKilled(dir string, in *json.Decoder, out *json.Encoder) error {
	key, err := durable.ReadFile(filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "state")
	b, err := durable.ReadFile(file)
	if err != nil {
		return err
	}
	r, err := readRecord(b)
	if err != nil {
		return err
	}
	g, err := Load(Config{Signer: ed25519.PrivateKey(key)}, r.state)
	if err != nil {
		return err
	}
	for {
		said := done{Serial: r.serial, Opened: r.opened}
		if len(r.outbox) > 0 {
			said.Sent = r.outbox[0]
		}
		if err := out.Encode(said); err != nil {
			return err
		}
		if r, err = obeyOnce(g, r, file, in, out); err != nil {
			return err
		}
	}
}

// obeyOnce does what it is asked and stores it before it says so.
func obeyOnce(g *Group, r *record, file string, in *json.Decoder, out *json.Encoder) (*record, error) {
	for {
		var w wanted
		if err := in.Decode(&w); err != nil {
			return nil, err
		}
		next := &record{serial: r.serial + 1}
		if w.Msg != nil {
			if _, err := g.Process(w.Msg); err != nil {
				if err := out.Encode(done{Serial: r.serial, Err: err.Error()}); err != nil {
					return nil, err
				}
				continue
			}
			next.opened = w.ID
		} else {
			msg, err := g.Seal([]byte("from the victim"), nil, 0)
			if err != nil {
				return nil, err
			}
			next.outbox = [][]byte{msg}
		}
		var err error
		if next.state, err = g.MarshalBinary(); err != nil {
			return nil, err
		}
		return next, durable.WriteFile(file, next.bytes())
	}
}

// killer is the peer of the victim, and its oracle.
type killer struct {
	*lab
	dir    string
	alice  *party
	serial uint64 // acknowledged last
	opened map[uint64]uint64
	sent   map[string]bool
	flight *wanted // asked and not answered
	ids    uint64
	acks   int
}

// TestModelKill kills a member's process at random instants, 15 times over the
// same files of internal/durable: what was acknowledged is there, no message
// is opened twice, no key seals two messages that left it.
func TestModelKill(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	l := newLab(t, seed, 2)
	k := &killer{lab: l, dir: t.TempDir(), alice: l.parties["client-1"], opened: map[uint64]uint64{}, sent: map[string]bool{}}
	bob := l.parties["client-2"]
	l.must(durable.WriteFile(filepath.Join(k.dir, "key"), bob.cfg.Signer.(ed25519.PrivateKey)))
	l.must(durable.WriteFile(filepath.Join(k.dir, "state"), (&record{state: l.bytesOf(bob)}).bytes()))
	random := rand.New(rand.NewPCG(seed, 0))
	for range 15 {
		k.round(1+random.IntN(12), time.Duration(random.IntN(3000))*time.Microsecond)
	}
	t.Logf("%d writes acknowledged, %d messages opened, %d sent", k.acks, len(k.opened), len(k.sent))
}

// round runs the victim until it is killed, some time after its n-th answer.
func (k *killer) round(n int, later time.Duration) {
	k.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killDir+"="+k.dir)
	in, err := cmd.StdinPipe()
	k.must(err)
	r, w, err := os.Pipe()
	k.must(err)
	var said bytes.Buffer
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = []*os.File{w}, &said, &said
	k.must(cmd.Start())
	k.must(w.Close())
	defer func() { _ = r.Close() }()
	orders, answers := json.NewEncoder(in), json.NewDecoder(r)
	for i := 0; ; i++ {
		var d done
		if answers.Decode(&d) != nil { // killed
			break
		}
		k.judge(&d, i == 0)
		if i+1 == n {
			// The instant is random on purpose; nothing waits for it.
			time.AfterFunc(later, func() { _ = cmd.Process.Kill() })
		}
		if orders.Encode(k.next()) != nil {
			break
		}
	}
	_ = cmd.Wait() // killed: an error by design
	if said.Len() > 0 {
		k.t.Fatalf("the victim says: %s", said.String())
	}
}

// next asks again for what was under way, or for something new.
func (k *killer) next() *wanted {
	k.t.Helper()
	if k.flight != nil {
		return k.flight
	}
	k.ids++
	k.flight = &wanted{ID: k.ids}
	if k.pick.IntN(2) == 0 {
		msg, err := k.alice.g.Seal([]byte("to the victim"), nil, 0)
		k.must(err)
		k.flight.Msg = msg
	}
	return k.flight
}

// judge holds an answer against all before it.
func (k *killer) judge(d *done, first bool) {
	k.t.Helper()
	switch {
	case d.Err != "":
		if _, was := k.opened[k.flight.ID]; !was || d.Serial != k.serial {
			k.t.Fatalf("the victim refuses letter %d: %s", k.flight.ID, d.Err)
		}
		k.flight = nil // it was opened before the kill, and not acknowledged
		return
	case first && d.Serial != k.serial && d.Serial != k.serial+1, !first && d.Serial != k.serial+1:
		k.t.Fatalf("the victim is at write %d after %d was acknowledged", d.Serial, k.serial)
	}
	if k.serial = d.Serial; !first {
		k.acks++
		k.flight = nil
	}
	if d.Opened != 0 {
		if at, was := k.opened[d.Opened]; was && at != d.Serial {
			k.t.Fatalf("letter %d is opened with write %d and with write %d", d.Opened, at, d.Serial)
		}
		k.opened[d.Opened] = d.Serial
	}
	if d.Sent != nil && !k.sent[string(d.Sent)] {
		k.sent[string(d.Sent)] = true
		if _, err := k.alice.g.Process(d.Sent); err != nil {
			k.t.Fatalf("the peer refuses what the victim sent with write %d: %v", d.Serial, err)
		}
	}
}
