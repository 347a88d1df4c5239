package person

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"primum/circle"
	"primum/client"
	"primum/internal/wire"
	"primum/mls"
	"primum/oath"
)

// window is a stretch of bytes that two circles do not share by chance.
type window [24]byte

var (
	tokenForm = regexp.MustCompile(`[A-Za-z0-9_-]{12,}`)
	wordForm  = regexp.MustCompile(`^([A-Za-z_-]+|[0-9]{4}-[0-9]{2}-[0-9]{2}T?[0-9]*)$`)
)

// view is all that a grantee can look at under one grant.
type view struct {
	name   string // for people: "a, 1st grant"
	of     *human
	grant  circle.GrantInfo
	tokens map[string]string // and where they stand
	bytes  map[window]bool
}

// compareGrantees (O08): the same thing is given to a and to b, twice each and
// without the person's name. Of all that they hold and hear nothing must be the
// same but the measurement.
//
// Facts: grants, compared-tokens, compared-bytes, shared (tokens or stretches of
// bytes that two grantees, or two grants of one, have in common), first-shared.
func (c *Cast) compareGrantees(ctx context.Context, _ oath.Args) (oath.Observation, error) {
	o := oath.Observation{Facts: facts{}}
	common := c.saidToEverybody(ctx)
	marks := map[*human]int{c.a: c.a.tape.mark(), c.b: c.b.tape.mark()}
	views, err := c.giveFour(ctx)
	if err != nil {
		return o, err
	}
	for i := range views {
		c.readView(&views[i])
	}
	heardBy := map[*human]map[string]string{}
	for h, mark := range marks {
		heardBy[h] = tokensSaid(h.tape.since(mark))
	}
	constants, err := constantBytes(c.run.Target.Domain)
	if err != nil {
		return o, err
	}
	var shared []string
	sharedNow := func(what string) { shared = append(shared, what) }
	compareTokens("a and b", heardBy[c.a], heardBy[c.b], common, sharedNow)
	tokens, stretches := len(heardBy[c.a])+len(heardBy[c.b]), 0
	for i, v := range views {
		tokens, stretches = tokens+len(v.tokens), stretches+len(v.bytes)
		for _, w := range views[:i] {
			compareTokens(w.name+" and "+v.name, v.tokens, w.tokens, withOwn(common, v, w), sharedNow)
			if v.of != w.of {
				compareBytes(w.name+" and "+v.name, v.bytes, w.bytes, constants, sharedNow)
			}
		}
	}
	o.Facts["grants"], o.Facts["compared-tokens"], o.Facts["compared-bytes"] = oath.Number(len(views)), oath.Number(tokens), oath.Number(stretches)
	o.Facts["shared"] = oath.Number(len(shared))
	if len(shared) > 0 {
		o.Facts["first-shared"] = oath.Text(shared[0])
		o.Evidence = append(o.Evidence, c.note("Shared by two who should not be able to tell that they see the same: "+strings.Join(shared[:min(len(shared), 5)], "; "), c.again("O08")))
	}
	return o, nil
}

// giveFour gives the number to a and b, twice each, and lets the thing speak.
func (c *Cast) giveFour(ctx context.Context) (views []view, err error) {
	for _, who := range []struct {
		name string
		h    *human
	}{{"a, 1st grant", c.a}, {"b, 1st grant", c.b}, {"a, 2nd grant", c.a}, {"b, 2nd grant", c.b}} {
		g, err := c.give(ctx, offer{to: who.h, names: []string{countName}, ops: seeing(), precision: circle.Precision{Change: true}, pseudonymous: true})
		if err != nil {
			return nil, err
		}
		views = append(views, view{name: who.name, of: who.h, grant: g})
	}
	for range 3 {
		v, err := number()
		if err != nil {
			return nil, err
		}
		if err := c.thing.tell(countName, v, c.clock.Now()); err != nil {
			return nil, err
		}
		c.pause(ctx, 20*time.Millisecond)
	}
	for _, v := range views {
		heardIt := func() bool {
			g, ok := v.of.received(v.grant.ID)
			return ok && !g.LastValue.IsZero()
		}
		if !c.until(ctx, patience, heardIt) {
			return nil, oath.Unshown("not every grantee got values, so that there is nothing to compare")
		}
		// What a program asks of its own accord when it looks at its grants.
		_, _ = v.of.node(phone).Grants(ctx)                               // the tape has it
		_, _ = v.of.node(phone).Circle(ctx, v.grant.Circle.String())      // and this
		_, _ = v.of.node(phone).Messages(ctx, v.grant.Circle.String(), 0) // and this
	}
	return views, nil
}

