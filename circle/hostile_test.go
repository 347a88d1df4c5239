package circle

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"primum/circle/internal/anchor"
	"primum/circle/internal/core"
	"primum/grant"
	"primum/mls"
)

// copyDir copies an actor's directory, as a thief or a backup would.
func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == ".lock" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

var base64Run = regexp.MustCompile(`[A-Za-z0-9+/_-]{22,}={0,2}`)

// decodings are the bytes of b, and everything that base64 in it hides, to any
// depth.
func decodings(b []byte) [][]byte {
	out := [][]byte{b}
	for _, m := range base64Run.FindAll(b, -1) {
		s := strings.TrimRight(string(m), "=")
		for off := range min(4, len(s)) {
			part := s[off:]
			for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				d, err := enc.DecodeString(part[:len(part)/4*4])
				if err == nil && len(d) >= 16 {
					out = append(out, d)
					if off == 0 {
						if full, err := enc.DecodeString(part); err == nil {
							out = append(out, decodings(full)[0:]...)
						}
					}
				}
			}
			if off == 0 && len(s) > 4096 {
				break // a large blob begins where it begins
			}
		}
	}
	return out
}

// dirBytes is everything in a directory's files, decoded too.
func dirBytes(t testing.TB, dir string) [][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, decodings(b)...)
	}
	return out
}

const window = 20

// windows are all stretches of 20 bytes.
func windows(blobs ...[]byte) map[[window]byte]bool {
	out := map[[window]byte]bool{}
	for _, b := range blobs {
		for i := 0; i+window <= len(b); i++ {
			out[[window]byte(b[i:i+window])] = true
		}
	}
	return out
}

// roomOf reads a circle's stored state out of a directory.
func roomOf(t testing.TB, dir string, c core.ID) core.RoomState {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, core.PartCircle+c.String()+".part"))
	if err != nil {
		t.Fatal(err)
	}
	var st core.RoomState
	if err := json.Unmarshal(b, &st); err != nil {
		t.Fatal(err)
	}
	return st
}

func actorOf(a subject) *core.Actor {
	switch a := a.(type) {
	case *anchor.Anchor:
		return &a.Actor
	case *ownerActor:
		return &a.Actor
	}
	return nil
}

// P2: the node answers a claim of key packages with one of its own making.
func TestP2NodeCannotAddItsOwnKeyPackage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	edge := w.anchor("edge", nil)
	owner := w.client(ownerName, "phone")
	w.client(friendName, "phone")
	check(t, edge.SetThings(usualThings()))
	home := w.claim(edge, owner)
	spy := newKey(t)
	var tried int
	w.node.refuse = func(_ string, e core.Effect) (*core.Result, *core.Refusal) {
		if e.Kind != core.EffectClaimKeyPackages {
			return nil, nil
		}
		tried++
		var all []core.ClaimedPackage
		for _, id := range []string{friendName, "spy@h.localhost:8401"} {
			kp, _, err := mls.NewKeyPackage(mls.KeyPackageOptions{
				Suite: mls.Suites()[0], Identity: []byte(id), Signer: spy, NotBefore: w.clock.Now().Add(-time.Hour),
				NotAfter: w.clock.Now().Add(time.Hour), Extensions: []uint16{core.ExtContext},
			})
			check(t, err)
			all = append(all, core.ClaimedPackage{Client: "phone", KeyPackage: kp.Bytes()})
		}
		return &core.Result{Packages: all}, nil
	}
	must[string](t)(owner.Give(w.params(home, friend, every(time.Minute))))
	w.run()
	w.pass(3*time.Hour, time.Hour)
	if tried == 0 {
		t.Fatal("no key package was asked for")
	}
	for id, r := range edge.Rooms {
		if !r.Home && len(r.MLS.Members()) != 1 {
			t.Errorf("circle %s has %d members", id, len(r.MLS.Members()))
		}
	}
}

