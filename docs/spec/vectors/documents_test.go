package vectors

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
)

// document is one signed document of the vectors.
type document struct {
	Name    string `json:"name"`
	Type    string `json:"typ"`
	Signer  string `json:"signer"`  // name of a key
	Payload string `json:"payload"` // the exact text
	Compact string `json:"compact"`
	Hash    string `json:"hash"`
}

// refused is a document that no reader takes.
type refused struct {
	Name    string `json:"name"`
	Type    string `json:"typ"` // as which it is read
	Signer  string `json:"signer"`
	Why     string `json:"why"`
	Pointer string `json:"pointer,omitempty"`
	Compact string `json:"compact"`
}

type documentFile struct {
	About     string     `json:"about"`
	Now       time.Time  `json:"now"`
	Keys      []key      `json:"keys"`
	Documents []document `json:"documents"`
	Refused   []refused  `json:"refused"`
}

// maker makes the documents, each once.
type maker struct {
	t      *testing.T
	random *stream
	file   documentFile
}

func (m *maker) add(name, by, compact string) string {
	m.t.Helper()
	u := must[jws.Unverified](m.t)(jws.Parse(compact, grant.MaxSize))
	m.file.Documents = append(m.file.Documents, document{
		Name: name, Type: u.Typ, Signer: by, Payload: string(u.UntrustedPayload()), Compact: compact, Hash: jws.Hash(compact),
	})
	if !slices.ContainsFunc(m.file.Keys, func(k key) bool { return k.Name == by }) {
		m.file.Keys = append(m.file.Keys, ed25519Key(by))
	}
	return compact
}

func (m *maker) sign(name, by string, compact string, err error) string {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("%s: %v", name, err)
	}
	return m.add(name, by, compact)
}

func (m *maker) id() string { return newID(m.t, m.random) }

func (m *maker) client(account, name string) identity.Client {
	return identity.Client{
		Name: name, Key: public(account + " " + name), InboxKey: inboxKey(m.t, account+" "+name+" inbox").Public(),
		Suites: []uint16{1}, Added: now().Add(-24 * time.Hour),
	}
}

// identities makes the history of the owner, and the grantee's first document.
func (m *maker) identities() (owner, grantee *identity.Verified) {
	first := identity.Document{
		ID: m.id(), Address: address(m.t, "owner@h.example"), Kind: identity.Person, Name: "Owner",
		IdentityKey: public("owner identity"), RecoveryKey: public("owner recovery"),
		Clients: []identity.Client{m.client("owner", "phone"), m.client("owner", "laptop")},
		Version: 1, Issued: now().Add(-time.Hour), Expires: now().Add(29 * 24 * time.Hour),
	}
	compact, err := identity.Sign(first, signer("owner identity"))
	m.sign("identity-1", "owner identity", compact, err)
	owner = must[*identity.Verified](m.t)(identity.First(compact))

	second := must[identity.Document](m.t)(owner.Next(now()))
	second.ID, second.Clients = m.id(), second.Clients[:1]
	compact, err = identity.Sign(second, signer("owner identity"))
	m.sign("identity-2", "owner identity", compact, err)
	next := must[*identity.Verified](m.t)(identity.Verify(compact, owner))

	third := must[identity.Document](m.t)(next.Next(now()))
	third.ID, third.IdentityKey = m.id(), public("owner new identity")
	compact, err = identity.Sign(third, signer("owner recovery"))
	m.sign("identity-3-recovered", "owner recovery", compact, err)

	compact, err = identity.Sign(identity.Document{
		ID: m.id(), Address: address(m.t, "friend@s.example"), Kind: identity.Person,
		IdentityKey: public("friend identity"), RecoveryKey: public("friend recovery"),
		Clients: []identity.Client{m.client("friend", "cli")},
		Version: 1, Issued: now().Add(-time.Hour), Expires: now().Add(29 * 24 * time.Hour),
	}, signer("friend identity"))
	m.sign("identity-grantee", "friend identity", compact, err)
	return owner, must[*identity.Verified](m.t)(identity.First(compact))
}