// readView gathers documents and messages of one grant.
func (c *Cast) readView(v *view) {
	v.tokens, v.bytes = map[string]string{}, map[window]bool{}
	if g, ok := v.of.received(v.grant.ID); ok {
		addTokens(v.tokens, "the terms", payloadOf(g.Terms))
		v.tokens[g.Circle.String()], v.tokens[g.ID] = "the circle's number", "the grant's number"
	}
	for _, f := range frames(v.of.tape.since(0), heard, wire.CircleID(v.grant.Circle)) {
		addWindows(v.bytes, f.Message, c.clock.Now())
	}
}

// addWindows adds all stretches of a message. Times of these weeks, of which the
// messages carry some (the validity of a key), count as zero: two test persons
// who signed up in one second are not linked by that.
func addWindows(all map[window]bool, message []byte, now time.Time) {
	const around = 100 * 24 * time.Hour
	plain := slices.Clone(message)
	for i := 0; i+8 <= len(message); i++ {
		n := binary.BigEndian.Uint64(message[i:])
		if n > uint64(now.Add(-around).Unix()) && n < uint64(now.Add(around).Unix()) {
			clear(plain[i : i+8])
		}
	}
	for i := 0; i+len(window{}) <= len(plain); i++ {
		if w := window(plain[i:]); w.says() {
			all[w] = true
		}
	}
}

// says tells whether a stretch could name somebody: lengths and small numbers
// have few different bytes, random ones nearly all.
func (w window) says() bool {
	var different [256]bool
	n := 0
	for _, b := range w {
		if !different[b] {
			different[b], n = true, n+1
		}
	}
	return n >= 10
}

// payloadOf is what terms say, without their fixed JSON-LD context and the text
// that was shown, which is the same where the same is given to the same grantee.
func payloadOf(compact string) []byte {
	var m map[string]json.RawMessage
	t, err := client.Terms(compact)
	if err != nil {
		return nil
	}
	b, err := json.Marshal(t)
	if err != nil || json.Unmarshal(b, &m) != nil {
		return nil
	}
	delete(m, "@context")
	delete(m, "hasNotice")
	b, _ = json.Marshal(m) // it was JSON a line above
	return b
}

func addTokens(all map[string]string, where string, b []byte) {
	for _, m := range tokenForm.FindAll(b, -1) {
		if !wordForm.Match(m) {
			all[string(m)] = where
		}
	}
}

// tokensSaid are the tokens of all that the node said on a tape: headers, JSON.
func tokensSaid(said []crossing) map[string]string {
	all := map[string]string{}
	for _, x := range said {
		if x.way != answered && x.way != heard {
			continue
		}
		for name, value := range x.header {
			if name != "date" {
				addTokens(all, "the header "+name+" of "+x.name(), []byte(value))
			}
		}
		if !x.binary && (json.Valid(x.bytes) || bytes.Count(x.bytes, []byte(".")) == 2) {
			addTokens(all, x.name(), x.bytes)
		}
	}
	return all
}

