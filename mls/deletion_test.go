//go:build unix

package mls

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
)

// tap is a source of randomness that remembers what it gave.
type tap struct {
	r     io.Reader
	given [][]byte
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.given = append(t.given, bytes.Clone(p[:n]))
	return n, err
}

// story is the life of the subject, told and searched by this process. The
// other members live here.
type story struct {
	*lab
	s      *suite.Suite
	tap    *tap
	cmd    *exec.Cmd
	orders *json.Encoder
	reply  *json.Decoder
	dir    string // the subject's store
	dump   string
	past   uint64
	rules  map[string]rule
	live   []*secret
	gone   []*secret
	draws  uint64
	init   []byte // init secret of the subject's epoch
	me     uint32
	steps  int
	bytes  int64           // searched
	shown  map[string]bool // kinds found while they lived
}

// TestDeletionOnBytes lives through stories of a member in a process of its
// own and searches, after each step, every file of its store (the serialised
// state is one) and all its reachable memory after two collections for every
// secret that is gone by then, as deletionTable says.
func TestDeletionOnBytes(t *testing.T) {
	t.Parallel()
	for _, id := range Suites() {
		t.Run(fmt.Sprintf("joiner in %s", id), func(t *testing.T) {
			t.Parallel()
			joinerStory(newStory(t, id, 0))
		})
	}
	t.Run("creator that keeps a past epoch", func(t *testing.T) {
		t.Parallel()
		creatorStory(newStory(t, X25519AES128GCMSHA256Ed25519, 1))
	})
}

// TestDeletionSees lets the subject hoard a secret, in memory and in a file,
// and demands that the search finds both when the secret should be gone.
func TestDeletionSees(t *testing.T) {
	t.Parallel()
	st := newStory(t, X25519AES128GCMSHA256Ed25519, 0)
	st.found(2)
	alice := st.parties["client-1"]
	st.joinGroup(alice)
	st.do(order{Op: "hoard"})
	st.peerCommits(alice, CommitOptions{}, nil)
	st.entered()
	memory, files := st.regions()
	found := strings.Join(st.left(append(memory, files...)), "\n")
	for _, where := range []string{"exporter secret of epoch 2 (leaf 0, generation 0, node 0) is in the heap object of 32 bytes", "exporter secret of epoch 2 (leaf 0, generation 0, node 0) is in the file hoard"} {
		if !strings.Contains(found, where) {
			t.Errorf("the search does not see that the %s; it says: %s", where, found)
		}
	}
}

func newStory(t *testing.T, id Suite, past uint64) *story {
	t.Helper()
	s, err := suite.ByID(uint16(id))
	if err != nil {
		t.Fatal(err)
	}
	source := rand.NewChaCha8(sha256.Sum256([]byte(t.Name())))
	st := &story{
		s: s, tap: &tap{r: source}, dir: t.TempDir(), dump: filepath.Join(t.TempDir(), "heap"), past: past,
		rules: map[string]rule{}, shown: map[string]bool{},
	}
	st.lab = &lab{t: t, suite: id, rnd: st.tap, pick: rand.New(source), parties: map[string]*party{}}
	for _, r := range deletionTable() {
		st.rules[r.kind] = r
	}
	st.start(t)
	st.do(order{Op: "configure", N: uint32(past)})
	return st
}

// start runs the subject as a child. The scheduler saves the vector registers
// of a goroutine that it interrupts in a block of its own (runtime.p.xRegs),
// which shows a key now and then that was being copied at that instant; no
// program can erase it. So interruption is off: what is asserted is what this
// package is able to keep.
func (st *story) start(t *testing.T) {
	t.Helper()
	st.cmd = exec.Command(os.Args[0])
	st.cmd.Env = append(os.Environ(), subjectDir+"="+st.dir, "GODEBUG=asyncpreemptoff=1,"+os.Getenv("GODEBUG"))
	in, err := st.cmd.StdinPipe()
	st.must(err)
	r, w, err := os.Pipe()
	st.must(err)
	var said bytes.Buffer
	st.cmd.ExtraFiles, st.cmd.Stdout, st.cmd.Stderr = []*os.File{w}, &said, &said
	st.must(st.cmd.Start())
	st.must(w.Close())
	st.orders, st.reply = json.NewEncoder(in), json.NewDecoder(r)
	t.Cleanup(func() {
		_ = in.Close()
		if err := st.cmd.Wait(); err != nil {
			t.Errorf("the subject: %v\n%s", err, said.String())
		}
		_ = r.Close()
	})
}

// tell gives an order and reads the answer.
func (st *story) tell(o order) *answer {
	st.t.Helper()
	st.must(st.orders.Encode(o))
	var a answer
	st.must(st.reply.Decode(&a))
	return &a
}

func (st *story) do(o order) *answer {
	st.t.Helper()
	a := st.tell(o)
	if a.Err != "" {
		st.t.Fatalf("the subject fails to %s: %s", o.Op, a.Err)
	}
	return a
}