// P2: a forged identity document, signed by the node.
func TestP2NodeCannotForgeAnIdentityDocument(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	forger := &account{address: s.people[friendName].address, key: newKey(t), recovery: newKey(t), clients: map[string]ed25519Key{}, doc: nil}
	s.publish(forger, "phone", "spy")
	if err := s.edge.Identity(forger.doc.Compact()); err == nil {
		t.Error("a document under another identity key was taken")
	}
	older := s.people[friendName].doc.Compact()
	s.publish(s.people[friendName], "phone", "tablet")
	check(t, s.edge.Identity(s.people[friendName].doc.Compact()))
	if err := s.edge.Identity(older); err == nil {
		t.Error("an older version was taken")
	}
}

// P2: a client that was dropped gives, withdraws and rejoins no more.
func TestP2DroppedClientCannotGiveOrRejoin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.person(ownerName, "phone", "tablet")
	friend := w.person(friendName, "phone")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	phone, tablet := w.client(ownerName, "phone"), w.client(ownerName, "tablet")
	home := w.claim(edge, phone)
	w.client(friendName, "phone")
	w.run()
	if !tablet.Homes()[0].Ready {
		t.Fatal("the second client is not ready")
	}
	w.publish(owner, "phone")
	check(t, edge.Identity(owner.doc.Compact()))
	w.run()
	if e := w.lastOf("edge", core.EventRoster); len(e.Clients) != 1 || e.Clients[0] != "phone" {
		t.Fatalf("roster %v, want phone alone", e.Clients)
	}
	// Its own node helps the thief: the message is put into the log as it is.
	r := edge.Rooms[home]
	before := len(edge.Grants)
	g := grantBy(t, w, owner.clients["tablet"], "tablet", tablet, home, friend)
	check(t, edge.Do(func() error { edge.Given(r, "tablet", g); return nil }))
	if len(edge.Grants) != before {
		t.Errorf("a dropped client's grant is %v", edge.Grants)
	}
	kp, _, err := mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: mls.Suites()[0], Identity: []byte(ownerName), Signer: owner.clients["tablet"], NotBefore: w.clock.Now().Add(-time.Hour),
		NotAfter: w.clock.Now().Add(time.Hour), Extensions: []uint16{core.ExtContext},
		KeyPackageExtensions: []mls.Extension{{Type: core.ExtRejoin, Data: core.RejoinData(home, r.MLS.Epoch(), make([]byte, core.RejoinNonce))}},
	})
	check(t, err)
	w.node.push(w.node.circles[home], kp.Bytes())
	w.run()
	if n := len(r.MLS.Members()); n != 2 {
		t.Errorf("%d members after a dropped client asked to rejoin, want 2", n)
	}
}

// grantBy signs a grant as one client would.
func grantBy(t testing.TB, w *world, key ed25519Key, client string, o *ownerActor, home core.ID, grantee *account) core.GrantBundle {
	t.Helper()
	h := o.Mem.Homes[home.String()]
	if len(h.Stock) == 0 {
		t.Fatal("the client has no stock")
	}
	shares := []grant.Share{{Thing: "meter", Actions: []string{grant.OpObserve}, Affordances: []string{"power"}, Precision: every(time.Minute)}}
	p := must[grant.Params](t)(o.GrantParams(w.params(home, grantee, every(time.Minute)), h, h.Stock[0], grantee.doc, shares))
	p.Signer, p.Client = key, client
	signed, err := grant.New(p)
	check(t, err)
	return core.GrantBundle{Envelope: signed.Envelope, Terms: signed.Terms, Opening: signed.Opening, Closing: signed.Closing}
}

// P2: an envelope older than a day waits for a current client's signature.
func TestP2AnOldEnvelopeWaitsForANewSignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	owner := w.client(ownerName, "phone")
	home := w.claim(edge, owner)
	w.client(friendName, "phone")
	w.offline["edge"] = true
	w.cut("edge")
	id := must[string](t)(owner.Give(w.params(home, friend, every(time.Minute))))
	w.run()
	w.clock.Advance(25 * time.Hour)
	w.offline["edge"] = false
	w.offline[ownerName+phone] = true
	w.run()
	if g := edge.Grants[id]; g == nil || g.State != core.GrantWaiting {
		t.Fatalf("an envelope of yesterday is %+v", g)
	}
	w.offline[ownerName+phone] = false
	w.run()
	if g := edge.Grants[id]; g.State != core.GrantOpen {
		t.Errorf("signed again it is %s: %s", g.State, g.Text)
	}
}

