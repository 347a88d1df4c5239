package vectors

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"
	"testing/cryptotest"
	"time"

	"primum/mls"
)

// octets are bytes as hexadecimal digits.
type octets []byte

// MarshalText writes lower case digits.
func (o octets) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, o), nil }

// UnmarshalText reads digits.
func (o *octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.DecodeString(string(b))
	return err
}

// recording is the life of one group in one suite.
type recording struct {
	About     string       `json:"about"`
	Go        string       `json:"go"` // which made it; another may draw other ephemeral keys
	Suite     uint16       `json:"suite"`
	SuiteName string       `json:"suiteName"`
	At        time.Time    `json:"at"` // the time of every step
	GroupID   octets       `json:"groupID"`
	Exporter  exportedBy   `json:"exporter"`
	Clients   []mlsClient  `json:"clients"`
	GroupInfo octets       `json:"groupInfo"` // of epoch 0, for a tracker
	Steps     []mlsStep    `json:"steps"`
	Refusals  []mlsRefusal `json:"refusals"`
	States    []mlsState   `json:"states"`
}

// exportedBy are the arguments of every exported value.
type exportedBy struct {
	Label   string `json:"label"`
	Context octets `json:"context"`
	Length  int    `json:"length"`
}

// mlsClient is a client with all its keys. The founder has no key package.
type mlsClient struct {
	Name          string `json:"name"` // the identity of its credential
	SignatureSeed octets `json:"signatureSeed"`
	KeyPackage    octets `json:"keyPackage,omitempty"`
	InitKey       octets `json:"initPrivateKey,omitempty"`
	LeafKey       octets `json:"encryptionPrivateKey,omitempty"`
	StoredKeys    octets `json:"storedKeys,omitempty"` // how package mls writes both
}

// mlsStep is one message, and what all members agree on after it.
type mlsStep struct {
	About    string      `json:"about"`
	Kind     string      `json:"kind"` // commit, proposal, application
	From     string      `json:"from"`
	Message  octets      `json:"message"`
	Welcome  octets      `json:"welcome,omitempty"`
	Tree     octets      `json:"tree,omitempty"` // where the Welcome has none
	Joins    []string    `json:"joins,omitempty"`
	Leaves   []string    `json:"leaves,omitempty"` // who is removed
	Received mlsReceived `json:"received"`
	After    mlsAgreed   `json:"after"`
}

// mlsReceived is what a receiver reads.
type mlsReceived struct {
	Leaf              uint32 `json:"leaf"`
	Generation        uint32 `json:"generation"` // of an application message
	Data              octets `json:"data,omitempty"`
	AuthenticatedData octets `json:"authenticatedData,omitempty"`
}

// mlsAgreed is what members, and of the first three lines a tracker, agree on.
type mlsAgreed struct {
	Epoch         uint64   `json:"epoch"`
	TreeHash      octets   `json:"treeHash"`
	Transcript    octets   `json:"confirmedTranscriptHash"`
	Members       []string `json:"members"` // "leaf name"
	Authenticator octets   `json:"epochAuthenticator"`
	Exported      octets   `json:"exported"`
}

// mlsRefusal is a message that a member refuses after a number of steps.
type mlsRefusal struct {
	About   string `json:"about"`
	Member  string `json:"member"`
	After   int    `json:"afterSteps"`
	Message octets `json:"message"`
	Error   string `json:"error"` // of package mls
}

// mlsState is a stored state at the end of the steps, and the next message
// sealed from it with fixed randomness.
type mlsState struct {
	Name    string `json:"name"` // empty: the tracker's
	Version uint8  `json:"version"`
	Stored  octets `json:"stored"`
	Random  octets `json:"random,omitempty"` // which Seal reads
	Plain   octets `json:"plain,omitempty"`
	Size    int    `json:"size,omitempty"`
	Message octets `json:"message,omitempty"`
}

