package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestStrangersDontWriteToTheTerminal: what a node, a file or another person
// wrote never moves the cursor, sets a title or hides a line.
func TestStrangersDontWriteToTheTerminal(t *testing.T) {
	t.Parallel()
	a, out, errOut := testApp(t)
	const evil = "\x1b]0;owned\x07\x1b[1A\x1b[2Kall is well\u009b2J\r"
	a.say("ledger.found", "Log", "h.example/ledger/public", "What", "key", "Detail", evil)
	a.hint("ledger.away", "Domain", "h.example", "What", evil)
	a.fail(&cobra.Command{}, errors.New(evil))
	for _, text := range []string{out.String(), errOut.String()} {
		if !strings.Contains(text, "all is well") || strings.ContainsAny(text, "\x1b\x07\r\u009b") {
			t.Errorf("a terminal gets %q", text)
		}
	}
}