// P3: a dropped client of the grantee, given every byte that the node ever held,
// opens nothing that was sealed after it was removed.
func TestP3DroppedGranteeClientOpensNothingMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(ownerName, "phone")
	friend := w.person(friendName, "phone", "tablet")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	owner := w.client(ownerName, "phone")
	home := w.claim(edge, owner)
	w.client(friendName, "phone")
	w.client(friendName, "tablet")
	must[string](t)(owner.Give(w.params(home, friend, every(time.Minute))))
	w.run()
	w.feed(edge, 1)
	w.pass(2*time.Minute, time.Minute)
	tablet := w.actors[friendName+"#tablet"].(*ownerActor)
	c := tablet.Grants()[0].Circle
	if len(w.got(friendName+"#tablet", core.EventValue)) == 0 {
		t.Fatal("the second client sees no value")
	}
	copyDir(t, w.path(friendName+"#tablet"), w.path("thief"))
	w.publish(friend, "phone")
	check(t, w.actors[friendName+phone].(*ownerActor).Identity(friend.doc.Compact()))
	w.run()
	removed := len(w.node.circles[c].log)
	w.pass(3*time.Minute, time.Minute)
	later := w.node.circles[c].log[removed:]
	if len(later) < 3 || len(w.got(friendName+phone, core.EventValue)) < 4 {
		t.Fatalf("%d frames after the removal", len(later))
	}
	opensNothing(t, w.path("thief"), w.node.circles[c], friend.clients["tablet"], removed)
	if e := w.lastOf(friendName+"#tablet", core.EventEnded); e.Reason != "removed" {
		t.Errorf("the dropped client is told %q", e.Reason)
	}
}

// P3: a dropped client of the owner opens nothing of the home circle any more.
func TestP3DroppedOwnerClientOpensNothingMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.person(ownerName, "phone", "tablet")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	phoneActor := w.client(ownerName, "phone")
	w.client(ownerName, "tablet")
	home := w.claim(edge, phoneActor)
	w.feed(edge, 1)
	w.pass(2*time.Minute, time.Minute)
	if len(w.got(ownerName+"#tablet", EventValue)) == 0 {
		t.Fatal("the second client sees no value")
	}
	copyDir(t, w.path(ownerName+"#tablet"), w.path("thief"))
	w.publish(owner, "phone")
	check(t, phoneActor.Identity(owner.doc.Compact()))
	w.run()
	removed := len(w.node.circles[home].log)
	w.feed(edge, 2)
	w.pass(3*time.Minute, time.Minute)
	if n := len(w.node.circles[home].log) - removed; n < 3 {
		t.Fatalf("%d frames after the removal", n)
	}
	opensNothing(t, w.path("thief"), w.node.circles[home], owner.clients["tablet"], removed)
}

// opensNothing follows the log with a stolen state as far as it goes, and then
// tries every later frame.
func opensNothing(t testing.TB, dir string, c *fakeCircle, key ed25519Key, from int) {
	t.Helper()
	st := roomOf(t, dir, c.id)
	g, err := mls.Load(mls.Config{Signer: key}, st.Group)
	check(t, err)
	for _, f := range c.log[st.Cursor:] {
		rx, err := g.Process(f.Message)
		if err == nil && f.Seq > uint64(from) && (rx.Kind == mls.Application || !rx.Evicted) {
			t.Errorf("frame %d opens for a removed member", f.Seq)
		}
	}
}

