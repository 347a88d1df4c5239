//go:build unix

package mls

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
)

// TestMain lets the test binary be a child of its own tests: a member that is
// searched, or one that is killed. It takes orders on standard input and
// answers on descriptor 3.
func TestMain(m *testing.M) {
	for name, serve := range map[string]func(string, *json.Decoder, *json.Encoder) error{
		subjectDir: serveSubject, killDir: serveKilled,
	} {
		dir := os.Getenv(name)
		if dir == "" {
			continue
		}
		if err := serve(dir, json.NewDecoder(os.Stdin), json.NewEncoder(os.NewFile(3, "answers"))); !errors.Is(err, io.EOF) {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
