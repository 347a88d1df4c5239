package grant

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"primum/identity"
	"primum/internal/jws"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func testKey(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return ed25519.NewKeyFromSeed(seed)
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// Keys in these tests.
const (
	ownerID = iota + 1
	ownerRecovery
	ownerLaptop
	ownerPhone
	friendID
	friendRecovery
	friendPhone
	anchorLeaf
	homeLeaf
	nodeKey
	thingKey
	stranger
)

func newID(t testing.TB) string {
	t.Helper()
	id, err := identity.NewID(nil, noon())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func address(t testing.TB, s string) identity.Address {
	t.Helper()
	a, err := identity.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// account makes an identity document with the given clients (name, key).
func account(t testing.TB, addr string, id, recovery byte, clients map[string]byte) *identity.Verified {
	t.Helper()
	d := identity.Document{
		ID: newID(t), Address: address(t, addr), Kind: identity.Person,
		IdentityKey: jws.Bytes(public(testKey(id))), RecoveryKey: jws.Bytes(public(testKey(recovery))),
		Version: 1, Issued: noon(), Expires: noon().Add(identity.MaxValidity),
	}
	for name, key := range clients {
		inbox, err := identity.NewInboxKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		d.Clients = append(d.Clients, identity.Client{
			Name: name, Key: jws.Bytes(public(testKey(key))), InboxKey: inbox.Public(), Suites: []uint16{1}, Added: noon(),
		})
	}
	compact, err := identity.Sign(d, testKey(id))
	if err != nil {
		t.Fatal(err)
	}
	v, err := identity.First(compact)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func owner(t testing.TB) *identity.Verified {
	return account(t, "owner@h.localhost:8401", ownerID, ownerRecovery, map[string]byte{"laptop": ownerLaptop})
}

func friend(t testing.TB) *identity.Verified {
	return account(t, "friend@s.localhost:8402", friendID, friendRecovery, map[string]byte{"phone": friendPhone})
}

const (
	circleA = "00112233445566778899aabbccddeeff"
	circleB = "ffeeddccbbaa99887766554433221100"
	homeC   = "0f0e0d0c0b0a09080706050403020100"
)

func params(t testing.TB) Params {
	return Params{
		Now: noon(), Owner: address(t, "owner@h.localhost:8401"), Client: "laptop", Signer: testKey(ownerLaptop),
		Grantee: Grantee{
			Account: address(t, "friend@s.localhost:8402"), IdentityKey: jws.Bytes(public(testKey(friendID))),
			Kind: identity.Person, Name: "Friend",
		},
		Node: "h.localhost:8401", Home: homeC, Circle: circleA, AnchorKey: public(testKey(anchorLeaf)), Suite: 1,
		Valid: Interval{Until: noon().AddDate(0, 0, 7)},
		Shares: []Share{{
			Thing: "urn:dev:mac:0024befffe804ff1", Title: "water", Actions: []string{OpRead, OpObserve}, Affordances: []string{"flow"},
			Precision: Precision{Every: Duration(time.Minute), Stat: Mean, Round: 0.1},
		}},
		Purpose: Purpose{Class: "dpv:OptimisationForConsumer", Label: "energy advice"},
	}
}

func give(t testing.TB, p Params) (Signed, Envelope) {
	t.Helper()
	s, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	e, err := VerifyEnvelope(s.Envelope, owner(t))
	if err != nil {
		t.Fatal(err)
	}
	return s, e
}

func TestNewSignsAGrantThatFits(t *testing.T) {
	t.Parallel()
	s, e := give(t, params(t))
	terms, opening, err := VerifyGrant(e, s.Terms, s.Opening)
	if err != nil {
		t.Fatal(err)
	}
	if s.Grant != terms.ID || terms.MaxClients != 8 || terms.Bucket != 256 || terms.Lease != DefaultLease ||
		terms.AskAgainAfter != 90*Day || terms.OnWithdrawal.EffectWithin != Duration(time.Second) ||
		terms.LegalBasis != LegalBasisConsent || terms.Jurisdiction != "" || terms.Owner != OwnerNamed {
		t.Errorf("defaults: %+v", terms)
	}
	if terms.Controller.ID != "acct:friend@s.localhost:8402" || !terms.Valid.From.Equal(noon()) {
		t.Errorf("controller %v, valid %v", terms.Controller, terms.Valid)
	}
	if e.PurposeClass != "dpv:ServiceManagement" || opening.Circle != circleA || len(e.KGrant) != 32 {
		t.Errorf("envelope %+v", e)
	}
	if terms.Details[0].Identifier != ThingPseudonym(e.KGrant, "urn:dev:mac:0024befffe804ff1") {
		t.Error("the anchor can't find the thing by its pseudonym")
	}
	if _, _, err := VerifyOffer(s.Terms, s.Opening, public(testKey(friendID))); err != nil {
		t.Errorf("offer: %v", err)
	}
	c, err := VerifyClosing(s.Closing, ed25519.PublicKey(e.GrantKey))
	if err != nil || c.Grant != s.Grant || c.Opening != Hash(s.Opening) {
		t.Errorf("closing %+v, %v", c, err)
	}
	if who, err := UnverifiedEnvelope(s.Envelope); err != nil || who != e.Owner {
		t.Errorf("envelope is of %v, %v", who, err)
	}
	if id, err := UnverifiedClosing(s.Closing); err != nil || id != s.Grant {
		t.Errorf("closing is of %v, %v", id, err)
	}
}

// What grant.md asks to stand in the terms, by the names it gives.
func TestTermsMembers(t *testing.T) {
	t.Parallel()
	p := params(t)
	p.Replaces, p.Country = newID(t), "DE"
	p.Conditionality = &Conditionality{CoreFunctionWithoutGrant: true, Price: "1 EUR"}
	s, _ := give(t, p)
	var m map[string]any
	if err := json.Unmarshal(payloadOf(t, s.Terms), &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(`@context @id @type dct:identifier dct:created dct:valid dct:replaces hasDataSubject
		hasDataController hasJurisdiction hasLegalBasis hasProcess hasNotice authorization_details opening owner maxClients
		conditionality onWithdrawal askAgainAfter bucket lease grantee`) {
		if m[name] == nil {
			t.Errorf("%s is missing", name)
		}
		delete(m, name)
	}
	if len(m) != 0 {
		t.Errorf("more members: %v", m)
	}
}

func payloadOf(t testing.TB, compact string) []byte {
	t.Helper()
	u, err := jws.Parse(compact, MaxSize)
	if err != nil {
		t.Fatal(err)
	}
	return u.UntrustedPayload()
}

// P7: two grants of one owner, given in the same moment, share no identifier
// and no key, and terms and opening name no owner.
func TestP7TwoGrantsShareNothing(t *testing.T) {
	t.Parallel()
	a := params(t)
	a.Pseudonymous = true
	b := params(t)
	b.Pseudonymous, b.Circle, b.AnchorKey = true, circleB, public(testKey(stranger))
	b.Grantee = Grantee{Account: address(t, "adviser@s.example"), IdentityKey: jws.Bytes(public(testKey(40))), Kind: identity.Organisation}
	sa, _ := give(t, a)
	sb, _ := give(t, b)
	common := map[string]bool{}
	for _, text := range texts(t, sa.Terms, sa.Opening) {
		common[text] = true
	}
	// What may be equal: what was chosen, and words.
	allowed := map[string]bool{"h.localhost:8401": true}
	for _, text := range texts(t, sb.Terms, sb.Opening) {
		if !common[text] || allowed[text] {
			continue
		}
		if looksLikeID(text) {
			t.Errorf("both grants hold %q", text)
		}
	}
	for _, doc := range []string{sa.Terms, sa.Opening, sb.Terms, sb.Opening} {
		payload := payloadOf(t, doc)
		for _, secret := range [][]byte{[]byte("owner@"), []byte("0024be"), []byte(encodeKey(ownerID)), []byte(encodeKey(ownerLaptop))} {
			if bytes.Contains(payload, secret) {
				t.Errorf("a grantee reads %q", secret)
			}
		}
	}
}

func encodeKey(n byte) string { return jws.Bytes(public(testKey(n))).String() }

// texts are all strings in the payloads, the fixed context aside.
func texts(t *testing.T, docs ...string) (all []string) {
	t.Helper()
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			all = append(all, v)
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	for _, doc := range docs {
		var m map[string]any
		if err := json.Unmarshal(payloadOf(t, doc), &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "@context")
		walk(m)
	}
	return all
}

// looksLikeID: long and with digits, but no time, interval or sentence.
func looksLikeID(s string) bool {
	return len(s) >= 16 && strings.ContainsAny(s, "0123456789") && !strings.HasPrefix(s, "2026-") && !strings.Contains(s, " ")
}

func TestPseudonymsDifferPerGrant(t *testing.T) {
	t.Parallel()
	_, a := give(t, params(t))
	_, b := give(t, params(t))
	if ThingPseudonym(a.KGrant, "x") == ThingPseudonym(b.KGrant, "x") || ThingPseudonym(a.KGrant, "x") == ThingPseudonym(a.KGrant, "y") {
		t.Error("pseudonyms repeat")
	}
	if bytes.Equal(a.GrantKey, b.GrantKey) || bytes.Equal(a.KGrant, b.KGrant) || a.Grant == b.Grant {
		t.Error("two grants share a key or an id")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	cases := []struct {
		pointer string
		change  func(*Params)
	}{
		{"/dct:valid", func(p *Params) { p.Valid.Until = noon() }},
		{"/dct:valid", func(p *Params) { p.Valid.Until = noon().AddDate(2, 0, 1) }},
		{"/authorization_details", func(p *Params) { p.Shares = nil }},
		{"/authorization_details/0/actions", func(p *Params) { p.Shares[0].Actions = nil }},
		{"/authorization_details/0/actions/0", func(p *Params) { p.Shares[0].Actions = []string{"writeallproperties"} }},
		{"/authorization_details/0/datatypes", func(p *Params) { p.Shares[0].Affordances = nil; p.PersonalData = []string{"x"} }},
		{"/authorization_details/0/precision", func(p *Params) { p.Shares[0].Precision = Precision{} }},
		{"/authorization_details/0/precision", func(p *Params) { p.Shares[0].Actions = []string{OpWrite} }},
		{"/authorization_details/0/precision/stat", func(p *Params) { p.Shares[0].Precision.Stat = "median" }},
		{"/authorization_details/0/precision/every", func(p *Params) { p.Shares[0].Precision.Every = Duration(1500 * time.Millisecond) }},
		{"/authorization_details/0/precision/round", func(p *Params) { p.Shares[0].Precision.Round = -1 }},
		{"/authorization_details/0/precision/place", func(p *Params) { n := 31; p.Shares[0].Precision.Place = &n }},
		{"/hasProcess/hasPurpose/@id", func(p *Params) { p.Purpose.Class = "dpv:Nonsense" }},
		{"/maxClients", func(p *Params) { p.MaxClients = 64 }},
		{"/bucket", func(p *Params) { p.Bucket = 100 }},
		{"/lease", func(p *Params) { p.Lease = 31 * Day }},
		{"/hasJurisdiction", func(p *Params) { p.Country = "Germany" }},
		{"/circle", func(p *Params) { p.Circle = "x" }},
		{"/home", func(p *Params) { p.Home = "x" }},
		{"/node", func(p *Params) { p.Node = "H.example" }},
		{"/anchorKey", func(p *Params) { p.AnchorKey = nil }},
		{"/grantee", func(p *Params) { p.Grantee.Account = p.Owner }},
		{"/grantee/identityKey", func(p *Params) { p.Grantee.IdentityKey = nil }},
		{"/client", func(p *Params) { p.Client = "" }},
		{"/dct:replaces", func(p *Params) { p.Replaces = "x" }},
		{"/hasNotice/digest", func(p *Params) { p.Notice = Notice{Digest: make([]byte, 32), Language: "en", Text: "x"} }},
	}
	for _, c := range cases {
		p := params(t)
		c.change(&p)
		_, err := New(p)
		var place *jws.PlaceError
		if !errors.As(err, &place) || place.Pointer != c.pointer {
			t.Errorf("%s: %v", c.pointer, err)
		}
	}
	p := params(t)
	p.Rand = strings.NewReader("short")
	if _, err := New(p); err == nil {
		t.Error("made a grant without randomness")
	}
}

func TestVerifyEnvelopeRefuses(t *testing.T) {
	t.Parallel()
	p := params(t)
	p.Signer = testKey(stranger)
	s, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyEnvelope(s.Envelope, owner(t)); !errors.Is(err, ErrSigner) || !errors.Is(err, jws.ErrSignature) {
		t.Errorf("stranger's key: %v", err)
	}
	good, _ := give(t, params(t))
	if _, err := VerifyEnvelope(good.Envelope, friend(t)); !errors.Is(err, ErrSigner) {
		t.Errorf("another account: %v", err)
	}
	without := account(t, "owner@h.localhost:8401", ownerID, ownerRecovery, map[string]byte{"phone": ownerPhone})
	if _, err := VerifyEnvelope(good.Envelope, without); !errors.Is(err, identity.ErrNoClient) {
		t.Errorf("dropped client: %v", err)
	}
	if _, err := VerifyEnvelope(good.Terms, owner(t)); !errors.Is(err, jws.ErrType) {
		t.Errorf("terms for an envelope: %v", err)
	}
}

func TestVerifyGrantRefusesWhatDiffers(t *testing.T) {
	t.Parallel()
	s, e := give(t, params(t))
	other, _ := give(t, params(t))
	if _, _, err := VerifyGrant(e, other.Terms, s.Opening); !errors.Is(err, ErrSigner) {
		t.Errorf("other terms: %v", err)
	}
	if _, _, err := VerifyGrant(e, s.Terms, other.Opening); !errors.Is(err, ErrSigner) {
		t.Errorf("other opening: %v", err)
	}
	changes := map[string]func(*Envelope){
		"terms":    func(e *Envelope) { e.TermsHash = e.OpeningHash },
		"opening":  func(e *Envelope) { e.OpeningHash = e.TermsHash },
		"grant id": func(e *Envelope) { e.Grant = newID(t) },
		"circle":   func(e *Envelope) { e.Circle = circleB },
		"anchor":   func(e *Envelope) { e.AnchorKey = jws.Bytes(public(testKey(stranger))) },
		"grantee":  func(e *Envelope) { e.Grantee.User = "other" },
		"identity": func(e *Envelope) { e.GranteeIdentityKey = jws.Bytes(public(testKey(stranger))) },
		"from":     func(e *Envelope) { e.ValidFrom = e.ValidFrom.Add(-time.Second) },
		"until":    func(e *Envelope) { e.ValidUntil = e.ValidUntil.Add(time.Second) },
		"purpose":  func(e *Envelope) { e.PurposeClass = "dpv:Marketing" },
		"ask":      func(e *Envelope) { e.AskAgainAfter = 0 },
		"keep":     func(e *Envelope) { e.Retention++ },
		"replaces": func(e *Envelope) { e.Replaces = newID(t) },
	}
	for name, change := range changes {
		changed := e
		change(&changed)
		if _, _, err := VerifyGrant(changed, s.Terms, s.Opening); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyOfferRefuses(t *testing.T) {
	t.Parallel()
	me := public(testKey(friendID))
	a, _ := give(t, params(t))
	b, _ := give(t, params(t))
	cases := map[string]struct {
		terms, opening string
		me             ed25519.PublicKey
		want           error
	}{
		"another opening":       {a.Terms, b.Opening, me, ErrSigner},
		"for somebody else":     {a.Terms, a.Opening, public(testKey(stranger)), ErrAudience},
		"swapped":               {a.Opening, a.Terms, me, ErrDocument},
		"empty":                 {"", "", me, ErrDocument},
		"opening of two grants": {a.Terms, secondOpening(t), me, ErrSigner},
	}
	for name, c := range cases {
		if _, _, err := VerifyOffer(c.terms, c.opening, c.me); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// One grant key, two openings: the terms name only one.
	key := testKey(50)
	o1, o2 := opening(t, key, circleA), opening(t, key, circleB)
	terms := termsFor(t, a, o1, key)
	if _, _, err := VerifyOffer(terms, o2, me); !errors.Is(err, ErrMismatch) {
		t.Errorf("second opening of one key: %v", err)
	}
	// An opening signed by one key and naming another.
	forged, err := SignOpening(openingDoc(t, key, circleA), testKey(51))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := VerifyOffer(terms, forged, me); !errors.Is(err, ErrSigner) {
		t.Errorf("opening of two keys: %v", err)
	}
	if _, err := VerifyOpening(forged, public(testKey(51))); !errors.Is(err, ErrMismatch) {
		t.Errorf("opening naming another key: %v", err)
	}
}

func secondOpening(t testing.TB) string { return opening(t, testKey(52), circleB) }

func openingDoc(t testing.TB, key ed25519.PrivateKey, circle string) Opening {
	return Opening{
		ID: newID(t), Grant: newID(t), Circle: circle, Node: "h.localhost:8401",
		AnchorKey: jws.Bytes(public(testKey(anchorLeaf))), Suite: 1, GrantKey: jws.Bytes(public(key)),
	}
}

func opening(t testing.TB, key ed25519.PrivateKey, circle string) string {
	t.Helper()
	c, err := SignOpening(openingDoc(t, key, circle), key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// termsFor rewrites the terms of a grant for another opening and key.
func termsFor(t testing.TB, s Signed, opening string, key ed25519.PrivateKey) string {
	t.Helper()
	var terms Terms
	if err := jws.DecodeStrict(payloadOf(t, s.Terms), &terms); err != nil {
		t.Fatal(err)
	}
	terms.Opening = Hash(opening)
	c, err := SignTerms(terms, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The rule by which an anchor takes a grant, at its edges.
func TestCheckFresh(t *testing.T) {
	t.Parallel()
	_, e := give(t, params(t))
	o := owner(t)
	cases := []struct {
		name string
		at   time.Duration
		want error
	}{
		{"at once", 0, nil},
		{"the other clock is five minutes ahead", -skew, nil},
		{"from the future", -skew - time.Second, ErrNotYet},
		{"a day", FreshFor, nil},
		{"more than a day", FreshFor + time.Second, ErrStale},
		{"the document has expired", identity.MaxValidity, identity.ErrExpired},
	}
	for _, c := range cases {
		err := CheckFresh(e, o, noon().Add(c.at))
		if c.name == "from the future" && errors.Is(err, identity.ErrNotYet) {
			continue // the document is from the future too
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	dropped := account(t, "owner@h.localhost:8401", ownerID, ownerRecovery, map[string]byte{"phone": ownerPhone})
	if err := CheckFresh(e, dropped, noon()); !errors.Is(err, ErrStale) {
		t.Errorf("the signer was dropped: %v", err)
	}
	early := e
	early.Issued = noon().Add(-time.Hour)
	if err := CheckFresh(early, o, noon()); !errors.Is(err, ErrStale) {
		t.Errorf("signed before the client was added: %v", err)
	}
	later := e
	later.Issued = noon().Add(skew + time.Second)
	if err := CheckFresh(later, o, noon()); !errors.Is(err, ErrNotYet) {
		t.Errorf("signed in the future: %v", err)
	}
	// Signed again, two days later, by a current client.
	again := e
	again.ID, again.Issued = newID(t), noon().Add(48*time.Hour)
	compact, err := SignEnvelope(again, testKey(ownerLaptop))
	if err != nil {
		t.Fatal(err)
	}
	e2, err := VerifyEnvelope(compact, o)
	if err != nil || CheckFresh(e2, o, noon().Add(48*time.Hour)) != nil {
		t.Errorf("signed again: %v", err)
	}
}

func TestValidAt(t *testing.T) {
	t.Parallel()
	s, e := give(t, params(t))
	terms, _, err := VerifyGrant(e, s.Terms, s.Opening)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at   time.Time
		want error
	}{
		{noon().Add(-time.Second), ErrNotYet},
		{noon(), nil},
		{noon().AddDate(0, 0, 7).Add(-time.Second), nil},
		{noon().AddDate(0, 0, 7), ErrExpired},
	} {
		if err := terms.ValidAt(c.at); !errors.Is(err, c.want) {
			t.Errorf("terms at %v: %v", c.at, err)
		}
		if err := e.ValidAt(c.at); !errors.Is(err, c.want) {
			t.Errorf("envelope at %v: %v", c.at, err)
		}
	}
}
