package httpdoor_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	httpdoor "primum/internal/door/http"
	"primum/internal/node"
	"primum/internal/wire"
	"primum/mls"
)

// story is an owner at H, who has claimed an edge there, and a friend at S.
type story struct {
	t             *testing.T
	h, s          *world
	owner, friend *account
	home          wire.CircleID
	homeLeaf      ed25519.PrivateKey
	leaf          ed25519.PrivateKey // of the anchor in the grant circle
	circle        wire.CircleID
	signed        grant.Signed
	anchor        *mls.Group
}

func newStory(t *testing.T) *story {
	t.Helper()
	c := clock.NewManual(begin())
	st := &story{t: t, h: startWorld(t, c, "h.localhost"), s: startWorld(t, c, "s.localhost")}
	st.owner, st.friend = st.h.join("owner"), st.s.join("friend")
	st.homeLeaf, st.leaf = newKey(t), newKey(t)
	_, _ = rand.Read(st.home[:])
	_, _ = rand.Read(st.circle[:])
	return st
}

func (st *story) id() string {
	st.t.Helper()
	id, err := identity.NewID(nil, st.h.clock.Now())
	if err != nil {
		st.t.Fatal(err)
	}
	return id
}

func (st *story) group(id wire.CircleID, leaf ed25519.PrivateKey) (*mls.Group, []byte) {
	st.t.Helper()
	g, err := mls.Create(mls.Config{Signer: leaf, Now: st.h.clock.Now}, id[:], mls.X25519AES128GCMSHA256Ed25519, []byte("anchor"), nil)
	if err != nil {
		st.t.Fatal(err)
	}
	info, err := g.GroupInfo()
	if err != nil {
		st.t.Fatal(err)
	}
	return g, info
}

func (st *story) countersign(document string) string {
	st.t.Helper()
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	c, err := grant.SignCountersignature(grant.Countersignature{
		ID: st.id(), Account: st.owner.addr, Client: st.owner.client, Hash: grant.Hash(document), At: st.h.clock.Now(), Nonce: nonce,
	}, st.owner.key)
	if err != nil {
		st.t.Fatal(err)
	}
	return c
}

// claim opens the home circle.
func (st *story) claim() {
	st.t.Helper()
	thing := newKey(st.t)
	_, info := st.group(st.home, st.homeLeaf)
	sum := sha256.Sum256([]byte("key package"))
	claim, err := grant.SignClaim(grant.Claim{
		ID: st.id(), Number: 1, ThingKey: pub(thing), Home: st.home.String(), Node: st.h.node.Authority(), AnchorKey: pub(st.homeLeaf), Suite: 1,
		Owner: st.owner.addr, OwnerIdentityKey: pub(st.owner.ident), KeyPackage: base64.RawURLEncoding.EncodeToString(sum[:]),
		Nonce: sum[:16], At: st.h.clock.Now(),
	}, thing)
	if err != nil {
		st.t.Fatal(err)
	}
	home := wire.NewHome{Claim: claim, Countersignature: st.countersign(claim), GroupInfo: info}
	st.h.want(200, st.h.do(request{method: "POST", path: "/v1/homes", json: home}))
	forged := home
	forged.Countersignature = forged.Countersignature[:len(forged.Countersignature)-4] + "AAAA"
	if r := st.h.do(request{method: "POST", path: "/v1/homes", json: forged}); r.status/100 != 4 {
		st.t.Errorf("a forged countersignature: status %d", r.status)
	}
}

// give files the envelope of a new grant.
func (st *story) give() {
	st.t.Helper()
	now := st.h.clock.Now()
	purpose, err := grant.FindPurpose("energy advice")
	if err != nil {
		st.t.Fatal(err)
	}
	every, err := grant.ParseEvery("1m")
	if err != nil {
		st.t.Fatal(err)
	}
	st.signed, err = grant.New(grant.Params{
		Now: now, Owner: st.owner.addr, Client: st.owner.client, Signer: st.owner.key,
		Grantee: grant.Grantee{Account: st.friend.addr, IdentityKey: pub(st.friend.ident), Kind: identity.Person, Name: "friend"},
		Node:    st.h.node.Authority(), Home: st.home.String(), Circle: st.circle.String(), AnchorKey: st.leaf.Public().(ed25519.PublicKey), Suite: 1,
		Valid: grant.Interval{From: now, Until: now.Add(7 * 24 * time.Hour)}, Purpose: purpose,
		Shares: []grant.Share{{
			Thing: "urn:uuid:meter", Title: "Water", Actions: []string{"observeproperty"}, Affordances: []string{"flow"},
			Precision: grant.Precision{Every: every, Stat: "mean"},
		}},
	})
	if err != nil {
		st.t.Fatal(err)
	}
}