// drawn is the randomness that the subject used since the last call.
func (st *story) drawn(a *answer) (out [][]byte) {
	for ; st.draws < a.Draws; st.draws++ {
		b := draw(st.draws)
		out = append(out, b[:])
	}
	return out
}

func (st *story) add(secrets ...*secret) { st.live = append(st.live, secrets...) }

// happen moves the secrets that an event ends to those that must be gone.
func (st *story) happen(e event) {
	st.live = slices.DeleteFunc(st.live, func(s *secret) bool {
		dead := e.what == evEvicted || e.what == evDiscarded && s.epoch == e.epoch || st.rules[s.kind].gone(s, &e, st.past)
		if dead {
			st.gone = append(st.gone, s)
		}
		return dead
	})
	if e.what == evReserved {
		for _, s := range st.live {
			if strings.HasPrefix(s.kind, "message ") && s.epoch == e.epoch && s.leaf == e.leaf && s.generation <= e.generation {
				s.memory = true
			}
		}
	}
}

// check searches everything. Must names kinds of living secrets that are to be
// found in a file and in memory both ("kind@file", "kind@memory": there): a
// search that finds nothing proves nothing.
func (st *story) check(step string, must ...string) {
	st.t.Helper()
	memory, files := st.regions()
	for _, found := range st.left(append(memory, files...)) {
		st.t.Errorf("%s: %s", step, found)
	}
	st.checkLiving(step, memory, files, must)
}

// regions reads all memory and files of the subject.
func (st *story) regions() (memory, files []region) {
	st.t.Helper()
	st.steps++
	st.do(order{Op: "dump", Path: st.dump})
	return st.heap(), st.files()
}

// left lists what must be gone and is not.
func (st *story) left(regions []region) (out []string) {
	dead := make([][]byte, len(st.gone))
	for i, s := range st.gone {
		dead[i] = s.b
	}
	f := newScanner(dead)
	for _, r := range regions {
		st.bytes += int64(len(r.data))
		for _, h := range f.search(r) {
			s := st.gone[h.secret]
			out = append(out, fmt.Sprintf("%s of epoch %d (leaf %d, generation %d, node %d) is in the %s; gone %s (%s)",
				s.kind, s.epoch, s.leaf, s.generation, s.node, h.where, st.rules[s.kind].when, st.rules[s.kind].section))
		}
	}
	return out
}

// checkLiving looks for what has to be there.
func (st *story) checkLiving(step string, memory, files []region, must []string) {
	st.t.Helper()
	living := make([][]byte, len(st.live))
	for i, s := range st.live {
		living[i] = s.b
	}
	f := newScanner(living)
	found := map[string]int{}
	for part, regions := range map[string][]region{"memory": memory, "file": files} {
		for _, r := range regions {
			for _, h := range f.search(r) {
				s := st.live[h.secret]
				found[s.kind+" in a "+part]++
				st.shown[s.kind] = true
				if s.memory && part == "file" {
					st.t.Errorf("%s: the reserved %s of generation %d is in a file", step, s.kind, s.generation)
				}
			}
		}
	}
	for _, kind := range must {
		for _, part := range []string{"memory", "file"} {
			kind, where, said := strings.Cut(kind, "@")
			if (!said || where == part) && found[kind+" in a "+part] == 0 {
				st.t.Errorf("%s: no %s is found in a %s, where one has to be: the search is blind", step, kind, part)
			}
		}
	}
}

// heap reads the dump of the subject.
func (st *story) heap() []region {
	st.t.Helper()
	b, err := os.ReadFile(st.dump)
	st.must(err)
	regions, err := heapRegions(b)
	st.must(err)
	if len(regions) < 500 {
		st.t.Fatalf("the heap dump has %d regions only", len(regions))
	}
	return regions
}

// files reads every file of the subject's store.
func (st *story) files() (out []region) {
	st.t.Helper()
	st.must(filepath.WalkDir(st.dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		out = append(out, region{"file " + filepath.Base(name), b})
		return err
	}))
	return out
}

// used notes that the subject used the key of a message.
func (st *story) used(msg []byte, epoch uint64, leaf, generation uint32) {
	st.t.Helper()
	for _, s := range append(st.live, st.gone...) {
		if s.kind == "sender data secret" && s.epoch == epoch {
			st.add(senderDataSecrets(st.s, epoch, s.b, msg)...)
			break
		}
	}
	st.happen(event{what: evUsed, epoch: epoch, leaf: leaf, generation: generation})
}

// derive lists the secrets of the epoch that a commit makes, from the
// committer's randomness, and those that are gone at once.
func (st *story) derive(commit []byte, seeds [][]byte, psk []byte) {
	st.t.Helper()
	var next *Group
	for _, name := range st.names() { // one that has not made it, and stays
		p := st.parties[name]
		if p.g.PendingCommit() != nil {
			continue
		}
		next = again(st.t, p.cfg, p.g)
		_, err := next.Process(commit)
		if st.must(err); !next.Evicted() {
			break
		}
	}
	st.deriveIn(next, commit, seeds, psk)
}

