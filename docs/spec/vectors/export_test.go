package vectors

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"primum/client/portable"
	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
	"primum/internal/wire"
	"primum/ledger"
)

// exportVector is export.json.
type exportVector struct {
	About   string          `json:"about"`
	File    json.RawMessage `json:"file"`
	Release releaseVector   `json:"release"`
	Receipt receiptVector   `json:"receipt"`
	Refused []refusedFile   `json:"refused"`
}

type releaseVector struct {
	Thing    jws.Bytes `json:"thingKey"`
	Number   uint64    `json:"number"`
	Owner    string    `json:"owner"` // identity document
	To       string    `json:"to"`    // identity document
	At       time.Time `json:"at"`    // when the thing takes it
	Compact  string    `json:"compact"`
	TooLate  time.Time `json:"tooLate"`
	Stranger string    `json:"stranger"` // identity document of whom it is not for
}

type receiptVector struct {
	Body    string `json:"body"` // what the receipt is about
	Receipt string `json:"receipt"`
	Node    string `json:"node"` // public key, hex
	Key     string `json:"key"`  // hex
	Right   string `json:"right"`
	Leaf    string `json:"leaf"` // hex
}

type refusedFile struct {
	Why  string `json:"why"`
	File string `json:"file"`
}

func person(t *testing.T, user, authority string) (*identity.Verified, string) {
	t.Helper()
	a, err := identity.ParseAddress(user + "@" + authority)
	if err != nil {
		t.Fatal(err)
	}
	id, err := identity.NewID(&stream{seed: "export " + user}, now())
	if err != nil {
		t.Fatal(err)
	}
	compact, err := identity.Sign(identity.Document{
		ID: id, Address: a, Kind: identity.Person, IdentityKey: public(user + " identity"), RecoveryKey: public(user + " recovery"),
		Version: 1, Issued: now(), Expires: now().Add(30 * 24 * time.Hour),
		Clients: []identity.Client{{Name: "phone", Key: public(user + " phone"), InboxKey: inboxKey(t, user).Public(), Suites: []uint16{1}, Added: now()}},
	}, signer(user+" identity"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := identity.First(compact)
	if err != nil {
		t.Fatal(err)
	}
	return v, compact
}

func TestExport(t *testing.T) {
	owner, ownerDoc := person(t, "owner", "h.example")
	mover, moverDoc := person(t, "mover", "s.example")
	_, strangerDoc := person(t, "stranger", "s.example")
	release := vectorRelease(t, owner, mover)
	body := `{"about":"https://h.example/thing/door","text":"The camera sees my door."}`
	receipt, key, leaf := vectorReceipt(t, body)
	file := portable.File{
		Format: portable.Format, Version: portable.Version, Made: now(), Account: "owner@h.example", Client: "phone", Identity: ownerDoc,
		Node: []wire.NodeExport{{
			Format: wire.NodeExportFormat, Version: wire.NodeExportVersion, Account: "owner@h.example", At: now(),
			Holds: map[string][]json.RawMessage{"refusals": {json.RawMessage(`{"from":"eve@e.example","until":"2027-02-20T14:00:00.000Z"}`)}},
		}},
		People: []portable.Person{{Account: "mover@s.example", Compared: true, Identity: moverDoc}},
		Given: []portable.Grant{{
			ID: "01920000-0000-7000-8000-000000000001", State: string(grant.Given), Owner: "owner@h.example", Grantee: "friend@s.example", End: public("thing"),
			Share: []portable.Shared{{Thing: "water", Name: "flow", Title: "Water", Ops: []string{"observeproperty"}, Precision: grant.Precision{Every: grant.Duration(time.Minute), Stat: grant.Mean}}},
			Until: now().AddDate(0, 1, 0),
		}},
		Received: []portable.Grant{},
		Things:   []portable.Thing{{End: public("thing"), Number: 1, Home: strings.Repeat("0a", 16), ID: "water", Title: "Water", Description: json.RawMessage(`{"title":"Water"}`)}},
		History:  []portable.Series{{End: public("thing"), Thing: "water", Name: "flow", Unit: "L/min", Every: "PT1H", Points: []portable.Point{{At: now(), Value: json.RawMessage("12.5")}}}},
		Releases: []portable.Release{{End: public("thing"), To: "mover@s.example", Release: release}},
	}
	raw, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	v := exportVector{
		About: "an export, the release in it, a receipt of a right with its leaf, and files that every reader refuses", File: raw,
		Release: releaseVector{
			Thing: public("thing"), Number: 1, Owner: ownerDoc, To: moverDoc, At: now().Add(time.Hour), Compact: release,
			TooLate: now().Add(31 * 24 * time.Hour), Stranger: strangerDoc,
		},
		Receipt: receiptVector{
			Body: body, Receipt: receipt, Node: hex.EncodeToString(public("node")), Key: hex.EncodeToString(key), Right: wire.RightObjection, Leaf: hex.EncodeToString(leaf[:]),
		},
		Refused: []refusedFile{
			{"another format", `{"format":"x","version":2}`},
			{"an older version", strings.Replace(string(raw), `"version":2`, `"version":1`, 1)},
			{"a later version", strings.Replace(string(raw), `"version":2`, `"version":3`, 1)},
			{"another account's document", strings.Replace(string(raw), `"account":"owner@h.example"`, `"account":"eve@h.example"`, 1)},
			{"a point that is no pair", strings.Replace(string(raw), `",12.5]`, `"]`, 1)},
			{"cut off", string(raw[:len(raw)/2])},
		},
	}
	compare(t, "export.json", v)
	checkExport(t, v)
}

func vectorRelease(t *testing.T, owner, to *identity.Verified) string {
	t.Helper()
	release, err := grant.SignRelease(grant.Release{
		ID: "01920000-0000-7000-8000-00000000000a", ThingKey: public("thing"), Number: 1, Owner: owner.Address(), To: to.Address(),
		ToIdentityKey: jws.Bytes(to.IdentityKey()), History: grant.HistoryStays, At: now(), Expires: now().Add(30 * 24 * time.Hour),
	}, signer("owner identity"))
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func vectorReceipt(t *testing.T, body string) (receipt string, key []byte, leaf [32]byte) {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	receipt, err := jws.SignJSON("primum-right+jwt", "https://h.example/.well-known/primum#k1", wire.RightDone{
		ID: strings.Repeat("5c", 16), Right: wire.RightObjection, Node: "h.example", At: now(), By: now().Add(wire.AnswerWithin),
		Hash: base64.RawURLEncoding.EncodeToString(sum[:]),
	}, signer("node"))
	if err != nil {
		t.Fatal(err)
	}
	key = seedOf("right")
	return receipt, key, ledger.RightLeaf(key, wire.RightObjection, sha256.Sum256([]byte(receipt)))
}

// checkExport reads the vectors as another program would.
func checkExport(t *testing.T, v exportVector) {
	t.Helper()
	f, err := portable.Parse(v.File)
	if err != nil {
		t.Fatal(err)
	}
	r := v.Release
	if got := f.ReleaseOf(r.Thing, "mover@s.example"); got != r.Compact {
		t.Errorf("the release is %q", got)
	}
	owner, to, stranger := first(t, r.Owner), first(t, r.To), first(t, r.Stranger)
	if err := grant.VerifyRelease(r.Compact, ed25519.PublicKey(r.Thing), r.Number, owner, to, r.At); err != nil {
		t.Error(err)
	}
	for want, got := range map[error]error{
		grant.ErrExpired:  grant.VerifyRelease(r.Compact, ed25519.PublicKey(r.Thing), r.Number, owner, to, r.TooLate),
		grant.ErrAudience: grant.VerifyRelease(r.Compact, ed25519.PublicKey(r.Thing), r.Number, owner, stranger, r.At),
		grant.ErrMismatch: grant.VerifyRelease(r.Compact, ed25519.PublicKey(r.Thing), r.Number+1, owner, to, r.At),
		grant.ErrSigner:   grant.VerifyRelease(r.Compact, ed25519.PublicKey(r.Thing), r.Number, stranger, to, r.At),
		grant.ErrNotYet:   grant.VerifyRelease(r.Compact, ed25519.PublicKey(r.Thing), r.Number, owner, to, now().Add(-time.Hour)),
	} {
		if !errors.Is(got, want) {
			t.Errorf("refused as %v, want %v", got, want)
		}
	}
	key, _ := hex.DecodeString(v.Receipt.Key)
	if leaf := mac(key, "primum ledger v1 right\x00"+v.Receipt.Right+"\x00"+sha(v.Receipt.Receipt)); hex.EncodeToString(leaf[:]) != v.Receipt.Leaf {
		t.Error("the leaf is not as the specification says")
	}
	for _, r := range v.Refused {
		if _, err := portable.Parse([]byte(r.File)); !errors.Is(err, portable.ErrFile) {
			t.Errorf("%s: %v", r.Why, err)
		}
	}
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return string(sum[:])
}

func first(t *testing.T, compact string) *identity.Verified {
	t.Helper()
	v, err := identity.First(compact)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