func (st *story) file() response {
	return st.h.do(st.owner.signs(request{method: "POST", path: "/v1/envelopes", json: wire.NewEnvelope{Envelope: st.signed.Envelope}}))
}

func (st *story) withdraw() response {
	return st.h.do(request{method: "POST", path: "/v1/closings", json: wire.NewClosing{
		Closing: st.signed.Closing, Countersignature: st.countersign(st.signed.Closing),
	}})
}

// byAnchor signs with the leaf key of the grant circle.
func (st *story) byAnchor(r request) request {
	r.keyID, r.key = identity.CircleKeyID(st.circle.String()), st.leaf
	return r
}

// stock publishes key packages of the friend at S.
func (st *story) stock() {
	st.t.Helper()
	one, last := st.keyPackage(false), st.keyPackage(true)
	post := func(p wire.KeyPackages) response {
		p.Suite = 1
		return st.s.do(st.friend.signs(request{method: "POST", path: "/v1/key-packages", json: p}))
	}
	n := into[wire.KeyPackageCount](st.t, st.s.want(200, post(wire.KeyPackages{OneTime: [][]byte{one}, LastResort: last})))
	if fmt.Sprint(n.Stock) != "[{1 1 true}]" {
		st.t.Errorf("stock %+v", n)
	}
	for name, p := range map[string]wire.KeyPackages{
		wire.ProbMalformed: {OneTime: [][]byte{one[:50]}},
		wire.ProbTooLarge:  {OneTime: [][]byte{make([]byte, wire.MaxMessage+1)}},
	} {
		if pr := st.s.refused(name, post(p)); pr.Pointer != "/oneTime/0" {
			st.t.Errorf("%s at %q", name, pr.Pointer)
		}
	}
	st.s.refused(wire.ProbMalformed, post(wire.KeyPackages{LastResort: one}))
	confused := request{method: "POST", path: "/v1/key-packages", json: wire.KeyPackages{Suite: 0xF001, OneTime: [][]byte{one}}}
	st.s.refused(wire.ProbMalformed, st.s.do(st.friend.signs(confused)))
	thief := *st.friend
	other := st.s.join("other")
	thief.key = other.key
	r := other.signs(request{method: "POST", path: "/v1/key-packages", json: wire.KeyPackages{Suite: 1, OneTime: [][]byte{one}}})
	st.s.refused(wire.ProbForbidden, st.s.do(r))
}

func (st *story) keyPackage(last bool) []byte {
	st.t.Helper()
	now := st.s.clock.Now()
	kp, _, err := mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: mls.X25519AES128GCMSHA256Ed25519, Identity: []byte(st.friend.addr.String()), Signer: st.friend.key,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(90 * 24 * time.Hour), LastResort: last,
	})
	if err != nil {
		st.t.Fatal(err)
	}
	return kp.Bytes()
}

// openCircle has the anchor open the grant circle and add the friend.
func (st *story) openCircle() {
	st.t.Helper()
	var info []byte
	st.anchor, info = st.group(st.circle, st.leaf)
	open := request{method: "POST", path: "/v1/circles", json: wire.NewCircle{GroupInfo: info}}
	forged := st.byAnchor(open)
	forged.key = st.homeLeaf
	st.h.refused(wire.ProbBadSignature, st.h.do(forged))
	st.h.want(200, st.h.do(st.byAnchor(open)))
	st.h.want(200, st.h.do(st.byAnchor(open))) // again is no error
	path := "/v1/circles/" + st.circle.String()
	claim := st.byAnchor(request{method: "POST", path: path + "/key-packages", body: []byte(`{"suite":1}`), kind: "application/json"})
	got := into[wire.ClaimedPackages](st.t, st.h.want(200, st.h.do(claim)))
	if got.Account != st.friend.addr.String() || len(got.Packages) != 1 || got.Packages[0].LastResort {
		st.t.Fatalf("claimed %+v", got)
	}
	if got := into[wire.ClaimedPackages](st.t, st.h.want(200, st.h.do(claim))); len(got.Packages) != 1 || !got.Packages[0].LastResort {
		st.t.Errorf("after the one-time package: %+v", got)
	}
	kp, err := mls.ParseKeyPackage(got.Packages[0].KeyPackage)
	if err != nil {
		st.t.Fatal(err)
	}
	staged, err := st.anchor.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{kp}})
	if err != nil {
		st.t.Fatal(err)
	}
	commit := st.byAnchor(request{method: "POST", path: path + "/commit", json: map[string][]byte{"commit": staged.Commit, "welcome": staged.Welcome}})
	done := into[struct{ Seq, WelcomeAt uint64 }](st.t, st.h.want(200, st.h.do(commit)))
	if done.Seq != 1 || done.WelcomeAt != 2 {
		st.t.Errorf("commit at %+v", done)
	}
	if p := st.h.refused(wire.ProbStaleEpoch, st.h.do(commit)); p.Epoch != 1 {
		st.t.Errorf("stale-epoch tells epoch %d, want 1", p.Epoch)
	}
	if err := st.anchor.Merge(); err != nil {
		st.t.Fatal(err)
	}
}