// errorKinds are the errors of package mls by their names.
func errorKinds() map[string]error {
	return map[string]error{
		"ErrMalformed": mls.ErrMalformed, "ErrSuite": mls.ErrSuite, "ErrWrongGroup": mls.ErrWrongGroup, "ErrEpoch": mls.ErrEpoch,
		"ErrOwnMessage": mls.ErrOwnMessage, "ErrAuthentication": mls.ErrAuthentication, "ErrReplay": mls.ErrReplay, "ErrJump": mls.ErrJump,
		"ErrInvalid": mls.ErrInvalid, "ErrNotAllowed": mls.ErrNotAllowed, "ErrEvicted": mls.ErrEvicted, "ErrNotForMe": mls.ErrNotForMe,
	}
}

func mlsFile(s mls.Suite) string { return fmt.Sprintf("mls-%04x.json", uint16(s)) }

// mlsTime is the time of every step.
func mlsTime() time.Time { return now() }

// mlsSeed is the seed of a client's signature key.
func mlsSeed(suite mls.Suite, name string) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "primum vector mls %04x %s", uint16(suite), name))
	return sum[:]
}

// TestMLSVectors makes the recordings anew and compares them byte for byte.
// HPKE takes its ephemeral keys from the standard library's own source, which a
// test can fix; another version of Go may draw them otherwise.
func TestMLSVectors(t *testing.T) {
	for _, suite := range mls.Suites() {
		cryptotest.SetGlobalRandom(t, 9420)
		made := record(t, suite)
		if !*update {
			var have recording
			load(t, mlsFile(suite), &have)
			if have.Go != runtime.Version() {
				t.Logf("%s was made by %s, this is %s: not compared, TestMLSReplay replays it", mlsFile(suite), have.Go, runtime.Version())
				continue
			}
		}
		compare(t, mlsFile(suite), made)
	}
}

// TestMLSReplay gives the recordings to every member that joins in them and to a
// tracker, as another implementation would: nothing of what made them is used.
func TestMLSReplay(t *testing.T) {
	for _, suite := range mls.Suites() {
		var rec recording
		load(t, mlsFile(suite), &rec)
		if rec.Suite != uint16(suite) || rec.SuiteName != suite.String() {
			t.Errorf("%s is of suite %d, %s", mlsFile(suite), rec.Suite, rec.SuiteName)
		}
		r := &replay{t: t, rec: &rec, groups: map[string]*mls.Group{}}
		r.packages()
		r.run()
		r.states()
		t.Logf("%s: %d steps seen by %d members and a tracker, %d refusals, %d stored states",
			mlsFile(suite), len(rec.Steps), r.joined, len(rec.Refusals), len(rec.States))
	}
}

// replay follows a recording.
type replay struct {
	t       *testing.T
	rec     *recording
	groups  map[string]*mls.Group
	tracker *mls.PublicGroup
	joined  int
}

func (r *replay) client(name string) *mlsClient {
	for i := range r.rec.Clients {
		if r.rec.Clients[i].Name == name {
			return &r.rec.Clients[i]
		}
	}
	r.t.Fatalf("no client %s", name)
	return nil
}

func (r *replay) config(name string) mls.Config {
	return mls.Config{Signer: ed25519.NewKeyFromSeed(r.client(name).SignatureSeed), Now: func() time.Time { return r.rec.At }}
}

// packages makes every key package anew from its stream.
func (r *replay) packages() {
	for _, c := range r.rec.Clients[1:] {
		kp, priv := makePackage(r.t, mls.Suite(r.rec.Suite), c.Name)
		stored := must[[]byte](r.t)(priv.MarshalBinary())
		if !bytes.Equal(kp.Bytes(), c.KeyPackage) || !bytes.Equal(stored, c.StoredKeys) {
			r.t.Errorf("%s: another key package comes of the same randomness", c.Name)
		}
		// The stored form is a version, then both keys with their lengths.
		if want := append(append([]byte{1, 32}, c.InitKey...), append([]byte{32}, c.LeafKey...)...); !bytes.Equal(want, stored) {
			r.t.Errorf("%s: stored keys are %x", c.Name, stored)
		}
	}
}

