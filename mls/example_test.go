package mls_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
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
	kp, priv, err := mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: suite, Identity: []byte(name), Signer: cfg.Signer,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	})
	check(err)
	return kp, priv
}

// couple is a group of anna and ben.
func couple() (anna, ben *mls.Group) {
	annaConfig, benConfig := config(), config()
	anna, err := mls.Create(annaConfig, []byte("group 1"), suite, []byte("anna"), nil)
	check(err)
	kp, priv := newcomer(benConfig, "ben")
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