func (st *story) append(text string) response {
	st.t.Helper()
	msg, err := st.anchor.Seal([]byte(text), nil, 256)
	if err != nil {
		st.t.Fatal(err)
	}
	return st.h.do(st.byAnchor(request{method: "POST", path: "/v1/circles/" + st.circle.String() + "/append", body: msg, kind: "message/mls"}))
}

func (st *story) friendReads(q string) response {
	return st.h.do(st.friend.signs(request{method: "GET", path: "/v1/circles/" + st.circle.String() + q}))
}

func (st *story) ask() response {
	s := sealedTo(st.friend, st.owner, wire.InboxRequest, st.h.clock.Now())
	s.Copies[0].Box = []byte(st.id())
	return st.s.do(st.friend.signs(request{method: "POST", path: "/v1/outbox", json: s}))
}

func TestStoryOverTwoNodes(t *testing.T) {
	t.Parallel()
	st := newStory(t)
	st.claim()
	st.stock()
	st.s.want(202, st.ask())
	st.give()
	st.h.refused(wire.ProbNotFound, st.withdraw())
	if r := st.h.do(st.byAnchor(request{method: "POST", path: "/v1/circles", json: wire.NewCircle{}})); r.status/100 != 4 {
		t.Errorf("a circle before its envelope: status %d", r.status)
	}
	rc := into[wire.Receipt](t, st.h.want(200, st.file()))
	if rc.State != string(grant.Given) || rc.Receipt == "" {
		t.Errorf("receipt %+v", rc)
	}
	st.openCircle()
	st.h.want(200, st.append("flow 12"))

	frames, err := wire.ParsePage(st.h.want(200, st.friendReads("/messages?after=1")).body)
	if err != nil || len(frames) != 2 || frames[0].Number != 2 || frames[1].Number != 3 {
		t.Fatalf("page: %d frames, %v", len(frames), err)
	}
	info := into[wire.CircleInfo](t, st.h.want(200, st.friendReads("")))
	if info.Head != 3 || info.Epoch != 1 || info.Welcome != 2 || string(info.TreeHash) != string(st.anchor.TreeHash()) {
		t.Errorf("circle info %+v", info)
	}
	stranger := st.s.join("stranger")
	other := stranger.signs(request{method: "GET", path: "/v1/circles/" + st.circle.String() + "/messages"})
	if r := st.h.do(other); r.status != 403 && r.status != 404 {
		t.Errorf("a stranger reads: status %d", r.status)
	}
	list := into[[]wire.GrantStatus](t, st.h.want(200, st.h.do(st.friend.signs(request{method: "GET", path: "/v1/grants"}))))
	if len(list) != 1 || list[0].State != string(grant.Given) || list[0].Envelope != "" || list[0].Owner != "" {
		t.Errorf("the friend's list: %+v", list)
	}

	rc = into[wire.Receipt](t, st.h.want(200, st.withdraw()))
	if rc.State != string(grant.Withdrawn) {
		t.Errorf("receipt %+v", rc)
	}
	st.h.want(200, st.withdraw()) // again: the stored state
	p := st.h.refused(wire.ProbFenced, st.append("after"))
	if !strings.Contains(string(p.More), "withdrawn") {
		t.Errorf("the refusal does not say why: %+v", p)
	}
	st.h.refused(wire.ProbFenced, st.friendReads("/messages?after=1"))
	if p := st.s.refused(wire.ProbAskLater, st.ask()); p.Retry < 24*3600 {
		t.Errorf("asking again: retry after %d s", p.Retry)
	}
	rc = into[wire.Receipt](t, st.h.want(200, st.file()))
	if rc.State != string(grant.Withdrawn) {
		t.Errorf("a terminal grant came back: %+v", rc)
	}
}

