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

// failures keeps what the failed tests of a verbose run said, and how the run
// ended if none did fail.
func failures(out string) string {
	lines := strings.Split(out, "\n")
	failed := map[string]bool{}
	for _, line := range lines {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); ok {
			failed[strings.Fields(name)[0]] = true
		}
	}
	if len(failed) == 0 {
		return strings.Join(lines[max(0, len(lines)-20):], "\n")
	}
	var kept []string
	of := ""
	for _, line := range lines {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "===" {
			of = f[2]
		} else if failed[of] && len(kept) < 200 {
			kept = append(kept, of+": "+line)
		}
	}
	return strings.Join(kept, "\n")
}

func TestFailuresOfAnotherRun(t *testing.T) {
	t.Parallel()
	const out = "=== RUN   TestA\n    a_test.go:1: fine\n=== RUN   TestB\n    b_test.go:2: broken\n--- FAIL: TestB (0.01s)\n--- PASS: TestA (0.01s)\nFAIL"
	got := failures(out)
	if !strings.Contains(got, "b_test.go:2: broken") || strings.Contains(got, "fine") {
		t.Errorf("kept of a run: %s", got)
	}
	if got := failures("panic: out of memory\nexit"); !strings.Contains(got, "out of memory") {
		t.Errorf("kept of a run without a failed test: %s", got)
	}
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
