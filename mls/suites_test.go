package mls

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// suiteVariable chooses the suite of every lab: "hybrid" or nothing.
const suiteVariable = "PRIMUM_MLS_SUITE"

// labSuite is the suite of every lab in this process.
func labSuite() Suite {
	if os.Getenv(suiteVariable) == "hybrid" {
		return MLKEM768X25519AES128GCMSHA256Ed25519
	}
	return X25519AES128GCMSHA256Ed25519
}

// longerKeys is how many bytes more than in suite 1 the public keys of this many
// nodes have.
func longerKeys(nodes int) int {
	if labSuite() == X25519AES128GCMSHA256Ed25519 {
		return 0
	}
	return nodes * 1184
}

// TestOnTheHybrid runs the tests of this package that use a lab once more, in a
// process of their own, with all groups on the post-quantum hybrid suite.
func TestOnTheHybrid(t *testing.T) {
	t.Parallel()
	if labSuite() != X25519AES128GCMSHA256Ed25519 {
		t.Skip("this is that process")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Those left out run on every suite by themselves, or on none.
	const other = "^(TestOnTheHybrid|TestModel|TestModelSees|TestConstantState|TestDeletion.*|.*Vectors.*)$"
	args := []string{"-test.v", "-test.skip", other}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), suiteVariable+"=hybrid")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, failures(string(out)))
	}
	if n := strings.Count(string(out), "--- PASS: "); n < 30 {
		t.Errorf("only %d tests ran on the hybrid", n)
	}
}

// failures keeps what failed of a verbose run and its last lines.
func failures(out string) string {
	lines := strings.Split(out, "\n")
	var kept []string
	for i, line := range lines {
		if strings.Contains(line, "FAIL") || strings.Contains(line, "_test.go:") || i > len(lines)-20 {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func TestSuites(t *testing.T) {
	t.Parallel()
	all := Suites()
	if len(all) != 2 || all[0] != MLKEM768X25519AES128GCMSHA256Ed25519 || all[1] != X25519AES128GCMSHA256Ed25519 {
		t.Errorf("suites, the strongest first: %v", all)
	}
	if s := Suite(0x4242).String(); s != "cipher suite 0x4242" {
		t.Errorf("an unknown suite is called %q", s)
	}
}