func (m *maker) suspension(owner *identity.Verified) {
	compact, err := identity.SignSuspension(identity.Suspension{ID: m.id(), Account: owner.Address(), Client: "phone", At: now()}, signer("owner phone"))
	m.sign("suspension", "owner phone", compact, err)
}

// grant makes the four documents of one grant.
func (m *maker) grant(owner, grantee *identity.Verified) grant.Signed {
	m.random.queued = [][]byte{seedOf("k_grant"), seedOf("grant key")}
	place := 13
	s, err := grant.New(grant.Params{
		Rand: m.random, Now: now(), Owner: owner.Address(), Client: "phone", Signer: signer("owner phone"),
		Grantee: grant.Grantee{Account: grantee.Address(), IdentityKey: jws.Bytes(grantee.IdentityKey()), Kind: grantee.Kind()},
		Node:    "h.example", Home: circleID("home"), Circle: circleID("grant"), AnchorKey: ed25519.PublicKey(public("anchor grant leaf")), Suite: 1,
		Valid:   grant.Interval{Until: now().Add(7 * 24 * time.Hour)},
		Purpose: grant.Purpose{Class: "dpv:OptimisationForConsumer", Label: "energy advice"}, Service: "Advice", Country: "DE",
		Shares: []grant.Share{
			{
				Thing: "meter", Title: "meter", Actions: []string{grant.OpObserve, grant.OpRead}, Affordances: []string{"power"},
				Precision: grant.Precision{Every: grant.Duration(time.Minute), Stat: grant.Mean, Round: 10},
			},
			{
				Thing: "car", Actions: []string{grant.OpObserve}, Affordances: []string{"position"},
				Precision: grant.Precision{Change: true, Place: &place, Delay: grant.Duration(time.Hour)},
			},
			{Thing: "lamp", Actions: []string{grant.OpWrite}, Affordances: []string{"state"}},
		},
		Conditionality: &grant.Conditionality{CoreFunctionWithoutGrant: true, Benefit: "a free report"},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.add("opening", "grant key", s.Opening)
	m.add("terms", "grant key", s.Terms)
	m.add("closing", "grant key", s.Closing)
	m.add("envelope", "owner phone", s.Envelope)
	return s
}

func (m *maker) countersign(name, of string) {
	compact, err := grant.SignCountersignature(grant.Countersignature{
		ID: m.id(), Account: address(m.t, "owner@h.example"), Client: "phone", Hash: grant.Hash(of), At: now(), Nonce: nonce(name),
	}, signer("owner phone"))
	m.sign(name, "owner phone", compact, err)
}

// withdrawal makes what follows a withdrawal.
func (m *maker) withdrawal(s grant.Signed) {
	m.countersign("countersignature-closing", s.Closing)
	m.countersign("countersignature-terms", s.Terms)
	compact, err := grant.SignStatement(grant.Statement{
		ID: m.id(), Nonce: nonce("countersignature-closing"), Grant: s.Grant, Circle: circleID("grant"), Epoch: 3, At: now(),
	}, signer("anchor home leaf"))
	m.sign("statement", "anchor home leaf", compact, err)
	compact, err = grant.SignReceipt(grant.NodeReceipt{
		ID: m.id(), Node: "h.example", Hash: grant.Hash(s.Closing), Event: string(grant.Withdrawn), At: now(),
	}, signer("node h.example"))
	m.sign("receipt", "node h.example", compact, err)
	compact, err = grant.SignActive(grant.Active{
		ID: m.id(), Home: circleID("home"), At: now(),
		Grants: []grant.ActiveGrant{{Grant: s.Grant, Opening: grant.Hash(s.Opening), Circle: circleID("grant")}},
	}, signer("anchor home leaf"))
	m.sign("active", "anchor home leaf", compact, err)
}

// asking makes a request and a refusal.
func (m *maker) asking(owner, grantee *identity.Verified) {
	q := grant.Request{
		ID: m.id(), From: grantee.Address(), Client: "cli", Name: "Friend", To: owner.Address(), Service: "Advice",
		Purpose: grant.Purpose{Class: "dpv:OptimisationForConsumer"},
		Wants: []grant.Want{{
			Quantity: "power", Unit: "W", Actions: []string{grant.OpObserve},
			Precision: grant.Precision{Every: grant.Duration(15 * time.Minute), Stat: grant.Mean},
		}},
		For: 30 * grant.Day, Retention: 30 * grant.Day, DeletesWithin: grant.Day,
		Notice: grant.NewNotice("en", "Your power, every quarter of an hour,\nto advise you."), Issued: now(), Expires: now().Add(7 * 24 * time.Hour),
	}
	compact, err := grant.SignRequest(q, signer("friend cli"))
	m.sign("request", "friend cli", compact, err)
	compact, err = grant.SignRefusal(grant.Refusal{
		ID: m.id(), Request: q.ID, From: owner.Address(), Client: "phone", To: grantee.Address(), At: now(), AskAgainAfter: 90 * grant.Day,
	}, signer("owner phone"))
	m.sign("refusal", "owner phone", compact, err)
}

func (m *maker) claim(owner *identity.Verified) {
	kp := sha256.Sum256([]byte("stands for the bytes of a key package"))
	compact, err := grant.SignClaim(grant.Claim{
		ID: m.id(), Number: 1, ThingKey: public("thing"), Home: circleID("home"), Node: "h.example", AnchorKey: public("anchor home leaf"),
		Suite: 1, Owner: owner.Address(), OwnerIdentityKey: jws.Bytes(owner.IdentityKey()),
		KeyPackage: base64.RawURLEncoding.EncodeToString(kp[:]), Nonce: nonce("claim"), At: now(),
	}, signer("thing"))
	m.countersign("countersignature-claim", m.sign("claim", "thing", compact, err))
}

// raw signs any header and payload.
func raw(header, payload, by string) string {
	enc := base64.RawURLEncoding.EncodeToString
	signed := enc([]byte(header)) + "." + enc([]byte(payload))
	return signed + "." + enc(ed25519.Sign(signer(by), []byte(signed)))
}

// refusals makes documents that differ in one place from one that is taken.
func (m *maker) refusals() {
	find := func(name string) document {
		return m.file.Documents[slices.IndexFunc(m.file.Documents, func(d document) bool { return d.Name == name })]
	}
	closing := find("closing")
	header := func(typ string) string { return `{"alg":"Ed25519","typ":"` + typ + `"}` }
	head := func(name, why, h string) {
		m.refuse(refused{Name: name, Type: closing.Type, Signer: closing.Signer, Why: why, Compact: raw(h, closing.Payload, closing.Signer)})
	}
	head("alg-eddsa", "alg must be Ed25519", `{"alg":"EdDSA","typ":"primum-closing+jwt"}`)
	head("header-unknown", "the header has an unknown member", `{"alg":"Ed25519","typ":"primum-closing+jwt","crit":["x"]}`)
	head("header-doubled", "a header member stands twice", `{"alg":"Ed25519","alg":"Ed25519","typ":"primum-closing+jwt"}`)
	head("typ-absent", "typ is missing", `{"alg":"Ed25519"}`)
	head("typ-other", "another type", header("primum-opening+jwt"))
	m.refuse(refused{Name: "other-key", Type: closing.Type, Signer: closing.Signer, Why: "signed by another key", Compact: raw(header(closing.Type), closing.Payload, "owner phone")})
	m.refuse(refused{Name: "padded", Type: closing.Type, Signer: closing.Signer, Why: "base64url with padding", Compact: closing.Compact + "=="})
	for _, c := range []struct{ name, of, old, new, why, pointer string }{
		{"unknown-member", "closing", `}`, `,"reason":"x"}`, "unknown member", "/reason"},
		{"doubled-member", "closing", `}`, `,"grant":"x"}`, "member stands twice", "/grant"},
		{"behind", "closing", `}`, `}{}`, "data behind the document", ""},
		{"null", "statement", `"epoch":3`, `"epoch":null`, "null for a number", "/epoch"},
		{"upper-case-circle", "statement", `"circle":"` + circleID("grant"), `"circle":"` + strings.ToUpper(circleID("grant")), "circle id not in lower case", "/circle"},
		{"number-zero", "claim", `"number":1`, `"number":0`, "claims begin at 1", "/number"},
		{"own-grantee", "envelope", `"grantee":"friend@s.example"`, `"grantee":"owner@h.example"`, "the owner can't be the grantee", "/grantee"},
		{"not-top-purpose", "envelope", `"purposeClass":"dpv:`, `"purposeClass":"dpv:x`, "no top class of DPV", "/purposeClass"},
		{"capital-account", "suspension", `"owner@h.example"`, `"Owner@h.example"`, "account not in its compared form", "/account"},
		{"month", "refusal", `"P90D"`, `"P3M"`, "months have no fixed length", "/askAgainAfter"},
		{"precision-absent", "request", `"every":"PT15M","stat":"mean"`, ``, "values are asked without a precision", "/wants/0/precision"},
		{"long-life", "identity-1", `"expires":"2026-12-21T`, `"expires":"2026-12-23T`, "valid for more than 30 days", "/expires"},
		{"first-with-previous", "identity-1", `"version":1`, `"version":1,"previous":"x"`, "version 1 has no previous", "/previous"},
		{"context", "terms", `"@vocab"`, `"@base"`, "another context", "/@context"},
		{"notice", "terms", `"language":"en","text":"`, `"language":"en","text":"not `, "the digest is not that of the text", "/hasNotice/digest"},
	} {
		d := find(c.of)
		payload := strings.Replace(d.Payload, c.old, c.new, 1)
		if payload == d.Payload {
			m.t.Fatalf("%s: %q does not stand in %s", c.name, c.old, c.of)
		}
		m.refuse(refused{Name: c.name, Type: d.Type, Signer: d.Signer, Why: c.why, Pointer: c.pointer, Compact: raw(header(d.Type), payload, d.Signer)})
	}
}

func (m *maker) refuse(r refused) { m.file.Refused = append(m.file.Refused, r) }

func makeDocuments(t *testing.T) documentFile {
	t.Helper()
	m := &maker{t: t, random: &stream{seed: "documents"}, file: documentFile{
		About: "one signed document of each type, with the seeds of the keys, and documents that are refused", Now: now(),
	}}
	owner, grantee := m.identities()
	m.suspension(owner)
	s := m.grant(owner, grantee)
	m.withdrawal(s)
	m.asking(owner, grantee)
	m.claim(owner)
	m.refusals()
	slices.SortFunc(m.file.Keys, func(a, b key) int { return strings.Compare(a.Name, b.Name) })
	return m.file
}

func TestDocuments(t *testing.T) { compare(t, "documents.json", makeDocuments(t)) }

func TestTermsContext(t *testing.T) { compare(t, "terms-context.json", grant.Context{}) }

// reader verifies the documents of the file as their readers do.
type reader struct {
	docs map[string]document
	keys map[string]key
}

func newReader(t *testing.T) (reader, documentFile) {
	t.Helper()
	var f documentFile
	load(t, "documents.json", &f)
	r := reader{docs: map[string]document{}, keys: map[string]key{}}
	for _, d := range f.Documents {
		r.docs[d.Name] = d
	}
	for _, k := range f.Keys {
		r.keys[k.Name] = k
	}
	return r, f
}

func (r reader) key(name string) ed25519.PublicKey { return ed25519.PublicKey(r.keys[name].Public) }

func TestDocumentsAreTaken(t *testing.T) {
	r, f := newReader(t)
	of := func(name string) string { return r.docs[name].Compact }
	owner := must[*identity.Verified](t)(identity.First(of("identity-1")))
	grantee := must[*identity.Verified](t)(identity.First(of("identity-grantee")))
	second := must[*identity.Verified](t)(identity.Verify(of("identity-2"), owner))
	must[*identity.Verified](t)(identity.Verify(of("identity-3-recovered"), second))
	if _, err := identity.First(of("identity-3-recovered")); !errors.Is(err, identity.ErrSigner) {
		t.Errorf("a recovered document as the first one: %v", err)
	}
	must[identity.Suspension](t)(identity.VerifySuspension(of("suspension"), owner, f.Now))

	e := must[grant.Envelope](t)(grant.VerifyEnvelope(of("envelope"), owner))
	if err := grant.CheckFresh(e, owner, f.Now); err != nil {
		t.Error(err)
	}
	if _, _, err := grant.VerifyGrant(e, of("terms"), of("opening")); err != nil {
		t.Error(err)
	}
	if _, _, err := grant.VerifyOffer(of("terms"), of("opening"), grantee.IdentityKey()); err != nil {
		t.Error(err)
	}
	w := must[grant.Withdrawal](t)(grant.VerifyWithdrawal(of("closing"), of("countersignature-closing"), e, second))
	must[grant.Statement](t)(grant.VerifyStatement(of("statement"), r.key("anchor home leaf"), e, w.Nonce))
	must[grant.NodeReceipt](t)(grant.VerifyReceipt(of("receipt"), "h.example", r.key("node h.example"), of("closing")))
	must[grant.Countersignature](t)(grant.VerifyCountersignature(of("countersignature-terms"), of("terms"), owner))
	must[grant.Request](t)(grant.VerifyRequest(of("request"), grantee, owner.Address(), f.Now))
	must[grant.Refusal](t)(grant.VerifyRefusal(of("refusal"), owner, grantee.Address()))
	must[grant.Claim](t)(grant.VerifyClaimed(of("claim"), of("countersignature-claim"), owner))
	must[grant.Active](t)(grant.VerifyActive(of("active"), e.Home, r.key("anchor home leaf"), f.Now))
}

func TestDocumentsAreRefused(t *testing.T) {
	r, f := newReader(t)
	owner := must[*identity.Verified](t)(identity.First(r.docs["identity-1"].Compact))
	grantee := must[*identity.Verified](t)(identity.First(r.docs["identity-grantee"].Compact))
	for _, d := range f.Refused {
		err := take(d, r, owner, grantee)
		var place *jws.PlaceError
		if err == nil {
			t.Errorf("%s: taken", d.Name)
		} else if d.Pointer != "" && (!errors.As(err, &place) || place.Pointer != d.Pointer) {
			t.Errorf("%s: %v, wanted a refusal at %s", d.Name, err, d.Pointer)
		}
	}
	if len(f.Refused) == 0 {
		t.Error("no document is refused")
	}
}

// take reads a document as its type.
func take(d refused, r reader, owner, grantee *identity.Verified) (err error) {
	switch key := r.key(d.Signer); d.Type {
	case grant.TypeClosing:
		_, err = grant.VerifyClosing(d.Compact, key)
	case grant.TypeStatement:
		_, err = grant.VerifyStatement(d.Compact, key, grant.Envelope{}, nil)
	case grant.TypeClaim:
		_, err = grant.VerifyClaim(d.Compact)
	case grant.TypeEnvelope:
		_, err = grant.VerifyEnvelope(d.Compact, owner)
	case grant.TypeTerms:
		_, err = grant.VerifyTerms(d.Compact, key)
	case grant.TypeRequest:
		_, err = grant.VerifyRequest(d.Compact, grantee, owner.Address(), now())
	case grant.TypeRefusal:
		_, err = grant.VerifyRefusal(d.Compact, owner, grantee.Address())
	case identity.TypeSuspension:
		_, err = identity.VerifySuspension(d.Compact, owner, now())
	case identity.TypeDocument:
		_, err = identity.First(d.Compact)
	}
	return err
}

// TestEveryTypeHasAVector keeps the file complete.
func TestEveryTypeHasAVector(t *testing.T) {
	_, f := newReader(t)
	for _, typ := range []string{
		identity.TypeDocument, identity.TypeSuspension, grant.TypeTerms, grant.TypeOpening, grant.TypeClosing, grant.TypeEnvelope,
		grant.TypeCountersignature, grant.TypeStatement, grant.TypeReceipt, grant.TypeRequest, grant.TypeRefusal, grant.TypeClaim, grant.TypeActive,
	} {
		if !slices.ContainsFunc(f.Documents, func(d document) bool { return d.Type == typ }) {
			t.Errorf("no vector of type %s", typ)
		}
	}
	for _, d := range f.Documents {
		if !json.Valid([]byte(d.Payload)) || d.Hash != jws.Hash(d.Compact) {
			t.Errorf("%s: payload or hash is wrong", d.Name)
		}
	}
}
