package mls

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"
)

// The model test drives a group of 2 to 20 members through a random schedule:
// commits that race (the node takes one by compare-and-append), proposals by
// value and by reference, messages; letters that are lost, doubled, late and
// out of order; members and nodes that restart, crash between any two steps
// of writing their state, lose it, or cheat. Its oracle (model_oracle_test.go)
// is what RFC 9420 promises:
//
//   - all who are in one epoch have one tree hash, group context, confirmed
//     transcript hash, exporter and epoch authenticator, and the keyless
//     tracker has the same tree hash and context;
//   - who was removed opens nothing that is sealed later, with any key it had;
//   - a refused input changes no byte of the serialised state;
//   - no message is opened twice, counting only what a crash left on disk;
//   - no key and nonce seal two messages, also not across a crash; with
//     Reserve no key does.

// TestModel runs random schedules over every suite. PRIMUM_MODEL_STEPS sets the
// length of a run, PRIMUM_MODEL_SEED its first seed. The seed is printed; it
// repeats all of a run, keys and ciphertexts included, because all randomness
// comes from it. It can't run in parallel for that reason.
func TestModel(t *testing.T) {
	steps := envInt("PRIMUM_MODEL_STEPS", modelSteps)
	first := uint64(envInt("PRIMUM_MODEL_SEED", int(time.Now().UnixNano()&0xffffff)+1))
	seeds := uint64(envInt("PRIMUM_MODEL_SEEDS", 3))
	var sum tally
	for seed := first; seed < first+seeds; seed++ {
		s := plan{seed: seed, suite: Suites()[seed%uint64(len(Suites()))]}
		s.fill(steps)
		start := time.Now()
		m, failure := s.run(t)
		if failure != "" {
			t.Logf("seed %d: %s; shrinking the schedule", seed, failure)
			t.Fatal(s.shrink(t, failure))
		}
		t.Logf("seed %d, %d steps of %s: %s in %s (PRIMUM_MODEL_SEED=%d PRIMUM_MODEL_STEPS=%d repeats it)",
			seed, steps, s.suite, m, time.Since(start).Round(time.Millisecond), seed, steps)
		sum.add(&m.count)
	}
	if steps*int(seeds) >= 1800 {
		sum.complete(t)
	}
}

func envInt(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// plan is what makes a run: a step is a number that decides all of it
// together with the seed, so that steps can be left out.
type plan struct {
	seed  uint64
	suite Suite
	steps []int
	fault fault // what a control breaks on purpose
}

func (s *plan) fill(n int) {
	s.steps = make([]int, n)
	for i := range s.steps {
		s.steps[i] = i
	}
}

// probe is a testing.TB whose failures end a run instead of the test.
type probe struct{ testing.TB }

type probed string

func (probe) Helper() {}

func (probe) Fatal(args ...any) { panic(probed(fmt.Sprintln(args...))) }

func (probe) Fatalf(format string, args ...any) { panic(probed(fmt.Sprintf(format, args...))) }

func (probe) Errorf(format string, args ...any) { panic(probed(fmt.Sprintf(format, args...))) }

// run goes through the schedule; a failure names the step. After it, the steps
// end there.
func (s *plan) run(t *testing.T) (m *model, failure string) {
	at := -1
	where := func() string {
		if at < 0 {
			return "settling"
		}
		return fmt.Sprintf("step %d", at)
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
			return
		case probed:
			failure = fmt.Sprintf("%s: %s", where(), string(p))
		default:
			failure = fmt.Sprintf("%s: panic: %v\n%s", where(), p, debug.Stack())
		}
		if i := slices.Index(s.steps, at); i >= 0 {
			s.steps = s.steps[:i+1]
		}
	}()
	cryptotest.SetGlobalRandom(t, s.seed)
	m = newModel(probe{t}, s)
	for _, at = range s.steps {
		m.pick = rand.New(rand.NewPCG(s.seed, uint64(at)))
		m.step()
	}
	at = -1
	m.settle()
	return m, ""
}

// shrink leaves out parts of a failing schedule as long as it fails and time
// lasts, and says how to run what is left.
func (s *plan) shrink(t *testing.T, failure string) string {
	t.Helper()
	end := time.Now().Add(time.Minute)
	best := slices.Clone(s.steps)
	for part := len(best) / 2; part > 0; part /= 2 {
		for from := 0; from+part <= len(best) && time.Now().Before(end); {
			trial := *s
			trial.steps = slices.Delete(slices.Clone(best), from, from+part)
			if _, f := trial.run(t); f != "" && kindOf(f) == kindOf(failure) {
				best, failure = trial.steps, f
			} else {
				from += part
			}
		}
	}
	shown := best
	if len(shown) > 60 {
		shown = shown[:60]
	}
	return fmt.Sprintf("PRIMUM_MODEL_SEED=%d: %s\nshrunk to %d steps (of those of the seed): %v", s.seed, failure, len(best), shown)
}

// kindOf is a failure without its numbers.
func kindOf(failure string) string {
	_, text, _ := strings.Cut(failure, ":")
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text[:min(len(text), 80)])
}

// TestModelSees breaks one thing at a time on purpose and demands that the
// oracle sees it: a model that finds nothing is no proof otherwise.
func TestModelSees(t *testing.T) {
	for _, f := range modelFaults() {
		s := plan{seed: 7, suite: X25519AES128GCMSHA256Ed25519, fault: f}
		seen := ""
		for ; seen == "" && s.seed < 12; s.seed++ {
			s.fill(1500)
			_, seen = s.run(t)
		}
		if seen == "" {
			t.Errorf("with the fault %q no run fails", f)
		}
		t.Logf("%s: %s", f, seen)
	}
}