// P3: an ended circle leaves no secret in the anchor's files.
func TestP3AnEndedCircleLeavesNoSecretAtTheAnchor(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	s.pass(3*time.Minute, time.Minute)
	c := s.circle()
	check(t, s.edge.Do(func() error { s.edge.Touch(s.edge.Rooms[c].Part()); return nil }))
	st := roomOf(t, s.path("edge"), c)
	secrets := windows(st.Group, st.Seed)
	if found := found(secrets, dirBytes(t, s.path("edge"))); found == 0 {
		t.Fatal("the search finds nothing before the end either")
	}
	check(t, s.owner.Withdraw(s.grant))
	s.run()
	public := windows(dirBytes(t, s.path(ownerName+phone))...) // the anchor's leaf key stands in documents
	for k := range public {
		delete(secrets, k)
	}
	for _, f := range s.node.circles[c].log {
		for k := range windows(f.Message) {
			delete(secrets, k)
		}
	}
	info, err := s.node.circles[c].tracker.MarshalBinary()
	check(t, err)
	for k := range windows(info) {
		delete(secrets, k)
	}
	if len(secrets) < 200 {
		t.Fatalf("only %d stretches left to look for", len(secrets))
	}
	if n := found(secrets, dirBytes(t, s.path("edge"))); n != 0 {
		t.Errorf("%d stretches of the ended circle's secrets are still in the anchor's files", n)
	}
}

func found(secrets map[[window]byte]bool, blobs [][]byte) (n int) {
	for k := range windows(blobs...) {
		if secrets[k] {
			n++
		}
	}
	return n
}

// P4: what was opened is gone: no state in the files opens it again, and no byte
// that the state lost stands anywhere else.
func TestP4StolenStateOpensNothingThatWasOpened(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	c := s.circle()
	dir := s.path(friendName + phone)
	var old [][]byte
	old = append(old, roomOf(t, dir, c).Group)
	for i := range 5 {
		s.feed(s.edge, float64(i))
		s.pass(time.Minute, time.Minute)
		old = append(old, roomOf(t, dir, c).Group)
	}
	if n := len(s.got(friendName+phone, core.EventValue)); n < 5 {
		t.Fatalf("%d values, want 5", n)
	}
	st := roomOf(t, dir, c)
	opened := 0
	for _, f := range s.node.circles[c].log {
		g, err := mls.Load(mls.Config{Signer: s.people[friendName].clients["phone"]}, st.Group)
		check(t, err)
		if rx, err := g.Process(f.Message); err == nil && rx.Kind == mls.Application {
			opened++
		}
	}
	if opened != 0 {
		t.Errorf("the stolen state opens %d messages that were opened before", opened)
	}
	gone := windows(old[:len(old)-1]...)
	for k := range windows(st.Group) {
		delete(gone, k)
	}
	if len(gone) < 100 {
		t.Fatalf("only %d stretches were erased from the state", len(gone))
	}
	if n := found(gone, dirBytes(t, dir)); n != 0 {
		t.Errorf("%d stretches of erased state stand in the files", n)
	}
}

// P4: the private keys of a key package are gone once it was used.
func TestP4UsedKeyPackageLeavesNoPrivateKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	owner := w.client(ownerName, "phone")
	home := w.claim(edge, owner)
	fo := w.client(friendName, "phone")
	var before [][]byte
	for _, p := range fo.Packages.Held {
		before = append(before, p.Private)
	}
	must[string](t)(owner.Give(w.params(home, friend, every(time.Minute))))
	w.run()
	left := map[string]bool{}
	for _, p := range fo.Packages.Held {
		left[string(p.Private)] = true
	}
	used := 0
	for _, p := range before {
		if left[string(p)] {
			continue
		}
		used++
		// The leaf's encryption key lives on in the group; the init key must not.
		for _, blob := range dirBytes(t, w.path(friendName+phone)) {
			if bytes.Contains(blob, p) {
				t.Error("a used key package's private keys stand in the files")
			}
		}
	}
	if used != 1 {
		t.Errorf("%d key packages were used, want 1", used)
	}
}