// saidToEverybody are tokens that tell nothing about the person or the thing: the
// node says them to a stranger, or said them to a and b before anything was
// given; and the person's account, from which an offer visibly comes.
func (c *Cast) saidToEverybody(ctx context.Context) map[string]bool {
	t := newTape(c.net, c.clock)
	c.readEverything(ctx, t)
	known := map[string]bool{}
	for token := range tokensSaid(t.since(0)) {
		known[token] = true
	}
	for _, v := range []string{c.owner.address.String(), c.owner.doc.Compact(), "urn:primum"} {
		for _, m := range tokenForm.FindAllString(v, -1) {
			known[m] = true
		}
	}
	for _, part := range strings.Split(c.run.Target.Domain, ".") {
		known[part] = true
	}
	return known
}

// withOwn adds, for two grants of one grantee, what is the grantee's own.
func withOwn(common map[string]bool, v, w view) map[string]bool {
	if v.of != w.of {
		return common
	}
	all := map[string]bool{}
	for k := range common {
		all[k] = true
	}
	own := v.of.doc.Compact() + " " + base64.RawURLEncoding.EncodeToString(v.of.doc.IdentityKey())
	if d, err := v.of.doc.Next(time.Now()); err == nil {
		if b, err := json.Marshal(d); err == nil {
			own += string(b)
		}
	}
	for _, m := range tokenForm.FindAllString(own, -1) {
		all[m] = true
	}
	return all
}

func compareTokens(who string, x, y map[string]string, common map[string]bool, found func(string)) {
	var both []string
	for token, where := range x {
		if _, ok := y[token]; ok && !common[token] {
			both = append(both, fmt.Sprintf("%s both have %q, in %s", who, token, where))
		}
	}
	slices.Sort(both)
	for _, s := range both {
		found(s)
	}
}

func compareBytes(who string, x, y map[window]bool, constants map[window]bool, found func(string)) {
	for w := range x {
		if y[w] && !constants[w] && !nearConstant(w, constants) {
			found(fmt.Sprintf("%s both have the bytes %x in their messages", who, w[:]))
			return
		}
	}
}

// nearConstant tells whether all but a few bytes stand in every circle: the few
// may be equal by chance.
func nearConstant(w window, constants map[window]bool) bool {
	for k := range constants {
		if bytes.Contains(k[:], w[:len(w)-4]) || bytes.Contains(k[:], w[4:]) {
			return true
		}
	}
	return false
}

// constantBytes are the stretches that stand in the messages of every circle: of
// one that is made here, for people of the same domain, and nobody else has seen.
func constantBytes(domain string) (map[window]bool, error) {
	all := map[window]bool{}
	now := time.Now()
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, fmt.Errorf("make a circle to compare with: %w", err)
	}
	anchor, err := newKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	extension := mls.Extension{Type: contextExtension, Data: append([]byte{1}, make([]byte, 64)...)}
	if _, err := rand.Read(extension.Data[1:]); err != nil {
		return nil, fmt.Errorf("make a circle to compare with: %w", err)
	}
	g, err := mls.Create(mls.Config{Signer: anchor}, id, mls.Suites()[0], id, []mls.Extension{extension})
	if err != nil {
		return nil, fmt.Errorf("make a circle to compare with: %w", err)
	}
	var add []*mls.KeyPackage
	for range 2 {
		key, err := newKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		kp, _, err := mls.NewKeyPackage(mls.KeyPackageOptions{
			Suite: mls.Suites()[0], Identity: []byte("anybody@" + domain), Signer: key, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(80 * 24 * time.Hour),
			Extensions: []uint16{contextExtension},
		})
		if err != nil {
			return nil, fmt.Errorf("make a circle to compare with: %w", err)
		}
		add = append(add, kp)
	}
	at := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
	for _, o := range []mls.CommitOptions{{Add: add, AuthenticatedData: at}, {AuthenticatedData: at}} {
		staged, err := g.Commit(o)
		if err != nil {
			return nil, fmt.Errorf("make a circle to compare with: %w", err)
		}
		addWindows(all, staged.Commit, now)
		addWindows(all, staged.Welcome, now)
		if err := g.Merge(); err != nil {
			return nil, fmt.Errorf("make a circle to compare with: %w", err)
		}
	}
	return all, nil
}
