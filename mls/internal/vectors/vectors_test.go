package vectors

import "testing"

// TestTotals counts the rows that the tests beside the internals run, one line
// per file there: those of suite 1 and those without a suite.
func TestTotals(t *testing.T) {
	t.Parallel()
	official := []string{
		"crypto-basics", "deserialization", "key-schedule", "message-protection", "messages",
		"passive-client-handling-commit", "passive-client-random", "passive-client-welcome", "psk_secret",
		"secret-tree", "transcript-hashes", "tree-math", "tree-operations", "tree-validation", "treekem", "welcome",
	}
	recordings := []string{
		"passive/application", "passive/branch", "passive/commit", "passive/external_join",
		"passive/external_proposals", "passive/reinit", "passive/welcome_join",
	}
	check(t, "the 16 files", official, 71+324, 785)
	check(t, "the recordings", recordings, 172, 1204)
}

func check(t *testing.T, what string, names []string, want, wantOf int) {
	t.Helper()
	ran, of := 0, 0
	for _, name := range names {
		var rows []struct {
			Suite *uint16 `json:"cipher_suite"`
		}
		load(t, name, &rows)
		for _, row := range rows {
			if of++; row.Suite == nil || *row.Suite == 1 {
				ran++
			}
		}
	}
	t.Logf("vectors: %d of %d rows run in %s together, %d skipped by suite", ran, of, what, of-ran)
	if ran != want || of != wantOf {
		t.Errorf("%s hold %d of %d rows, want %d of %d", what, ran, of, want, wantOf)
	}
}