// P5: whatever a node puts into the log, nobody crashes or is stuck.
func TestP5GarbageFromTheNodeStopsNobody(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	s.pass(2*time.Minute, time.Minute)
	rng := rand.New(rand.NewPCG(7, 11))
	for _, c := range s.node.circles {
		var genuine [][]byte
		for _, f := range c.log {
			genuine = append(genuine, f.Message)
		}
		for range 150 {
			s.node.push(c, damage(rng, genuine[rng.IntN(len(genuine))]))
		}
	}
	s.run()
	before := len(s.got(friendName+phone, core.EventValue))
	s.feed(s.edge, 5)
	s.pass(30*time.Minute, time.Minute)
	if n := len(s.got(friendName+phone, core.EventValue)); n <= before {
		t.Errorf("no value arrives after garbage: %d before, %d after; %s", before, n, s.kinds(friendName+phone))
	}
	if s.edge.State.Restored {
		t.Error("garbage made the edge believe that it was rolled back")
	}
}

func damage(rng *rand.Rand, msg []byte) []byte {
	b := append([]byte(nil), msg...)
	switch rng.IntN(5) {
	case 0:
		return b // a replay
	case 1:
		return b[:rng.IntN(len(b))]
	case 2:
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	case 3:
		return append(b, b...)
	}
	for range 1 + rng.IntN(4) {
		b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
	}
	return b
}

// P5: a grantee that seals whatever it likes costs the anchor a bounded amount.
func TestP5AHostileMemberIsBounded(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute), grant.OpRead, grant.OpObserve, grant.OpWrite)
	c := s.circle()
	junk := []string{
		``, `{`, `[]`, `[{}]`, `null`, `{"op":"x"}`, `{"op":"readproperty"}`, `{"op":"nonce"}`, `{"op":"status","state":"ended"}`,
		`{"op":"documents","documents":["a.b.c"]}`, `{"op":"observeproperty","name":"power","at":"2030-01-01T00:00:00Z","value":1}`,
		`{"op":"writeproperty","name":"power","id":"1","nonce":"zzz","input":1}`, `{"op":"readproperty","name":"power","id":"1","since":"0001-01-01T00:00:00Z"}`,
		`{"op":"nonce","id":"1","id":"2"}`, strings.Repeat(`[`, 200), `{"op":"nonce","id":"` + strings.Repeat("x", 900) + `"}`,
	}
	for range 20 {
		for i := range 20 {
			junk = append(junk, fmt.Sprintf(`{"op":"nonce","id":"n%d"}`, i))
		}
	}
	check(t, s.friend.Do(func() error {
		r := s.friend.Rooms[c]
		for _, j := range junk {
			s.friend.Enqueue(r, core.Outgoing{Plain: []byte(j), Size: core.SizeMedium})
		}
		return nil
	}))
	s.run()
	for key, n := range s.edge.Nonces {
		if len(n) > anchor.NoncesPerLeaf {
			t.Errorf("%d nonces for %s", len(n), key)
		}
	}
	if n := len(s.edge.State.Commands); n != 0 {
		t.Errorf("%d commands were taken without a nonce", n)
	}
	if n := len(s.got("edge", core.EventCommand)); n != 0 {
		t.Errorf("%d commands reached the edge", n)
	}
	epoch := s.edge.Rooms[c].MLS.Epoch()
	for range 30 {
		check(t, s.friend.Do(func() error {
			raw, err := s.friend.Rooms[c].MLS.ProposeUpdate(nil)
			if err == nil { // mls keeps a few per epoch itself
				s.friend.Enqueue(s.friend.Rooms[c], core.Outgoing{Raw: raw, Epoch: s.friend.Rooms[c].MLS.Epoch() + 1})
			}
			return nil
		}))
		s.run()
	}
	if n := s.edge.Rooms[c].MLS.Epoch() - epoch; n > 2 {
		t.Errorf("30 Updates in a minute turned the epoch %d times", n)
	}
	s.feed(s.edge, 3)
	s.pass(2*time.Minute, time.Minute)
	if len(s.got(friendName+phone, core.EventValue)) == 0 {
		t.Error("values no longer arrive")
	}
}
