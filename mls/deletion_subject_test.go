//go:build unix

package mls

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"primum/internal/durable"
)

// The deletion test searches a process of its own: the subject is one member
// that runs in a child of the test binary, does what it is ordered on standard
// input, and knows nothing of what is looked for. All its randomness comes
// from drip, so that the searching side can derive every secret itself.

const subjectDir = "PRIMUM_TEST_SUBJECT_DIR"

// order is one thing for the subject to do.
type order struct {
	Op   string
	Msg  []byte   `json:",omitempty"`
	Adds [][]byte `json:",omitempty"` // key packages
	Leaf uint32   `json:",omitempty"`
	N    uint32   `json:",omitempty"`
	Path string   `json:",omitempty"`
}

// answer is what came of it; nothing in it is secret.
type answer struct {
	Out     []byte `json:",omitempty"`
	Welcome []byte `json:",omitempty"`
	Evicted bool   `json:",omitempty"`
	Err     string `json:",omitempty"`
	Draws   uint64 // randomness used so far
}

// drip is a source of randomness that keeps nothing of what it gave: draw n is
// a hash of n.
type drip struct{ n uint64 }

func draw(n uint64) [sha256.Size]byte {
	var in [16]byte
	copy(in[:8], "subject ")
	binary.BigEndian.PutUint64(in[8:], n)
	return sha256.Sum256(in[:])
}

func (d *drip) Read(p []byte) (int, error) {
	if len(p) > sha256.Size {
		return 0, errors.New("a draw has 32 bytes")
	}
	b := draw(d.n)
	d.n++
	copy(p, b[:])
	clear(b[:])
	return len(p), nil
}

// subject is the member under search.
type subject struct {
	dir  string
	rand *drip
	cfg  Config
	kp   *KeyPackage
	g    *Group
	kept []byte // a control keeps what it should not
}

func subjectKey() ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("the subject's signature key"))
	return ed25519.NewKeyFromSeed(seed[:])
}

// externalPSK is a key that both sides were given before.
func externalPSK() []byte {
	b := sha256.Sum256([]byte("an external key"))
	return b[:]
}

// serveSubject is the child process of TestDeletionOnBytes.
func serveSubject(dir string, in *json.Decoder, out *json.Encoder) error {
	s := &subject{dir: dir, rand: &drip{}}
	s.cfg = Config{
		Signer: subjectKey(), Rand: s.rand, Now: labTime, AllowPSK: true,
		PSK: func([]byte) ([]byte, error) { return externalPSK(), nil },
	}
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return err
		}
		a := s.obey(&o)
		a.Draws = s.rand.n
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

// obey is never inlined, so that its frame is gone when the memory is searched.
//
//go:noinline
func (s *subject) obey(o *order) *answer {
	a := new(answer)
	if err := s.do(o, a); err != nil {
		a.Err = err.Error()
	}
	return a
}

func (s *subject) do(o *order, a *answer) (err error) {
	switch o.Op {
	case "configure":
		s.cfg.PastEpochs, s.cfg.Window = int(o.N), 4
		return nil
	case "key package":
		return s.makeKeyPackage(o, a)
	case "join":
		return s.join(o)
	case "create":
		s.g, err = Create(s.cfg, []byte("story"), Suite(o.N), []byte("subject"), nil)
	case "restart":
		return s.restart()
	case "hoard":
		s.kept = bytes.Clone(s.g.secrets.Exporter)
		return durable.WriteFile(s.path("hoard"), s.kept)
	case "dump":
		return dumpHeap(o.Path)
	case "process":
		var got *Received
		if got, err = s.g.Process(o.Msg); err == nil {
			a.Evicted = got.Evicted
			clear(got.Data) // the plaintext is the application's
		}
	case "seal":
		a.Out, err = s.g.Seal([]byte("from the subject"), nil, 0)
	case "reserve":
		err = s.g.Reserve(o.N)
	case "update":
		a.Out, err = s.g.ProposeUpdate(nil)
	case "commit":
		err = s.commit(o, a)
	case "merge":
		err = s.g.Merge()
	case "discard":
		s.g.Discard()
	default:
		err = errors.New("unknown order " + o.Op)
	}
	return errors.Join(err, s.persist())
}

func (s *subject) path(name string) string { return filepath.Join(s.dir, name) }

func (s *subject) persist() error {
	b, err := s.g.MarshalBinary()
	if err != nil {
		return err
	}
	return durable.WriteFile(s.path("state"), b)
}

func (s *subject) restart() error {
	b, err := durable.ReadFile(s.path("state"))
	if err != nil {
		return err
	}
	s.g, err = Load(s.cfg, b)
	return err
}

func (s *subject) makeKeyPackage(o *order, a *answer) error {
	kp, priv, err := NewKeyPackage(KeyPackageOptions{
		Suite: Suite(o.N), Identity: []byte("subject"), Signer: s.cfg.Signer, Rand: s.rand,
		NotBefore: labTime().Add(-time.Hour), NotAfter: labTime().Add(time.Hour),
	})
	if err != nil {
		return err
	}
	b, err := priv.MarshalBinary()
	if err != nil {
		return err
	}
	s.kp, a.Out = kp, kp.Bytes()
	return durable.WriteFile(s.path("key package"), b)
}

// join follows the order that Join demands: the group is stored, then the
// keys of the key package are erased.
func (s *subject) join(o *order) error {
	b, err := durable.ReadFile(s.path("key package"))
	if err != nil {
		return err
	}
	priv, err := ParseKeyPackagePrivate(b)
	if err != nil {
		return err
	}
	defer priv.Erase()
	if s.g, err = Join(s.cfg, o.Msg, s.kp, priv, nil); err != nil {
		return err
	}
	return errors.Join(s.persist(), durable.Remove(s.path("key package")))
}

func (s *subject) commit(o *order, a *answer) error {
	var options CommitOptions
	for _, b := range o.Adds {
		kp, err := ParseKeyPackage(b)
		if err != nil {
			return err
		}
		options.Add = append(options.Add, kp)
	}
	if o.Leaf != 0 {
		options.Remove = []uint32{o.Leaf}
	}
	staged, err := s.g.Commit(options)
	if err != nil {
		return err
	}
	a.Out, a.Welcome = staged.Commit, staged.Welcome
	return nil
}

// dumpHeap writes what is reachable after two collections.
func dumpHeap(path string) error {
	runtime.GC()
	runtime.GC()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	debug.WriteHeapDump(f.Fd())
	return f.Close()
}
