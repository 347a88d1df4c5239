package mls_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"primum/mls"
)

const suite = mls.X25519AES128GCMSHA256Ed25519

// config is that of a member with a fresh signature key.
func config() mls.Config {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	check(err)
	return mls.Config{Signer: key}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// newcomer makes a key package, which others add the client by.
func newcomer(cfg mls.Config, name string) (*mls.KeyPackage, *mls.KeyPackagePrivate) {
	return newcomerOf(cfg, name, suite)
}

func newcomerOf(cfg mls.Config, name string, suite mls.Suite) (*mls.KeyPackage, *mls.KeyPackagePrivate) {
	kp, priv, err := mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: suite, Identity: []byte(name), Signer: cfg.Signer,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	})
	check(err)
	return kp, priv
}

// couple is a group of anna and ben.
func couple() (anna, ben *mls.Group) { return coupleOf(config(), config(), suite) }

func coupleOf(annaConfig, benConfig mls.Config, suite mls.Suite) (anna, ben *mls.Group) {
	anna, err := mls.Create(annaConfig, []byte("group 1"), suite, []byte("anna"), nil)
	check(err)
	kp, priv := newcomerOf(benConfig, "ben", suite)
	staged, err := anna.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{kp}})
	check(err)
	check(anna.Merge())
	ben, err = mls.Join(benConfig, staged.Welcome, kp, priv, nil)
	check(err)
	return anna, ben
}

// Anna starts a group, adds Ben, and sends a message.
func Example() {
	annaConfig, benConfig := config(), config()

	// Ben publishes a key package and stores its private keys.
	kp, priv := newcomer(benConfig, "ben")

	// Anna commits Ben in. The commit goes to the present members (none yet),
	// the Welcome to Ben. She merges once the commit is accepted.
	anna, err := mls.Create(annaConfig, []byte("group 1"), suite, []byte("anna"), nil)
	check(err)
	staged, err := anna.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{kp}})
	check(err)
	check(anna.Merge())

	ben, err := mls.Join(benConfig, staged.Welcome, kp, priv, nil)
	check(err)
	priv.Erase()

	msg, err := anna.Seal([]byte("hello"), nil, 256)
	check(err)
	received, err := ben.Process(msg)
	check(err)
	fmt.Printf("%s says %q in %d bytes\n", ben.Members()[received.Sender].Identity, received.Data, len(msg))
	// Output: anna says "hello" in 256 bytes
}

// Commits carry authenticated data, which the receiver sees with what they do.
func ExampleGroup_Process() {
	anna, ben := couple()
	staged, err := anna.Commit(mls.CommitOptions{AuthenticatedData: []byte("at noon")})
	check(err)
	received, err := ben.Process(staged.Commit)
	check(err)
	fmt.Printf("commit of leaf %d %s\n", received.View.Committer, received.View.AuthenticatedData)
	// Output: commit of leaf 0 at noon
}

// A sender that reserves keys stores its state once for many messages.
func ExampleGroup_Reserve() {
	anna, ben := couple()
	check(anna.Reserve(2))
	state, err := anna.MarshalBinary() // to disk, before the first Seal
	check(err)
	for _, text := range []string{"one", "two"} {
		msg, err := anna.Seal([]byte(text), nil, 0)
		check(err)
		received, err := ben.Process(msg)
		check(err)
		fmt.Printf("%s\n", received.Data)
	}
	_, err = anna.Seal([]byte("three"), nil, 0)
	fmt.Println(errors.Is(err, mls.ErrReserve), len(state) > 0)
	// Output:
	// one
	// two
	// true true
}

// A keyless tracker checks every commit without reading anything.
func ExamplePublicGroup() {
	anna, ben := couple()
	info, err := anna.GroupInfo()
	check(err)
	tracker, err := mls.NewPublicGroup(mls.Config{}, info)
	check(err)

	staged, err := anna.Commit(mls.CommitOptions{Remove: []uint32{ben.Me()}})
	check(err)
	received, err := tracker.Process(staged.Commit)
	check(err)
	fmt.Printf("epoch %d, %s removed\n", tracker.Epoch(), received.View.Removes[0].Identity)
	// Output: epoch 2, ben removed
}

// Ben renews his keys by a proposal that Anna's next commit takes in.
func ExampleGroup_ProposeUpdate() {
	anna, ben := couple()
	proposal, err := ben.ProposeUpdate(nil)
	check(err)
	_, err = anna.Process(proposal)
	check(err)
	staged, err := anna.Commit(mls.CommitOptions{})
	check(err)
	check(anna.Merge())
	_, err = ben.Process(staged.Commit)
	check(err)
	fmt.Println(len(staged.View.Updates), "updated, epoch", ben.Epoch())
	// Output: 1 updated, epoch 2
}

// Both members derive the same value for use outside of MLS.
func ExampleGroup_Export() {
	anna, ben := couple()
	x, err := anna.Export("backup key", nil, 32)
	check(err)
	y, err := ben.Export("backup key", nil, 32)
	check(err)
	fmt.Println(len(x), string(x) == string(y))
	// Output: 32 true
}

// A group survives a restart, a pending commit included.
func ExampleLoad() {
	cfg := config()
	group, err := mls.Create(cfg, []byte("group 1"), suite, []byte("anna"), nil)
	check(err)
	_, err = group.Commit(mls.CommitOptions{})
	check(err)
	state, err := group.MarshalBinary()
	check(err)

	loaded, err := mls.Load(cfg, state)
	check(err)
	fmt.Println(loaded.Epoch(), loaded.Pending(), len(loaded.PendingCommit().Commit) > 0)
	// Output: 0 true true
}

