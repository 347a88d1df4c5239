package identity

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/internal/jws"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func testKey(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return ed25519.NewKeyFromSeed(seed)
}

func public(k ed25519.PrivateKey) jws.Bytes { return jws.Bytes(k.Public().(ed25519.PublicKey)) }

// Keys of the account in these tests.
const (
	idKey = iota + 1
	recoveryKey
	laptopKey
	phoneKey
	strangerKey
)

func testID(t testing.TB) string {
	t.Helper()
	id, err := NewID(nil, noon())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func testClient(t testing.TB, name string, key byte) Client {
	t.Helper()
	inbox, err := NewInboxKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return Client{Name: name, Key: public(testKey(key)), InboxKey: inbox.Public(), Suites: []uint16{1}, Added: noon()}
}

func firstDoc(t testing.TB) Document {
	t.Helper()
	return Document{
		ID: testID(t), Address: Address{"owner", "h.localhost:8401"}, Kind: Person, Name: "Ölav",
		IdentityKey: public(testKey(idKey)), RecoveryKey: public(testKey(recoveryKey)),
		Clients: []Client{testClient(t, "laptop", laptopKey)},
		Version: 1, Issued: noon(), Expires: noon().Add(MaxValidity),
	}
}

func signDoc(t testing.TB, d Document, key byte) string {
	t.Helper()
	c, err := Sign(d, testKey(key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func first(t testing.TB) *Verified {
	t.Helper()
	v, err := First(signDoc(t, firstDoc(t), idKey))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func next(t testing.TB, v *Verified, change func(*Document)) Document {
	t.Helper()
	d, err := v.Next(noon().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	change(&d)
	return d
}

// raw signs any payload, past the checks of Sign.
func raw(t testing.TB, payload any, key byte) string {
	t.Helper()
	b, ok := payload.([]byte)
	if !ok {
		var err error
		if b, err = json.Marshal(payload); err != nil {
			t.Fatal(err)
		}
	}
	c, err := jws.Sign(TypeDocument, "", b, testKey(key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFirst(t *testing.T) {
	t.Parallel()
	v := first(t)
	if v.Address().String() != "owner@h.localhost:8401" || v.Kind() != Person || v.Name() != "Ölav" || v.Version() != 1 {
		t.Errorf("read %+v", v.Document())
	}
	c, ok := v.Client("laptop")
	byKey, found := v.ClientByKey(ed25519.PublicKey(c.Key))
	if !ok || !found || byKey.Name != "laptop" {
		t.Errorf("client %v %v %v", ok, found, byKey)
	}
	if _, ok := v.Client("phone"); ok {
		t.Error("found a client that is not there")
	}
	if _, ok := v.ClientByKey(ed25519.PublicKey(public(testKey(phoneKey)))); ok {
		t.Error("found a key that is not there")
	}
	if _, err := First(signDoc(t, firstDoc(t), strangerKey)); !errors.Is(err, ErrSigner) {
		t.Errorf("signed by a stranger: %v", err)
	}
	if _, err := First(signDoc(t, firstDoc(t), recoveryKey)); !errors.Is(err, ErrSigner) {
		t.Errorf("a first document signed by the recovery key: %v", err)
	}
}

func TestVerifiedIsImmutable(t *testing.T) {
	t.Parallel()
	v := first(t)
	v.Clients()[0].Suites[0] = 9
	d := v.Document()
	d.Clients[0].Name = "changed"
	v.IdentityKey()[0] ^= 1
	c, ok := v.Client("laptop")
	if !ok || c.Suites[0] != 1 || !slices.Equal(v.IdentityKey(), ed25519.PublicKey(public(testKey(idKey)))) {
		t.Error("a caller changed a verified document")
	}
}

func TestVerifyFollows(t *testing.T) {
	t.Parallel()
	v1 := first(t)
	d := next(t, v1, func(d *Document) { d.Clients = append(d.Clients, testClient(t, "phone", phoneKey)) })
	v2, err := Verify(signDoc(t, d, idKey), v1)
	if err != nil {
		t.Fatal(err)
	}
	if v2.Version() != 2 || len(v2.Clients()) != 2 || v2.Hash() == v1.Hash() {
		t.Errorf("second document %+v", v2.Document())
	}
	if same, err := Verify(v2.Compact(), v2); err != nil || same != v2 {
		t.Errorf("the same document again: %v", err)
	}
	if _, err := Verify(v1.Compact(), v2); !errors.Is(err, ErrRollback) {
		t.Errorf("the old document again: %v", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	v1 := first(t)
	cases := []struct {
		name   string
		key    byte
		change func(*Document)
		want   error
	}{
		{"stranger's key", strangerKey, func(*Document) {}, ErrSigner},
		{"client's key", laptopKey, func(*Document) {}, ErrSigner},
		{"own new key", strangerKey, func(d *Document) { d.IdentityKey = public(testKey(strangerKey)) }, ErrSigner},
		{"identity key changed by itself", idKey, func(d *Document) { d.IdentityKey = public(testKey(strangerKey)) }, ErrSigner},
		{"recovery key changed by identity key", idKey, func(d *Document) { d.RecoveryKey = public(testKey(strangerKey)) }, ErrSigner},
		{"version skipped", idKey, func(d *Document) { d.Version = 3 }, ErrRollback},
		{"version kept", idKey, func(d *Document) { d.Version, d.Previous = 1, "" }, ErrRollback},
		{"fork", idKey, func(d *Document) { d.Previous = jws.Hash("another") }, ErrRollback},
		{"issued before", idKey, func(d *Document) {
			d.Issued = noon().Add(-time.Hour)
			d.Expires = noon()
		}, ErrRollback},
		{"other account", idKey, func(d *Document) { d.Address.User = "other" }, ErrDocument},
		{"other kind", idKey, func(d *Document) { d.Kind = Edge }, ErrDocument},
	}
	for _, c := range cases {
		if _, err := Verify(signDoc(t, next(t, v1, c.change), c.key), v1); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := Verify(v1.Compact(), nil); !errors.Is(err, ErrDocument) {
		t.Errorf("nothing to follow: %v", err)
	}
}

func TestRecoveryKeyOutranks(t *testing.T) {
	t.Parallel()
	v1 := first(t)
	d := next(t, v1, func(d *Document) {
		d.IdentityKey, d.RecoveryKey = public(testKey(20)), public(testKey(21))
		d.Clients = []Client{testClient(t, "new", 22)}
	})
	v2, err := Verify(signDoc(t, d, recoveryKey), v1)
	if err != nil {
		t.Fatal(err)
	}
	d3 := next(t, v2, func(*Document) {})
	if _, err := Verify(signDoc(t, d3, idKey), v2); !errors.Is(err, ErrSigner) {
		t.Errorf("the old identity key still counts: %v", err)
	}
	if _, err := Verify(signDoc(t, d3, recoveryKey), v2); !errors.Is(err, ErrSigner) {
		t.Errorf("the old recovery key still counts: %v", err)
	}
	if _, err := Verify(signDoc(t, d3, 20), v2); err != nil {
		t.Errorf("the new identity key: %v", err)
	}
}

func TestFollowSkipsVersions(t *testing.T) {
	t.Parallel()
	v1 := first(t)
	d5 := next(t, v1, func(d *Document) { d.Version, d.Previous = 5, jws.Hash("version 4") })
	v5, err := Follow(signDoc(t, d5, idKey), v1)
	if err != nil || v5.Version() != 5 {
		t.Fatalf("follow: %v", err)
	}
	d2 := next(t, v1, func(*Document) {})
	if _, err := Follow(signDoc(t, d2, idKey), v5); !errors.Is(err, ErrRollback) {
		t.Errorf("rollback: %v", err)
	}
	fork := d5
	fork.Name = "another"
	if _, err := Follow(signDoc(t, fork, idKey), v5); !errors.Is(err, ErrRollback) {
		t.Errorf("fork of the same version: %v", err)
	}
	if _, err := Follow(signDoc(t, next(t, v5, func(d *Document) { d.Previous = v1.Hash() }), idKey), v5); !errors.Is(err, ErrRollback) {
		t.Errorf("fork of the next version: %v", err)
	}
}

func TestDocumentRulesNameThePlace(t *testing.T) {
	t.Parallel()
	cases := []struct {
		pointer string
		change  func(*Document)
	}{
		{"/id", func(d *Document) { d.ID = "1" }},
		{"/id", func(d *Document) { d.ID = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6" }},
		{"/address", func(d *Document) { d.Address = Address{} }},
		{"/kind", func(d *Document) { d.Kind = "robot" }},
		{"/name", func(d *Document) { d.Name = strings.Repeat("x", 129) }},
		{"/name", func(d *Document) { d.Name = "a\u202eb" }},
		{"/identityKey", func(d *Document) { d.IdentityKey = d.IdentityKey[:31] }},
		{"/recoveryKey", func(d *Document) { d.RecoveryKey = nil }},
		{"/recoveryKey", func(d *Document) { d.RecoveryKey = d.IdentityKey }},
		{"/version", func(d *Document) { d.Version = 0 }},
		{"/previous", func(d *Document) { d.Version = 2 }},
		{"/previous", func(d *Document) { d.Previous = jws.Hash("x") }},
		{"/expires", func(d *Document) { d.Expires = d.Issued }},
		{"/expires", func(d *Document) { d.Expires = d.Issued.Add(MaxValidity + time.Second) }},
		{"/clients", func(d *Document) { d.Clients = make([]Client, MaxClients+1) }},
		{"/clients/1", func(d *Document) { d.Clients = append(d.Clients, d.Clients[0]) }},
		{"/clients/1", func(d *Document) {
			c := d.Clients[0]
			c.Name = "other"
			d.Clients = append(d.Clients, c)
		}},
		{"/clients/0/name", func(d *Document) { d.Clients[0].Name = "a b" }},
		{"/clients/0/name", func(d *Document) { d.Clients[0].Name = "" }},
		{"/clients/0/key", func(d *Document) { d.Clients[0].Key = nil }},
		{"/clients/0/inboxKey", func(d *Document) { d.Clients[0].InboxKey = make([]byte, 33) }},
		{"/clients/0/suites", func(d *Document) { d.Clients[0].Suites = nil }},
		{"/clients/0/added", func(d *Document) { d.Clients[0].Added = time.Time{} }},
	}
	for _, c := range cases {
		d := firstDoc(t)
		c.change(&d)
		if _, err := Sign(d, testKey(idKey)); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: signed, %v", c.pointer, err)
		}
		_, err := First(raw(t, d, idKey))
		var place *jws.PlaceError
		if !errors.As(err, &place) || place.Pointer != c.pointer || !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", c.pointer, err)
		}
	}
}

func TestDocumentFormRefused(t *testing.T) {
	t.Parallel()
	good, err := json.Marshal(firstDoc(t))
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	cases := map[string]string{
		"unknown member":              strings.Replace(text, `"kind":`, `"admin":true,"kind":`, 1),
		"duplicate member":            strings.Replace(text, `"kind":`, `"version":2,"kind":`, 1),
		"wrong type":                  strings.Replace(text, `"version":1`, `"version":"1"`, 1),
		"address not in its one form": strings.Replace(text, `owner@h.localhost`, `OWNER@h.localhost`, 1),
		"no JSON":                     text[:len(text)-1],
		"deep":                        strings.Replace(text, `"kind":`, `"kind":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`,"x":`, 1),
	}
	for name, payload := range cases {
		if payload == text {
			t.Fatalf("%s changes nothing", name)
		}
		if _, err := First(raw(t, []byte(payload), idKey)); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := First(strings.Repeat("a", MaxSize+1)); !errors.Is(err, jws.ErrTooLarge) {
		t.Errorf("oversized: %v", err)
	}
	other, err := jws.Sign(TypeSuspension, "", good, testKey(idKey))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := First(other); !errors.Is(err, jws.ErrType) {
		t.Errorf("other type: %v", err)
	}
}

func TestValidity(t *testing.T) {
	t.Parallel()
	v := first(t)
	cases := []struct {
		at   time.Duration
		want error
	}{
		{0, nil},
		{-skew, nil},
		{-skew - time.Second, ErrNotYet},
		{MaxValidity - time.Second, nil},
		{MaxValidity, ErrExpired},
	}
	for _, c := range cases {
		if err := v.ValidAt(noon().Add(c.at)); !errors.Is(err, c.want) {
			t.Errorf("at %v: %v, want %v", c.at, err, c.want)
		}
	}
	if v.RemindAt(noon().Add(RemindAfter-1)) || !v.RemindAt(noon().Add(RemindAfter)) {
		t.Error("reminded on another day than the twentieth")
	}
}

func TestSuspension(t *testing.T) {
	t.Parallel()
	v := first(t)
	s := Suspension{ID: testID(t), Account: v.Address(), Client: "laptop", At: noon().Add(time.Minute)}
	compact, err := SignSuspension(s, testKey(laptopKey))
	if err != nil {
		t.Fatal(err)
	}
	got, err := VerifySuspension(compact, v, noon().Add(365*24*time.Hour))
	if err != nil {
		t.Fatalf("it never expires: %v", err)
	}
	if !got.Holds(v) {
		t.Error("it must hold beside the document it was made under")
	}
	later, err := Verify(signDoc(t, next(t, v, func(*Document) {}), idKey), v)
	if err != nil {
		t.Fatal(err)
	}
	if got.Holds(later) {
		t.Error("a newer identity document must lift it")
	}
	ahead, err := SignSuspension(Suspension{ID: testID(t), Account: v.Address(), Client: "laptop", At: noon().Add(time.Hour)}, testKey(laptopKey))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifySuspension(ahead, v, noon()); err == nil || !strings.Contains(err.Error(), "/at") {
		t.Errorf("from the future: %v", err)
	}
	checkSuspensionRefusals(t, v, s)
}

func checkSuspensionRefusals(t *testing.T, v *Verified, s Suspension) {
	t.Helper()
	cases := []struct {
		name   string
		key    byte
		change func(*Suspension)
		want   error
	}{
		{"other key", strangerKey, func(*Suspension) {}, jws.ErrSignature},
		{"no such client", laptopKey, func(s *Suspension) { s.Client = "phone" }, ErrNoClient},
		{"other account", laptopKey, func(s *Suspension) { s.Account.User = "x" }, nil},
	}
	for _, c := range cases {
		changed := s
		c.change(&changed)
		compact, err := SignSuspension(changed, testKey(c.key))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := VerifySuspension(compact, v, noon()); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := SignSuspension(Suspension{}, testKey(laptopKey)); err == nil {
		t.Error("signed an empty suspension")
	}
	if _, err := VerifySuspension(v.Compact(), v, noon()); err == nil {
		t.Error("took an identity document for a suspension")
	}
}

func TestPins(t *testing.T) {
	t.Parallel()
	var p Pins
	k1, k2 := public(testKey(1)), public(testKey(2))
	if isFirst, err := p.Check("a@h.example", k1, noon()); !isFirst || err != nil {
		t.Fatalf("first use: %v %v", isFirst, err)
	}
	if isFirst, err := p.Check("a@h.example", k1, noon()); isFirst || err != nil {
		t.Errorf("second use: %v %v", isFirst, err)
	}
	if _, err := p.Check("a@h.example", k2, noon()); !errors.Is(err, ErrPinChanged) {
		t.Errorf("another key: %v", err)
	}
	if p.MarkCompared("a@h.example", k2) || p.MarkCompared("b@h.example", k1) || !p.MarkCompared("a@h.example", k1) {
		t.Error("compared what is not pinned, or not what is")
	}
	stored, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var again Pins
	if err := jws.DecodeStrict(stored, &again); err != nil {
		t.Fatal(err)
	}
	if pin, ok := again.Get("a@h.example"); !ok || !pin.Compared || string(pin.Key) != string(k1) {
		t.Errorf("stored and read: %+v", pin)
	}
	again.Replace("a@h.example", k2, noon())
	if pin, _ := again.Get("a@h.example"); pin.Compared || string(pin.Key) != string(k2) {
		t.Errorf("replaced: %+v", pin)
	}
	var empty Pins
	empty.Replace("x", k1, noon())
	if _, ok := empty.Get("x"); !ok {
		t.Error("replace into an empty set is lost")
	}
}

func TestShortCode(t *testing.T) {
	t.Parallel()
	list := strings.Fields(words)
	if len(list) != 2048 || !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != 2048 {
		t.Fatalf("the word list has %d words", len(list))
	}
	a, b := public(testKey(1)), public(testKey(2))
	if ShortCode(a, b) != ShortCode(b, a) {
		t.Error("two people see different codes")
	}
	if ShortCode(a) == ShortCode(b) || ShortCode(a) == ShortCode(a, b) || ShortCode(a, b) == ShortCode(append(slices.Clone(a), b...)) {
		t.Error("different keys have one code")
	}
	if got := ShortCode(a); got != goldenCode {
		t.Errorf("code %q, want %q", got, goldenCode)
	}
	// Every position is used in full.
	seen := map[string]bool{}
	for i := range 3000 {
		for _, w := range strings.Fields(ShortCode([]byte(fmt.Sprint(i)))) {
			seen[w] = true
		}
	}
	if len(seen) != 2048 {
		t.Errorf("%d of 2048 words occur", len(seen))
	}
}

const goldenCode = "wild whip wool thank dilemma bitter"

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	k, err := NewInboxKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseInboxKey(k.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	info, aad := []byte("primum inbox"), []byte("a\x00b\x00c")
	enc, box, err := Seal(k.Public(), info, aad, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Open(info, aad, enc, box); err != nil || string(plain) != "hello" {
		t.Fatalf("open: %q %v", plain, err)
	}
	other, err := NewInboxKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append(slices.Clone(box[:len(box)-1]), box[len(box)-1]^1)
	for name, open := range map[string]func() ([]byte, error){
		"other key":  func() ([]byte, error) { return other.Open(info, aad, enc, box) },
		"other info": func() ([]byte, error) { return k.Open([]byte("x"), aad, enc, box) },
		"other aad":  func() ([]byte, error) { return k.Open(info, []byte("x"), enc, box) },
		"changed":    func() ([]byte, error) { return k.Open(info, aad, enc, flipped) },
		"short enc":  func() ([]byte, error) { return k.Open(info, aad, enc[:31], box) },
		"zero enc":   func() ([]byte, error) { return k.Open(info, aad, make([]byte, 32), box) },
		"empty":      func() ([]byte, error) { return k.Open(info, aad, nil, nil) },
	} {
		if _, err := open(); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, key := range map[string][]byte{"short": make([]byte, 31), "low order": make([]byte, 32)} {
		if _, _, err := Seal(key, info, aad, nil); err == nil {
			t.Errorf("sealed to a %s key", name)
		}
	}
	if _, err := ParseInboxKey(make([]byte, 31)); err == nil {
		t.Error("took a short inbox key")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, k); got != "inbox key (secret)" {
			t.Errorf("%s shows %q", verb, got)
		}
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	id := testID(t)
	if CheckID(id) != nil || id[14] != '7' || id == testID(t) {
		t.Errorf("id %s", id)
	}
	later, err := NewID(nil, noon().Add(time.Millisecond))
	if err != nil || later <= id {
		t.Errorf("ids do not sort by time: %s, %s, %v", id, later, err)
	}
	for _, bad := range []string{"", strings.ToUpper(id), strings.ReplaceAll(id, "-", ""), id + "0", "g" + id[1:], id[:14] + "4" + id[15:]} {
		if CheckID(bad) == nil {
			t.Errorf("took %q", bad)
		}
	}
	if _, err := NewID(strings.NewReader("short"), noon()); err == nil {
		t.Error("made an id without randomness")
	}
}

func FuzzDocument(f *testing.F) {
	f.Add(signDoc(f, firstDoc(f), idKey))
	f.Add(raw(f, []byte(`{"clients":[{}]}`), idKey))
	f.Fuzz(func(t *testing.T, compact string) {
		v, err := First(compact)
		if err == nil && (v.Compact() != compact || v.Document().check() != nil) {
			t.Errorf("took %q", compact)
		}
	})
}

// FuzzDocumentPayload signs whatever comes, so that the rules are reached.
func FuzzDocumentPayload(f *testing.F) {
	good, err := json.Marshal(firstDoc(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"address":"a@b.example"}`))
	known := first(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		compact := raw(t, payload, idKey)
		v, err := First(compact)
		if err == nil && v.Document().check() != nil {
			t.Errorf("took %q", payload)
		}
		if v, err := Verify(compact, known); err == nil && v.Version() != 2 && v != known {
			t.Errorf("followed by version %d", v.Version())
		}
	})
}
