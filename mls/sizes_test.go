package mls

import (
	"fmt"
	"testing"
	"time"
)

// circleOf is a group of n as `circle` has them: one member commits and the
// others never do, so that a commit carries a ciphertext for each of them.
type circleOf struct {
	*lab
	anchor *party
	last   *party // who was let in last, alone
	before *party // who was let in before, and follows
	sizes  map[string]int
	all    CommitOptions // lets n-1 in at once
}

func newCircleOf(t testing.TB, s Suite, n int) *circleOf {
	t.Helper()
	c := &circleOf{lab: newLabOf(t, s, 5, 1), sizes: map[string]int{}}
	c.anchor = c.at(0)
	for range n - 1 {
		kp, _ := c.keyPackage(c.party())
		c.all.Add = append(c.all.Add, kp)
	}
	once, err := c.anchor.g.Commit(c.all)
	c.must(err)
	c.sizes["commit that adds all at once"], c.sizes["Welcome for all"] = len(once.Commit), len(once.Welcome)
	c.anchor.g.Discard()
	if n > 2 {
		c.before = c.party()
		kp, priv := c.keyPackage(c.before)
		staged := c.let(CommitOptions{Add: append(c.all.Add[:n-3:n-3], kp)})
		c.before.g, err = Join(c.before.cfg, staged.Welcome, kp, priv, nil)
		c.must(err)
	}
	c.last = c.party()
	kp, priv := c.keyPackage(c.last)
	c.sizes["key package"] = len(kp.Bytes())
	staged := c.let(CommitOptions{Add: []*KeyPackage{kp}})
	c.sizes["commit that adds one"], c.sizes["Welcome for one"] = len(staged.Commit), len(staged.Welcome)
	c.last.g, err = Join(c.last.cfg, staged.Welcome, kp, priv, nil)
	c.must(err)
	return c
}

// let commits, and who was there before follows.
func (c *circleOf) let(o CommitOptions) *Staged {
	c.t.Helper()
	staged, err := c.anchor.g.Commit(o)
	c.must(err)
	c.must(c.anchor.g.Merge())
	if c.before != nil && c.before.g != nil {
		_, err = c.before.g.Process(staged.Commit)
		c.must(err)
	}
	return staged
}

// renew has the newest member renew its leaf.
func (c *circleOf) renew() {
	c.t.Helper()
	update, err := c.last.g.ProposeUpdate(nil)
	c.must(err)
	_, err = c.anchor.g.Process(update)
	c.must(err)
	staged, err := c.anchor.g.Commit(CommitOptions{})
	c.must(err)
	c.must(c.anchor.g.Merge())
	state, err := c.anchor.g.MarshalBinary()
	c.must(err)
	c.sizes["Update"], c.sizes["commit of an Update"], c.sizes["stored state"] = len(update), len(staged.Commit), len(state)
}

// TestSizes keeps the table in docs/spec/circle.md: bytes, at most 2 % off.
func TestSizes(t *testing.T) {
	t.Parallel()
	for i, s := range Suites() {
		for column, n := range []int{2, 8, 63} {
			if n == 63 && testing.Short() {
				continue
			}
			c := newCircleOf(t, s, n)
			c.renew()
			for what, want := range documentedSizes() {
				got, documented := c.sizes[what], want[i][column]
				t.Logf("%s, %d members: %s: %d bytes", s, n, what, got)
				if diff := got - documented; diff*50 > documented || -diff*50 > documented {
					t.Errorf("%s, %d members: %s has %d bytes, the page says %d", s, n, what, got, documented)
				}
			}
		}
	}
}

// documentedSizes is the table: for the hybrid and for suite 1, at 2, 8 and 63
// members.
func documentedSizes() map[string][2][3]int {
	return map[string][2][3]int{
		"key package":                  {{2652, 2653, 2653}, {282, 283, 283}},
		"commit that adds one":         {{5406, 14874, 82945}, {665, 1230, 5845}},
		"Welcome for one":              {{5422, 16101, 94831}, {778, 1977, 11969}},
		"Update":                       {{1467, 1468, 1468}, {282, 283, 283}},
		"commit of an Update":          {{3960, 13426, 81497}, {501, 1063, 5678}},
		"commit that adds all at once": {{5406, 23752, 173268}, {665, 2420, 18033}},
		"Welcome for all":              {{5422, 23546, 170534}, {778, 2888, 21241}},
		"stored state":                 {{4384, 15137, 93974}, {829, 2102, 12205}},
	}
}

// BenchmarkSuites gives the times beside that table: the quickest of all rounds,
// so that a busy machine shows least.
func BenchmarkSuites(b *testing.B) {
	for _, s := range Suites() {
		for _, n := range []int{2, 8, 63} {
			c := newCircleOf(b, s, n)
			one, priv := c.keyPackage(c.party())
			staged, err := c.anchor.g.Commit(CommitOptions{Add: []*KeyPackage{one}})
			c.must(err)
			c.anchor.g.Discard()
			for _, work := range []struct {
				what string
				do   func() (prepared func())
			}{
				{"key-package", func() func() { return func() { c.keyPackage(c.anchor) } }},
				{"commit-add", func() func() { return c.committing(CommitOptions{Add: []*KeyPackage{one}}) }},
				{"join", func() func() { return c.joining(staged.Welcome, one, priv) }},
				{"update", func() func() { return c.updating() }},
				{"commit-update", func() func() { return c.committing(CommitOptions{}) }},
				{"process", func() func() { return c.processing(staged.Commit) }},
			} {
				b.Run(fmt.Sprintf("%#x/%d/%s", uint16(s), n, work.what), func(b *testing.B) {
					least := time.Hour
					for b.Loop() {
						f := work.do()
						begin := time.Now()
						f()
						least = min(least, time.Since(begin))
					}
					b.ReportMetric(float64(least.Microseconds())/1000, "least-ms")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

func (c *circleOf) committing(o CommitOptions) func() {
	if c.anchor.g.Pending() {
		c.anchor.g.Discard()
	}
	return func() {
		_, err := c.anchor.g.Commit(o)
		c.must(err)
	}
}

func (c *circleOf) joining(welcome []byte, kp *KeyPackage, priv *KeyPackagePrivate) func() {
	secret, err := priv.MarshalBinary()
	c.must(err)
	again, err := ParseKeyPackagePrivate(secret)
	c.must(err)
	return func() {
		_, err := Join(Config{Now: labTime, Rand: c.rnd}, welcome, kp, again, nil)
		c.must(err)
	}
}

// copyOfLast is the newest member's group, to be changed.
func (c *circleOf) copyOfLast() *Group {
	state, err := c.last.g.MarshalBinary()
	c.must(err)
	g, err := Load(c.last.cfg, state)
	c.must(err)
	return g
}

func (c *circleOf) updating() func() {
	g := c.copyOfLast()
	return func() {
		_, err := g.ProposeUpdate(nil)
		c.must(err)
	}
}

func (c *circleOf) processing(commit []byte) func() {
	g := c.copyOfLast()
	return func() {
		_, err := g.Process(commit)
		c.must(err)
	}
}