// Members are removed by a commit. Who was removed learns that, and nothing
// that is sealed later.
func ExampleGroup_Commit() {
	anna, ben := couple()
	staged, err := anna.Commit(mls.CommitOptions{Remove: []uint32{ben.Me()}})
	check(err)
	check(anna.Merge())

	received, err := ben.Process(staged.Commit)
	check(err)
	fmt.Println("evicted:", received.Evicted)

	msg, err := anna.Seal([]byte("without ben"), nil, 0)
	check(err)
	_, err = ben.Process(msg)
	fmt.Println(errors.Is(err, mls.ErrEvicted))
	// Output:
	// evicted: true
	// true
}

// Two members commit at once. The server takes one of the commits; who lost
// discards its own, takes in the winner's, and may commit again.
func ExampleGroup_Discard() {
	anna, ben := couple()
	won, err := anna.Commit(mls.CommitOptions{})
	check(err)
	_, err = ben.Commit(mls.CommitOptions{})
	check(err)

	check(anna.Merge())
	ben.Discard()
	_, err = ben.Process(won.Commit)
	check(err)
	fmt.Println(anna.Epoch() == ben.Epoch(), ben.Pending())
	// Output: true false
}

// Ben decides whom he is in a group with: a commit that adds a key that he does
// not know is refused, and he stays in the epoch before.
func ExampleConfig_authorize() {
	annaConfig, benConfig, evilConfig := config(), config(), config()
	known := map[string]bool{}
	trust := func(cfg mls.Config) { known[string(cfg.Signer.Public().(ed25519.PublicKey))] = true }
	trust(annaConfig)
	trust(benConfig)
	benConfig.Authorize = func(view *mls.CommitView) error {
		for _, member := range view.Adds {
			if !known[string(member.SignatureKey)] {
				return fmt.Errorf("%s is a stranger", member.Identity)
			}
		}
		return nil
	}
	anna, ben := coupleOf(annaConfig, benConfig, suite)

	kp, _ := newcomer(evilConfig, "mallory")
	staged, err := anna.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{kp}})
	check(err)
	_, err = ben.Process(staged.Commit)
	fmt.Println(errors.Is(err, mls.ErrUnauthorized), err)
	fmt.Println("ben is in epoch", ben.Epoch())
	// Output:
	// true authorize commit: commit is not authorized: mallory is a stranger
	// ben is in epoch 1
}

// The post-quantum hybrid suite is used as any other.
func Example_hybrid() {
	hybrid := mls.MLKEM768X25519AES128GCMSHA256Ed25519
	anna, ben := coupleOf(config(), config(), hybrid)
	msg, err := anna.Seal([]byte("for longer than a decade"), nil, 256)
	check(err)
	received, err := ben.Process(msg)
	check(err)
	fmt.Printf("%s: %q\n", ben.Suite(), received.Data)
	// Output: MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519: "for longer than a decade"
}

// The private keys of a key package are stored before it is published, and
// erased when the group that they opened is stored.
func ExampleKeyPackagePrivate() {
	annaConfig, benConfig := config(), config()
	kp, priv := newcomer(benConfig, "ben")
	stored, err := priv.MarshalBinary()
	check(err)
	published := kp.Bytes()

	anna, err := mls.Create(annaConfig, []byte("group 1"), suite, []byte("anna"), nil)
	check(err)
	bens, err := mls.ParseKeyPackage(published) // verified but for its lifetime
	check(err)
	staged, err := anna.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{bens}})
	check(err)

	again, err := mls.ParseKeyPackagePrivate(stored)
	check(err)
	fmt.Println("the Welcome is for this package:", mls.WelcomeFor(staged.Welcome, kp.Ref()))
	ben, err := mls.Join(benConfig, staged.Welcome, kp, again, nil)
	check(err)
	again.Erase()
	fmt.Println(len(ben.Members()), "members;", again)
	// Output:
	// the Welcome is for this package: true
	// 2 members; mls.KeyPackagePrivate{…}
}

// A signature key may rest where nobody can read it.
type token struct{ key ed25519.PrivateKey }

func (t token) Public() crypto.PublicKey { return t.key.Public() }

func (t token) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	return t.key.Sign(nil, message, opts) // in truth, a call to hardware
}

func ExampleConfig_signer() {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	check(err)
	cfg := mls.Config{Signer: token{key}}
	group, err := mls.Create(cfg, []byte("group 1"), suite, []byte("anna"), nil)
	check(err)
	fmt.Println(group.Members()[0].SignatureKey != nil, group)
	// Output: true mls.Group{67726f75702031, epoch 0}
}

// Who carries a message reads its head without keys.
func ExamplePeek() {
	anna, _ := couple()
	msg, err := anna.Seal([]byte("hello"), []byte("topic 7"), 0)
	check(err)
	head, err := mls.Peek(msg)
	check(err)
	fmt.Printf("%s, epoch %d, application: %t, %s\n", head.GroupID, head.Epoch, head.ContentType == mls.Application, head.AuthenticatedData)
	// Output: group 1, epoch 1, application: true, topic 7
}

// Applications put data of their own into the group context, where all members
// see the same; types from 0xF000 are for private use.
func ExampleExtension() {
	annaConfig := config()
	rules := mls.Extension{Type: 0xF000, Data: []byte("no photographs")}
	anna, err := mls.Create(annaConfig, []byte("group 1"), suite, []byte("anna"), []mls.Extension{rules})
	check(err)
	staged, err := anna.Commit(mls.CommitOptions{Extensions: []mls.Extension{{Type: 0xF000, Data: []byte("photographs on request")}}})
	check(err)
	check(anna.Merge())
	fmt.Println(staged.View.ExtensionsChanged, string(anna.Extensions()[0].Data))
	// Output: true photographs on request
}