func TestSuspendedOwnerGivesNothingAndWithdrawsAll(t *testing.T) {
	t.Parallel()
	st := newStory(t)
	st.claim()
	st.give()
	st.h.want(200, st.file())
	first := st.signed
	compact, err := identity.SignSuspension(identity.Suspension{ID: st.id(), Account: st.owner.addr, Client: st.owner.client, At: st.h.clock.Now()}, st.owner.key)
	if err != nil {
		t.Fatal(err)
	}
	st.h.want(204, st.h.do(request{method: "PUT", path: "/v1/suspension/owner", body: []byte(compact), kind: wire.JOSE}))
	st.leaf = newKey(t)
	_, _ = rand.Read(st.circle[:])
	st.give()
	st.h.refused(wire.ProbForbidden, st.file())
	st.signed = first
	if rc := into[wire.Receipt](t, st.h.want(200, st.withdraw())); rc.State != string(grant.Withdrawn) {
		t.Errorf("receipt %+v", rc)
	}
}

func TestEnvelopeRefusals(t *testing.T) {
	t.Parallel()
	st := newStory(t)
	st.claim()
	st.give()
	post := func(who *account, e wire.NewEnvelope) response {
		return st.h.do(who.signs(request{method: "POST", path: "/v1/envelopes", json: e}))
	}
	if r := post(st.owner, wire.NewEnvelope{Envelope: st.signed.Envelope[:300]}); r.status != 400 {
		t.Errorf("truncated: status %d: %s", r.status, r.body)
	}
	if r := post(st.owner, wire.NewEnvelope{Envelope: st.signed.Terms}); r.status/100 != 4 {
		t.Errorf("terms for an envelope: status %d", r.status)
	}
	st.h.refused(wire.ProbForbidden, post(st.friend, wire.NewEnvelope{Envelope: st.signed.Envelope}))
	st.h.clock.Advance(25 * time.Hour)
	if r := post(st.owner, wire.NewEnvelope{Envelope: st.signed.Envelope}); r.status/100 != 4 {
		t.Errorf("an old envelope: status %d", r.status)
	}
	list := into[[]wire.GrantStatus](t, st.h.want(200, st.h.do(st.owner.signs(request{method: "GET", path: "/v1/grants"}))))
	if len(list) != 0 {
		t.Errorf("refused envelopes left %+v", list)
	}
}

func TestRefusedRequestAsksLater(t *testing.T) {
	t.Parallel()
	st := newStory(t)
	refuse := func(r wire.NewRefusal) response {
		return st.h.do(st.owner.signs(request{method: "POST", path: "/v1/refusals", json: r}))
	}
	st.h.refused(wire.ProbMalformed, refuse(wire.NewRefusal{From: "x", Until: begin().Add(time.Hour)}))
	st.h.refused(wire.ProbMalformed, refuse(wire.NewRefusal{From: st.friend.addr.String(), Until: begin().Add(10 * 365 * 24 * time.Hour)}))
	st.s.want(202, st.ask())
	st.h.want(204, refuse(wire.NewRefusal{From: st.friend.addr.String(), Until: begin().Add(90 * 24 * time.Hour)}))
	st.s.refused(wire.ProbAskLater, st.ask())
	st.h.clock.Advance(29 * 24 * time.Hour)
	st.s.refused(wire.ProbAskLater, st.ask())
}

