package grant

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"primum/identity"
	"primum/internal/jws"
)

func nonce() jws.Bytes { return make(jws.Bytes, 16) }

func countersign(t testing.TB, document string, change func(*Countersignature), key byte) string {
	t.Helper()
	c := Countersignature{
		ID: newID(t), Account: address(t, "owner@h.localhost:8401"), Client: "laptop", Hash: Hash(document), At: noon(), Nonce: nonce(),
	}
	change(&c)
	compact, err := SignCountersignature(c, testKey(key))
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func same(*Countersignature) {}

func TestVerifyWithdrawal(t *testing.T) {
	t.Parallel()
	s, e := give(t, params(t))
	o := owner(t)
	w, err := VerifyWithdrawal(s.Closing, countersign(t, s.Closing, same, ownerLaptop), e, o)
	if err != nil || w.Grant != s.Grant || w.Client != "laptop" || !w.At.Equal(noon()) || len(w.Nonce) != 16 {
		t.Fatalf("%+v, %v", w, err)
	}
	// Another client of the owner, long after everything has expired.
	phone := account(t, "owner@h.localhost:8401", ownerID, ownerRecovery, map[string]byte{"phone": ownerPhone})
	late := countersign(t, s.Closing, func(c *Countersignature) { c.Client, c.At = "phone", noon().AddDate(5, 0, 0) }, ownerPhone)
	if _, err := VerifyWithdrawal(s.Closing, late, e, phone); err != nil {
		t.Errorf("by another client, years later: %v", err)
	}
}

// Each way to end a grant that is not one's own.
func TestVerifyWithdrawalRefuses(t *testing.T) {
	t.Parallel()
	s, e := give(t, params(t))
	other, _ := give(t, params(t))
	o := owner(t)
	grantKey := testKey(60) // stands for a grant key somebody kept
	kept := e
	kept.GrantKey = jws.Bytes(public(grantKey))
	closing := func(grant, opening string) string {
		c, err := SignClosing(Closing{ID: newID(t), Grant: grant, Opening: opening}, grantKey)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	good := countersign(t, s.Closing, same, ownerLaptop)
	cases := map[string]struct {
		closing, countersignature string
		e                         Envelope
		o                         *identity.Verified
		want                      error
	}{
		"closing of another grant":     {other.Closing, countersign(t, other.Closing, same, ownerLaptop), e, o, ErrSigner},
		"closing naming another":       {closing(newID(t), e.OpeningHash), good, kept, o, ErrMismatch},
		"closing of another opening":   {closing(e.Grant, e.TermsHash), good, kept, o, ErrMismatch},
		"countersigned something else": {s.Closing, countersign(t, s.Opening, same, ownerLaptop), e, o, ErrMismatch},
		"countersigned by a stranger":  {s.Closing, countersign(t, s.Closing, same, stranger), e, o, jws.ErrSignature},
		"countersigned by the grantee": {s.Closing, countersign(t, s.Closing, func(c *Countersignature) {
			c.Account, c.Client = address(t, "friend@s.localhost:8402"), "phone"
		}, friendPhone), e, o, ErrSigner},
		"the grantee's document":      {s.Closing, good, e, friend(t), ErrSigner},
		"unknown client":              {s.Closing, countersign(t, s.Closing, func(c *Countersignature) { c.Client = "phone" }, ownerPhone), e, o, identity.ErrNoClient},
		"dropped client":              {s.Closing, good, e, account(t, "owner@h.localhost:8401", ownerID, ownerRecovery, map[string]byte{"phone": ownerPhone}), identity.ErrNoClient},
		"no countersignature":         {s.Closing, "", e, o, ErrDocument},
		"countersignature as closing": {good, good, e, o, jws.ErrType},
		"closing as countersignature": {s.Closing, s.Closing, e, o, jws.ErrType},
	}
	for name, c := range cases {
		if _, err := VerifyWithdrawal(c.closing, c.countersignature, c.e, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestStatement(t *testing.T) {
	t.Parallel()
	_, e := give(t, params(t))
	s := Statement{ID: newID(t), Nonce: nonce(), Grant: e.Grant, Circle: e.Circle, Epoch: 4, At: noon()}
	compact, err := SignStatement(s, testKey(homeLeaf))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := VerifyStatement(compact, public(testKey(homeLeaf)), e, nonce()); err != nil || got.Epoch != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := VerifyStatement(compact, public(testKey(nodeKey)), e, nonce()); !errors.Is(err, ErrSigner) {
		t.Errorf("a node's word: %v", err)
	}
	otherNonce := nonce()
	otherNonce[0] = 1
	if _, err := VerifyStatement(compact, public(testKey(homeLeaf)), e, otherNonce); !errors.Is(err, ErrMismatch) {
		t.Errorf("an older statement replayed: %v", err)
	}
	other := e
	other.Circle = circleB
	if _, err := VerifyStatement(compact, public(testKey(homeLeaf)), other, nonce()); !errors.Is(err, ErrMismatch) {
		t.Errorf("another circle: %v", err)
	}
}

func TestReceipt(t *testing.T) {
	t.Parallel()
	s, _ := give(t, params(t))
	compact, err := SignReceipt(NodeReceipt{
		ID: newID(t), Node: "h.localhost:8401", Hash: Hash(s.Closing), Event: string(Withdrawn), At: noon(),
	}, testKey(nodeKey))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := VerifyReceipt(compact, "h.localhost:8401", public(testKey(nodeKey)), s.Closing); err != nil || r.Event != "Withdrawn" {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := VerifyReceipt(compact, "h.localhost:8401", public(testKey(stranger)), s.Closing); !errors.Is(err, ErrSigner) {
		t.Errorf("other key: %v", err)
	}
	if _, err := VerifyReceipt(compact, "h.localhost:8401", public(testKey(nodeKey)), s.Terms); !errors.Is(err, ErrMismatch) {
		t.Errorf("other document: %v", err)
	}
	if _, err := VerifyReceipt(compact, "s.localhost:8402", public(testKey(nodeKey)), s.Closing); !errors.Is(err, ErrMismatch) {
		t.Errorf("other node: %v", err)
	}
}

func request(t testing.TB) Request {
	return Request{
		ID: newID(t), From: address(t, "friend@s.localhost:8402"), Client: "phone", To: address(t, "owner@h.localhost:8401"),
		Service: "energy advice", Purpose: Purpose{Class: "dpv:OptimisationForConsumer"},
		Wants: []Want{{
			Quantity: "power", Unit: "W", Actions: []string{OpObserve}, Precision: Precision{Every: Duration(time.Hour), Stat: Mean},
		}},
		For: 7 * Day, Retention: 30 * Day, DeletesWithin: 7 * Day, Notice: NewNotice("en", "We look at your power."),
		Issued: noon(), Expires: noon().Add(MaxRequestAge),
	}
}

func signRequest(t testing.TB, q Request, key byte) string {
	t.Helper()
	c, err := SignRequest(q, testKey(key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRequest(t *testing.T) {
	t.Parallel()
	me := address(t, "owner@h.localhost:8401")
	compact := signRequest(t, request(t), friendPhone)
	if who, err := UnverifiedRequest(compact); err != nil || who.User != "friend" {
		t.Errorf("from %v, %v", who, err)
	}
	if q, err := VerifyRequest(compact, friend(t), me, noon()); err != nil || q.Wants[0].Quantity != "power" {
		t.Fatalf("%+v, %v", q, err)
	}
	short := request(t)
	short.Expires = noon().Add(time.Hour)
	cases := map[string]struct {
		compact string
		from    *identity.Verified
		to      identity.Address
		now     time.Time
		want    error
	}{
		"for somebody else": {compact, friend(t), address(t, "x@h.example"), noon(), ErrAudience},
		"expired":           {signRequest(t, short, friendPhone), friend(t), me, noon().Add(time.Hour), ErrExpired},
		"not yet":           {compact, friend(t), me, noon().Add(-skew - time.Second), ErrNotYet},
		"expired identity":  {compact, friend(t), me, noon().Add(MaxRequestAge), ErrExpired},
		"other account":     {compact, owner(t), me, noon(), ErrSigner},
		"other key":         {signRequest(t, request(t), stranger), friend(t), me, noon(), jws.ErrSignature},
		"another document":  {countersign(t, "x", same, friendPhone), friend(t), me, noon(), jws.ErrType},
		"truncated":         {compact[:len(compact)-10], friend(t), me, noon(), ErrDocument},
		"oversized":         {strings.Repeat("a", MaxSize+1), friend(t), me, noon(), jws.ErrTooLarge},
	}
	for name, c := range cases {
		if _, err := VerifyRequest(c.compact, c.from, c.to, c.now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestRequestRulesNameThePlace(t *testing.T) {
	t.Parallel()
	until := noon().AddDate(0, 0, 1)
	cases := []struct {
		pointer string
		change  func(*Request)
	}{
		{"/id", func(q *Request) { q.ID = "" }},
		{"/to", func(q *Request) { q.To = q.From }},
		{"/service", func(q *Request) { q.Service = "" }},
		{"/purpose/@id", func(q *Request) { q.Purpose.Class = "energy" }},
		{"/wants", func(q *Request) { q.Wants = nil }},
		{"/wants/0", func(q *Request) { q.Wants[0].Name = "meter/power" }},
		{"/wants/0/actions", func(q *Request) { q.Wants[0].Actions = nil }},
		{"/wants/0/actions/1", func(q *Request) { q.Wants[0].Actions = []string{OpRead, OpRead} }},
		{"/wants/0/precision", func(q *Request) { q.Wants[0].Precision.Change = true }},
		{"/until", func(q *Request) { q.Until = &until }},
		{"/until", func(q *Request) { q.For = 0 }},
		{"/expires", func(q *Request) { q.Expires = q.Issued }},
		{"/expires", func(q *Request) { q.Expires = q.Issued.Add(MaxRequestAge + 1) }},
		{"/notice/digest", func(q *Request) { q.Notice.Text += "." }},
		{"/notice/language", func(q *Request) { q.Notice.Language = "e!" }},
		{"/notice/text", func(q *Request) { q.Notice = NewNotice("en", "a\x1b[31m") }},
		{"/name", func(q *Request) { q.Name = "a\nb" }},
	}
	for _, c := range cases {
		q := request(t)
		c.change(&q)
		_, err := SignRequest(q, testKey(friendPhone))
		var place *jws.PlaceError
		if !errors.As(err, &place) || place.Pointer != c.pointer || !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", c.pointer, err)
		}
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	f := Refusal{
		ID: newID(t), Request: newID(t), From: address(t, "owner@h.localhost:8401"), Client: "laptop",
		To: address(t, "friend@s.localhost:8402"), At: noon(), AskAgainAfter: DefaultAskAgainAfter,
	}
	compact, err := SignRefusal(f, testKey(ownerLaptop))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := VerifyRefusal(compact, owner(t), f.To); err != nil || got.AskAgainAfter != 90*Day {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := VerifyRefusal(compact, owner(t), f.From); !errors.Is(err, ErrAudience) {
		t.Errorf("for somebody else: %v", err)
	}
	if _, err := VerifyRefusal(compact, friend(t), f.To); !errors.Is(err, ErrSigner) {
		t.Errorf("of another account: %v", err)
	}
}

func claim(t testing.TB) Claim {
	return Claim{
		ID: newID(t), Number: 1, ThingKey: jws.Bytes(public(testKey(thingKey))), Home: homeC, Node: "h.localhost:8401",
		AnchorKey: jws.Bytes(public(testKey(homeLeaf))), Suite: 1, Owner: address(t, "owner@h.localhost:8401"),
		OwnerIdentityKey: jws.Bytes(public(testKey(ownerID))), KeyPackage: Hash("package"), Nonce: nonce(), At: noon(),
	}
}

func TestClaim(t *testing.T) {
	t.Parallel()
	compact, err := SignClaim(claim(t), testKey(thingKey))
	if err != nil {
		t.Fatal(err)
	}
	yes := countersign(t, compact, same, ownerLaptop)
	if c, err := VerifyClaimed(compact, yes, owner(t)); err != nil || c.Number != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := VerifyClaimed(compact, countersign(t, "other", same, ownerLaptop), owner(t)); !errors.Is(err, ErrMismatch) {
		t.Errorf("yes to something else: %v", err)
	}
	if _, err := VerifyClaimed(compact, yes, friend(t)); !errors.Is(err, ErrMismatch) {
		t.Errorf("another owner: %v", err)
	}
	impostor := account(t, "owner@h.localhost:8401", stranger, ownerRecovery, map[string]byte{"laptop": ownerLaptop})
	if _, err := VerifyClaimed(compact, yes, impostor); !errors.Is(err, ErrMismatch) {
		t.Errorf("another identity key: %v", err)
	}
	forged, err := SignClaim(claim(t), testKey(stranger))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyClaim(forged); !errors.Is(err, ErrSigner) {
		t.Errorf("signed by another thing: %v", err)
	}
	bad := claim(t)
	bad.Number = 0
	if _, err := SignClaim(bad, testKey(thingKey)); !errors.Is(err, ErrDocument) {
		t.Errorf("number 0: %v", err)
	}
}

func TestActive(t *testing.T) {
	t.Parallel()
	a := Active{ID: newID(t), Home: homeC, At: noon(), Grants: []ActiveGrant{{Grant: newID(t), Opening: Hash("o"), Circle: circleA}}}
	compact, err := SignActive(a, testKey(homeLeaf))
	if err != nil {
		t.Fatal(err)
	}
	key := public(testKey(homeLeaf))
	if got, err := VerifyActive(compact, homeC, key, noon()); err != nil || len(got.Grants) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, c := range map[string]struct {
		home string
		key  ed25519.PublicKey
		now  time.Time
		want error
	}{
		"other home": {circleA, key, noon(), ErrMismatch},
		"other key":  {homeC, public(testKey(stranger)), noon(), ErrSigner},
		"old":        {homeC, key, noon().Add(FreshFor), ErrExpired},
		"future":     {homeC, key, noon().Add(-skew - 1), ErrNotYet},
	} {
		if _, err := VerifyActive(compact, c.home, c.key, c.now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	a.Grants = make([]ActiveGrant, maxActive+1)
	if _, err := SignActive(a, testKey(homeLeaf)); !errors.Is(err, ErrDocument) {
		t.Errorf("too many: %v", err)
	}
	full := Active{ID: newID(t), Home: homeC, At: noon()}
	for range maxActive {
		full.Grants = append(full.Grants, ActiveGrant{Grant: newID(t), Opening: Hash("o"), Circle: circleA})
	}
	if _, err := SignActive(full, testKey(homeLeaf)); err != nil {
		t.Errorf("a full set does not fit: %v", err)
	}
}

// samples are a valid payload of every document, by its type.
func samples(t testing.TB) map[string]document {
	s, e := give(t, params(t))
	terms, opening, err := VerifyGrant(e, s.Terms, s.Opening)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]document{
		TypeTerms: terms, TypeOpening: opening, TypeEnvelope: e,
		TypeClosing:          Closing{ID: newID(t), Grant: e.Grant, Opening: e.OpeningHash},
		TypeCountersignature: Countersignature{ID: newID(t), Account: e.Owner, Client: "laptop", Hash: Hash("x"), At: noon(), Nonce: nonce()},
		TypeStatement:        Statement{ID: newID(t), Nonce: nonce(), Grant: e.Grant, Circle: e.Circle, At: noon()},
		TypeReceipt:          NodeReceipt{ID: newID(t), Node: "h.example", Hash: Hash("x"), Event: "Given", At: noon()},
		TypeRequest:          request(t),
		TypeRefusal:          Refusal{ID: newID(t), Request: newID(t), From: e.Owner, Client: "laptop", To: e.Grantee, At: noon()},
		TypeClaim:            claim(t),
		TypeActive:           Active{ID: newID(t), Home: homeC, At: noon()},
	}
}

// reread reads a document of any type.
func reread(typ, compact string) error {
	var err error
	switch typ {
	case TypeTerms:
		_, _, err = read[Terms](typ, compact)
	case TypeOpening:
		_, _, err = read[Opening](typ, compact)
	case TypeClosing:
		_, _, err = read[Closing](typ, compact)
	case TypeEnvelope:
		_, _, err = read[Envelope](typ, compact)
	case TypeCountersignature:
		_, _, err = read[Countersignature](typ, compact)
	case TypeStatement:
		_, _, err = read[Statement](typ, compact)
	case TypeReceipt:
		_, _, err = read[NodeReceipt](typ, compact)
	case TypeRequest:
		_, _, err = read[Request](typ, compact)
	case TypeRefusal:
		_, _, err = read[Refusal](typ, compact)
	case TypeClaim:
		_, _, err = read[Claim](typ, compact)
	case TypeActive:
		_, _, err = read[Active](typ, compact)
	default:
		err = errors.New("a type without a case")
	}
	return err
}

// Every document refuses, with the place: an unknown member, a member twice, a
// member of a wrong type, each member missing that must stand, nesting too
// deep, another document's type.
func TestEveryDocumentIsClosed(t *testing.T) {
	t.Parallel()
	for typ, d := range samples(t) {
		payload, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := reread(typ, rawSign(t, typ, payload)); err != nil {
			t.Fatalf("%s: the control is refused: %v", typ, err)
		}
		closed(t, typ, string(payload))
		var members map[string]json.RawMessage
		if err := json.Unmarshal(payload, &members); err != nil {
			t.Fatal(err)
		}
		for name := range members {
			withoutMember(t, typ, name, members)
		}
	}
}

func closed(t *testing.T, typ, payload string) {
	t.Helper()
	cases := map[string][2]string{
		"unknown member": {`{"extra":1,` + payload[1:], "/extra"},
		"too deep":       {`{"extra":` + strings.Repeat(`[`, 40) + strings.Repeat(`]`, 40) + `,` + payload[1:], ""},
		"trailing":       {payload + "{}", ""},
		"an array":       {"[" + payload + "]", ""},
		"null":           {"null", ""},
		"truncated":      {payload[:len(payload)-1], ""},
	}
	for name, c := range cases {
		err := reread(typ, rawSign(t, typ, []byte(c[0])))
		var place *jws.PlaceError
		if !errors.Is(err, ErrDocument) || !errors.As(err, &place) || c[1] != "" && place.Pointer != c[1] {
			t.Errorf("%s: %s: %v", typ, name, err)
		}
	}
	if err := reread(typ, rawSign(t, "primum-other+jwt", []byte(payload))); !errors.Is(err, jws.ErrType) {
		t.Errorf("%s: another type: %v", typ, err)
	}
}

// withoutMember tries the document with one member absent, twice, and of
// another type.
func withoutMember(t *testing.T, typ, name string, members map[string]json.RawMessage) {
	t.Helper()
	rest := map[string]json.RawMessage{}
	for n, v := range members {
		if n != name {
			rest[n] = v
		}
	}
	payload, err := json.Marshal(rest)
	if err != nil {
		t.Fatal(err)
	}
	if err := reread(typ, rawSign(t, typ, payload)); err == nil && !mayBeAbsent(name) {
		t.Errorf("%s: taken without %s", typ, name)
	}
	quoted, _ := json.Marshal(name)
	whole, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	twice := "{" + string(quoted) + ":" + string(members[name]) + "," + string(whole[1:])
	var place *jws.PlaceError
	if err := reread(typ, rawSign(t, typ, []byte(twice))); !errors.As(err, &place) || !strings.Contains(place.Reason, "twice") || place.Pointer != "/"+strings.ReplaceAll(name, "/", "~1") {
		t.Errorf("%s: %s twice: %v", typ, name, err)
	}
	rest[name] = json.RawMessage(`[[{"a":1}]]`)
	if payload, err = json.Marshal(rest); err != nil {
		t.Fatal(err)
	}
	if err := reread(typ, rawSign(t, typ, payload)); !errors.As(err, &place) || !strings.HasPrefix(place.Pointer, "/"+name) {
		t.Errorf("%s: %s of a wrong type: %v", typ, name, err)
	}
}

// mayBeAbsent: what has a meaning when it does not stand (zero).
func mayBeAbsent(name string) bool {
	switch name {
	case "@context", "askAgainAfter", "retention", "deletesWithin", "epoch", "grants", "replaces", "for", "label", "conditionality":
		return true
	}
	return false
}

func rawSign(t testing.TB, typ string, payload []byte) string {
	t.Helper()
	c, err := jws.Sign(typ, "", payload, testKey(stranger))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzDocuments signs whatever comes as every type: rules hold, nothing
// panics, and what is taken is taken again after marshalling.
func FuzzDocuments(f *testing.F) {
	for typ, d := range samples(f) {
		payload, err := json.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(typ, payload)
	}
	f.Add(TypeTerms, []byte(`{"dct:valid":"2026-11-22T14:00:00Z/2026-11-29T14:00:00Z","lease":"P30D"}`))
	f.Fuzz(func(t *testing.T, typ string, payload []byte) {
		if typ == "" || !strings.HasPrefix(typ, "primum-") {
			return
		}
		err := reread(typ, rawSign(t, typ, payload))
		if err != nil && strings.HasPrefix(err.Error(), "a type without") {
			return
		}
		if err != nil && !errors.Is(err, ErrDocument) && !errors.Is(err, jws.ErrMalformed) {
			t.Errorf("a refusal of another kind: %v", err)
		}
	})
}

// FuzzCompact reads foreign bytes as each document.
func FuzzCompact(f *testing.F) {
	// Every fuzzing process makes the same grant.
	p := params(f)
	p.Rand = rand.NewChaCha8([32]byte{})
	s, e := give(f, p)
	for _, c := range []string{s.Terms, s.Opening, s.Closing, s.Envelope, "", ".."} {
		f.Add(c)
	}
	o := owner(f)
	f.Fuzz(func(t *testing.T, compact string) {
		if _, err := VerifyEnvelope(compact, o); err == nil && compact != s.Envelope {
			t.Error("forged an envelope")
		}
		if _, err := VerifyClosing(compact, ed25519.PublicKey(e.GrantKey)); err == nil && compact != s.Closing {
			t.Error("forged a closing")
		}
		_, _, _ = VerifyOffer(compact, s.Opening, public(testKey(friendID)))
		_, _ = VerifyClaim(compact)
	})
}