// deriveIn is derive with a peer's state of the new epoch.
func (st *story) deriveIn(next *Group, commit []byte, seeds [][]byte, psk []byte) {
	st.t.Helper()
	var commitSecret []byte
	for _, seed := range seeds {
		if len(seed) == st.s.HashLen() {
			if c := st.derivePath(commit, seed, next.Epoch()); c != nil {
				commitSecret = c
			}
		}
	}
	if commitSecret == nil {
		st.t.Fatal("no seed fits the path of the commit")
	}
	secrets := epochSecrets(st.s, next.Epoch(), st.init, commitSecret, psk, next.st.Encoded, next.st.Tree.Width())
	fits := slices.ContainsFunc(secrets, func(s *secret) bool { return s.kind == "exporter secret" && bytes.Equal(s.b, next.secrets.Exporter) })
	if !fits {
		st.t.Fatal("the secrets derived are not those of the epoch")
	}
	st.add(secrets...)
}

// derivePath takes a seed for that of the path or of the leaf, and returns the
// commit secret when it is the path's.
func (st *story) derivePath(commit, seed []byte, epoch uint64) (commitSecret []byte) {
	st.t.Helper()
	path := reread(st.t, commit).Commit.Path
	st.add(&secret{kind: "seed of a key pair", epoch: epoch, b: seed})
	leaf, err := keyPair(st.s, "leaf key", epoch, seed)
	st.must(err)
	if bytes.Equal(leaf.pub, path.Leaf.EncryptionKey) {
		st.add(leaf)
		return nil
	}
	next := seed
	for _, n := range path.Nodes {
		nodeSecret := st.s.DeriveSecret(next, "node")
		key, err := keyPair(st.s, "node key", epoch, nodeSecret)
		st.must(err)
		if !bytes.Equal(key.pub, n.EncryptionKey) {
			return nil
		}
		st.add(key, &secret{kind: "path secret", epoch: epoch, b: next}, &secret{kind: "node secret", epoch: epoch, b: nodeSecret})
		next = st.s.DeriveSecret(next, "path")
	}
	return next
}

// entered notes that the subject is in the epoch that its peers are in.
func (st *story) entered() {
	st.t.Helper()
	g := st.parties[st.names()[0]].g
	st.happen(event{what: evDerived})
	st.happen(event{what: evLeft, epoch: g.Epoch() - 1, tree: g.Tree()})
	st.init = bytes.Clone(g.secrets.Init)
	st.me = 1 << 31
	for _, m := range g.Members() {
		if string(m.Identity) == "subject" {
			st.me = m.Leaf
		}
	}
}

// peerCommits lets a peer commit, and the subject process it.
func (st *story) peerCommits(by *party, o CommitOptions, psk []byte) *answer {
	st.t.Helper()
	st.tap.given = nil
	staged, err := by.g.Commit(o)
	st.must(err)
	if o.Remove == nil {
		st.derive(staged.Commit, st.tap.given, psk)
	}
	st.deliver(by, staged.Commit)
	st.must(by.g.Merge())
	return st.do(order{Op: "process", Msg: staged.Commit})
}

// leafOf is the leaf of a peer.
func (st *story) leafOf(name string) uint32 { return st.parties[name].g.Me() }

// proposePSK lets a peer propose the external key.
func (st *story) proposePSK(by *party) (msg, psk []byte) {
	st.t.Helper()
	p := pskProposal(schedule.PSKID{Type: schedule.PSKExternal, ID: []byte("known")})
	msg, _ = st.proposeBy(by, p)
	st.deliver(by, msg)
	st.must(by.g.st.Keep(by.cfg.options(), reread(st.t, msg)))
	return msg, schedule.PSKSecret(st.s, []schedule.PSKID{p.PSK}, [][]byte{externalPSK()})
}

// forged is a commit by a peer that every member has to refuse, with what it
// could derive on the way.
func (st *story) forged(by *party) []byte {
	st.t.Helper()
	st.tap.given = nil
	msg := st.commitBy(by, forge{
		tag: func(b []byte) { b[0] ^= 1 },
		learn: func(name string, b []byte) {
			if name != "init secret" { // of the epoch that goes on
				st.gone = append(st.gone, &secret{kind: strings.TrimPrefix(name, "next "), epoch: by.g.Epoch() + 1, b: bytes.Clone(b)})
			}
		},
	})
	for _, p := range st.tap.given {
		if len(p) == st.s.HashLen() {
			st.derivePath(msg, p, by.g.Epoch()+1)
		}
	}
	st.happen(event{what: evDiscarded, epoch: by.g.Epoch() + 1})
	return msg
}