func (r *replay) run() {
	r.tracker = must[*mls.PublicGroup](r.t)(mls.NewPublicGroup(mls.Config{}, r.rec.GroupInfo))
	for i := range r.rec.Steps {
		step := &r.rec.Steps[i]
		for name, g := range r.groups {
			r.receive(name, g, step)
		}
		if step.Kind != "application" {
			must[*mls.Received](r.t)(r.tracker.Process(step.Message))
		}
		for _, name := range step.Joins {
			r.join(name, step)
		}
		r.agree(step)
		for _, bad := range r.rec.Refusals {
			if bad.After == i+1 {
				r.refused(bad)
			}
		}
	}
}

// receive gives a step to a member. A member's own messages come back to it as
// those of another device with its keys would: it can't take in its commits.
func (r *replay) receive(name string, g *mls.Group, step *mlsStep) {
	r.t.Helper()
	got, err := g.Process(step.Message)
	if step.From == name {
		if !errors.Is(err, mls.ErrOwnMessage) {
			r.t.Errorf("%s, own message of %q: %v", name, step.About, err)
		}
		if step.Kind == "commit" {
			delete(r.groups, name) // it can go on only from its own stored state
		}
		return
	}
	if err != nil {
		if step.Kind == "commit" && r.ownUpdate(name, step) {
			delete(r.groups, name)
			return
		}
		r.t.Fatalf("%s, %q: %v", name, step.About, err)
	}
	if got.Sender != step.Received.Leaf || !bytes.Equal(got.Data, step.Received.Data) || !bytes.Equal(got.AuthenticatedData, step.Received.AuthenticatedData) {
		r.t.Errorf("%s, %q: leaf %d, %q, %q", name, step.About, got.Sender, got.Data, got.AuthenticatedData)
	}
	if got.Evicted {
		delete(r.groups, name)
	}
}

// ownUpdate tells that a commit takes in the member's own Update, whose private
// key a member that only replays does not have.
func (r *replay) ownUpdate(name string, commit *mlsStep) bool {
	for i := range r.rec.Steps {
		s := &r.rec.Steps[i]
		if s == commit {
			return false
		}
		if s.Kind == "proposal" && s.From == name && s.After.Epoch+1 == commit.After.Epoch {
			return true
		}
	}
	return false
}

func (r *replay) join(name string, step *mlsStep) {
	r.t.Helper()
	c := r.client(name)
	kp := must[*mls.KeyPackage](r.t)(mls.ParseKeyPackage(c.KeyPackage))
	priv := must[*mls.KeyPackagePrivate](r.t)(mls.ParseKeyPackagePrivate(c.StoredKeys))
	r.groups[name] = must[*mls.Group](r.t)(mls.Join(r.config(name), step.Welcome, kp, priv, step.Tree))
	r.joined++
}

// agree compares every member and the tracker with what is recorded.
func (r *replay) agree(step *mlsStep) {
	r.t.Helper()
	want := fmt.Sprint(step.After)
	for name, g := range r.groups {
		if have := fmt.Sprint(agreed(r.t, g, r.rec.Exporter)); have != want {
			r.t.Errorf("%s after %q: %s, want %s", name, step.About, have, want)
		}
	}
	k := r.tracker
	if k.Epoch() != step.After.Epoch || !bytes.Equal(k.TreeHash(), step.After.TreeHash) ||
		!bytes.Equal(k.ConfirmedTranscriptHash(), step.After.Transcript) || fmt.Sprint(names(k.Members())) != fmt.Sprint(step.After.Members) {
		r.t.Errorf("tracker after %q: epoch %d, tree %x", step.About, k.Epoch(), k.TreeHash())
	}
}

