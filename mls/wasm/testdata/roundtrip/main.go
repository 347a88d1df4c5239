// Command roundtrip is the smallest program that uses package mls: two members,
// one message, one removal, in the hybrid suite and in suite 1. It prints what
// each step took.
package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"primum/mls"
)

func main() {
	for _, suite := range mls.Suites() {
		if err := play(suite); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// stopwatch prints what happened since the last step.
type stopwatch struct{ last time.Time }

func (w *stopwatch) step(suite mls.Suite, what string) {
	fmt.Printf("%s %s %d µs\n", suite, what, time.Since(w.last).Microseconds())
	w.last = time.Now()
}

func play(suite mls.Suite) error {
	w := &stopwatch{time.Now()}
	annas, err := config()
	if err != nil {
		return err
	}
	bens, err := config()
	if err != nil {
		return err
	}
	anna, err := mls.Create(annas, []byte("group"), suite, []byte("anna"), nil)
	if err != nil {
		return err
	}
	w.step(suite, "create")
	kp, priv, err := mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: suite, Identity: []byte("ben"), Signer: bens.Signer,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	})
	if err != nil {
		return err
	}
	w.step(suite, "package")
	staged, err := anna.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{kp}})
	if err != nil {
		return err
	}
	if err := anna.Merge(); err != nil {
		return err
	}
	w.step(suite, "add")
	ben, err := mls.Join(bens, staged.Welcome, kp, priv, nil)
	if err != nil {
		return err
	}
	w.step(suite, "join")
	return talk(w, suite, anna, ben)
}

// talk sends a message, restarts the receiver, and removes it.
func talk(w *stopwatch, suite mls.Suite, anna, ben *mls.Group) error {
	msg, err := anna.Seal([]byte("hello from WebAssembly"), nil, 256)
	if err != nil {
		return err
	}
	w.step(suite, "seal")
	got, err := ben.Process(msg)
	if err != nil || string(got.Data) != "hello from WebAssembly" {
		return fmt.Errorf("open: %v", err)
	}
	w.step(suite, "open")
	state, err := ben.MarshalBinary()
	if err != nil {
		return err
	}
	if ben, err = mls.Load(mls.Config{}, state); err != nil {
		return err
	}
	w.step(suite, "restart")
	staged, err := anna.Commit(mls.CommitOptions{Remove: []uint32{ben.Me()}})
	if err != nil {
		return err
	}
	if got, err = ben.Process(staged.Commit); err != nil || !got.Evicted {
		return fmt.Errorf("remove: %v", err)
	}
	w.step(suite, "remove")
	return nil
}

func config() (mls.Config, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return mls.Config{Signer: key}, err
}