// TestAnchorProvesItsLeafOnTheSocket: one session of the anchor serves the
// home circle and, after a proof, the grant circle.
func TestAnchorProvesItsLeafOnTheSocket(t *testing.T) {
	t.Parallel()
	st := newStory(t)
	st.claim()
	st.stock()
	st.give()
	st.h.want(200, st.file())
	st.openCircle()
	ticket := request{method: "POST", path: "/v1/live", keyID: identity.CircleKeyID(st.home.String()), key: st.homeLeaf}
	tk := into[wire.Ticket](t, st.h.want(200, st.h.do(ticket)))
	conn, _, err := websocket.Dial(t.Context(), st.h.node.BaseURL()+"/v1/live", &websocket.DialOptions{
		HTTPClient: st.h.http, Subprotocols: []string{wire.Subprotocol, wire.TicketPrefix + tk.Ticket},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	s := &socket{t: t, c: conn}
	s.challenge = s.control().Challenge
	msg, err := st.anchor.Seal([]byte("flow 13"), nil, 256)
	if err != nil {
		t.Fatal(err)
	}
	say := func() wire.Control {
		f := wire.Frame{Circle: st.circle, Number: 9, Message: msg}
		if err := conn.Write(t.Context(), websocket.MessageBinary, f.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
		return s.control()
	}
	if a := say(); a.Type != wire.CtlError || a.Problem.Status/100 != 4 {
		t.Errorf("without a proof: %+v", a)
	}
	prove := func(key ed25519.PrivateKey, challenge []byte) wire.Control {
		s.send(wire.Control{Type: wire.CtlProve, Circle: st.circle.String(), Signature: ed25519.Sign(key, wire.ProofBytes(challenge, st.circle))})
		return s.control()
	}
	if a := prove(st.homeLeaf, s.challenge); a.Type != wire.CtlError || !a.Problem.Named(wire.ProbBadSignature) {
		t.Errorf("another key: %+v", a)
	}
	if a := prove(st.leaf, make([]byte, 32)); a.Type != wire.CtlError || !a.Problem.Named(wire.ProbBadSignature) {
		t.Errorf("another session's challenge: %+v", a)
	}
	if a := prove(st.leaf, s.challenge); a.Type != wire.CtlOK {
		t.Errorf("proof: %+v", a)
	}
	if a := say(); a.Type != wire.CtlAck || a.Seq != 3 {
		t.Errorf("with the proof: %+v", a)
	}
}

// TestRestoredNodeWaitsForTheActiveSet: after a restore nothing is delivered
// until the anchor says what is active.
func TestRestoredNodeWaitsForTheActiveSet(t *testing.T) {
	t.Parallel()
	st := newStory(t)
	st.claim()
	st.stock()
	st.give()
	st.h.want(200, st.file())
	st.openCircle()
	dir := t.TempDir()
	if _, err := st.h.node.Backup(t.Context(), filepath.Join(dir, "backup")); err != nil {
		t.Fatal(err)
	}
	if err := st.h.node.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := node.Restore(t.Context(), node.Restoration{Backup: filepath.Join(dir, "backup"), DataDir: filepath.Join(dir, "data"), NewLedger: true, Now: st.h.clock.Now()})
	if err != nil || !r.Restored || r.Circles != 2 {
		t.Fatalf("restore: %v, %v", r, err)
	}
	st.h = startWorld(t, st.h.clock, "h.localhost", func(c *node.Config) { c.DataDir = filepath.Join(dir, "data") })
	if p := st.h.refused(wire.ProbFenced, st.append("too early")); !strings.Contains(string(p.More), "restored") {
		t.Errorf("fenced, but why: %+v", p)
	}
	active := func(key ed25519.PrivateKey) response {
		doc, err := grant.SignActive(grant.Active{ID: st.id(), Home: st.home.String(), At: st.h.clock.Now(), Grants: []grant.ActiveGrant{
			{Grant: st.signed.Grant, Opening: grant.Hash(st.signed.Opening), Circle: st.circle.String()},
		}}, key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(wire.ActiveSet{Document: doc})
		if err != nil {
			t.Fatal(err)
		}
		return st.h.do(request{
			method: "POST", path: "/v1/homes/" + st.home.String() + "/active", body: b, kind: "application/json",
			keyID: identity.CircleKeyID(st.home.String()), key: st.homeLeaf,
		})
	}
	if r := active(st.leaf); r.status/100 != 4 {
		t.Errorf("an active set by another key: status %d", r.status)
	}
	st.h.want(204, active(st.homeLeaf))
	st.h.want(200, st.append("alive again"))
}

// TestWithdrawingOutranksLimits: when everything else of an address is used
// up, it can still withdraw.
func TestWithdrawingOutranksLimits(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(begin())
	st := &story{t: t, s: startWorld(t, c, "s.localhost"), h: startWorld(t, c, "h.localhost", tight(func(l *httpdoor.Limits) {
		l.Address = httpdoor.Rate{PerSecond: 0.001, Burst: 40}
	}))}
	st.owner, st.friend = st.h.join("owner"), st.s.join("friend")
	st.homeLeaf, st.leaf = newKey(t), newKey(t)
	_, _ = rand.Read(st.home[:])
	_, _ = rand.Read(st.circle[:])
	st.claim()
	st.give()
	st.h.want(200, st.file())
	for st.h.do(request{method: "GET", path: "/healthz"}).status == 200 {
	}
	st.h.refused(wire.ProbTooMany, st.file())
	if rc := into[wire.Receipt](t, st.h.want(200, st.withdraw())); rc.State != string(grant.Withdrawn) {
		t.Errorf("receipt %+v", rc)
	}
}