// refused gives a member what it is to refuse; nothing of it may change.
func (r *replay) refused(bad mlsRefusal) {
	r.t.Helper()
	g, want := r.groups[bad.Member], errorKinds()[bad.Error]
	if g == nil || want == nil {
		r.t.Fatalf("%q: no member %s, or no error %s", bad.About, bad.Member, bad.Error)
	}
	before := must[[]byte](r.t)(g.MarshalBinary())
	if _, err := g.Process(bad.Message); !errors.Is(err, want) {
		r.t.Errorf("%q: %v, want %s", bad.About, err, bad.Error)
	}
	if !bytes.Equal(before, must[[]byte](r.t)(g.MarshalBinary())) {
		r.t.Errorf("%q changed the state", bad.About)
	}
}

// states loads every stored state, writes it again, and seals the next message
// with the recorded randomness.
func (r *replay) states() {
	last := &r.rec.Steps[len(r.rec.Steps)-1].After
	for _, s := range r.rec.States {
		if len(s.Stored) == 0 || s.Stored[0] != s.Version {
			r.t.Errorf("state of %q is not of version %d", s.Name, s.Version)
		}
		if s.Name == "" {
			k := must[*mls.PublicGroup](r.t)(mls.LoadPublicGroup(mls.Config{}, s.Stored))
			if !bytes.Equal(must[[]byte](r.t)(k.MarshalBinary()), s.Stored) || !bytes.Equal(k.TreeHash(), last.TreeHash) {
				r.t.Error("the tracker's state is read as another")
			}
			continue
		}
		cfg := r.config(s.Name)
		cfg.Rand = bytes.NewReader(s.Random)
		g := must[*mls.Group](r.t)(mls.Load(cfg, s.Stored))
		if !bytes.Equal(must[[]byte](r.t)(g.MarshalBinary()), s.Stored) || fmt.Sprint(agreed(r.t, g, r.rec.Exporter)) != fmt.Sprint(*last) {
			r.t.Errorf("the state of %s is read as another", s.Name)
		}
		if msg := must[[]byte](r.t)(g.Seal(s.Plain, nil, s.Size)); !bytes.Equal(msg, s.Message) || len(msg) != s.Size {
			r.t.Errorf("%s seals another message", s.Name)
		}
	}
}

// agreed reads what members agree on.
func agreed(t *testing.T, g *mls.Group, x exportedBy) mlsAgreed {
	t.Helper()
	return mlsAgreed{
		Epoch: g.Epoch(), TreeHash: g.TreeHash(), Transcript: g.ConfirmedTranscriptHash(), Members: names(g.Members()),
		Authenticator: g.EpochAuthenticator(), Exported: must[[]byte](t)(g.Export(x.Label, x.Context, x.Length)),
	}
}

func names(members []mls.Member) (out []string) {
	for _, m := range members {
		out = append(out, fmt.Sprintf("%d %s", m.Leaf, m.Identity))
	}
	return out
}

// makePackage makes a client's key package of its stream.
func makePackage(t *testing.T, suite mls.Suite, name string) (*mls.KeyPackage, *mls.KeyPackagePrivate) {
	t.Helper()
	kp, priv, err := mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: suite, Identity: []byte(name), Signer: ed25519.NewKeyFromSeed(mlsSeed(suite, name)), Extensions: []uint16{0xf000},
		NotBefore: mlsTime().Add(-time.Hour), NotAfter: mlsTime().AddDate(0, 3, 0), Rand: &stream{seed: "mls package " + name},
	})
	if err != nil {
		t.Fatal(err)
	}
	return kp, priv
}

// TestMLSFilesAreSmall: a recording is to be read in a test of anybody's.
func TestMLSFilesAreSmall(t *testing.T) {
	t.Parallel()
	for _, suite := range mls.Suites() {
		info, err := os.Stat(mlsFile(suite))
		if err != nil || info.Size() > 1<<19 {
			t.Errorf("%s: %v", mlsFile(suite), err)
		}
	}
}
