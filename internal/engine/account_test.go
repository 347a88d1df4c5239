package engine_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"primum/client"
	"primum/client/keys"
	"primum/client/nethttp"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/engine"
	"primum/internal/node"
)

// accounts is a node, and engines of its people.
type accounts struct {
	t     *testing.T
	node  *node.Node
	clock *clock.Manual
	wire  *lossyWire
}

func newAccounts(t *testing.T) *accounts {
	t.Helper()
	c := clock.NewManual(time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC))
	n, err := node.Open(t.Context(), node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: t.TempDir(), Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- n.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := errors.Join(n.Close(), <-done); err != nil {
			t.Errorf("node: %v", err)
		}
	})
	return &accounts{t: t, node: n, clock: c, wire: &lossyWire{Transport: nethttp.New(nethttp.Options{LAN: true})}}
}

func (a *accounts) address(user string) string { return user + "@" + a.node.Authority() }

// start opens an engine; the test may close it before its end.
func (a *accounts) start(dir string) *engine.Engine {
	a.t.Helper()
	e, err := engine.New(engine.Options{Dir: dir, Transport: a.wire, Clock: a.clock})
	if err != nil {
		a.t.Fatal(err)
	}
	go func() {
		for range e.Events() { // nobody listens
		}
	}()
	a.t.Cleanup(func() { _ = e.Close() })
	return e
}

// lossyWire loses answers on demand, and lets a node lie.
type lossyWire struct {
	client.Transport
	lose atomic.Pointer[string] // path whose answers are lost
	lie  atomic.Pointer[func(client.Request, client.Response) client.Response]
}

func (w *lossyWire) Do(ctx context.Context, r client.Request) (client.Response, error) {
	resp, err := w.Transport.Do(ctx, r)
	if path := w.lose.Load(); path != nil && strings.Contains(r.URL, *path) && r.Method != "GET" {
		return client.Response{}, client.ErrUnreachable
	}
	if lie := w.lie.Load(); lie != nil && err == nil {
		resp = (*lie)(r, resp)
	}
	return resp, err
}

func call[Out any](t *testing.T, e *engine.Engine, method string, in any) Out {
	t.Helper()
	out, err := try[Out](t, e, method, in)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return out
}

func try[Out any](t *testing.T, e *engine.Engine, method string, in any) (out Out, err error) {
	t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	answer, err := e.Call(ctx, method, raw)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		t.Fatalf("%s answers %s: %v", method, answer, err)
	}
	return out, nil
}

// refused asserts the code of a refusal and answers what fills its sentence.
func refused(t *testing.T, e *engine.Engine, method string, in any, code string) map[string]string {
	t.Helper()
	_, err := try[json.RawMessage](t, e, method, in)
	var shown *engine.Error
	if !errors.As(err, &shown) || shown.Code != code {
		t.Errorf("%s: %v, want %s", method, err, code)
		return nil
	}
	return shown.Data
}

// eventually asks until it is so; a test's deadline bounds it.
func eventually(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func prf(name string) string {
	b := make([]byte, 32)
	copy(b, name)
	return base64.RawURLEncoding.EncodeToString(b)
}

func byPhrase(p string) engine.Secret { return engine.Secret{Phrase: p} }

func TestAccountLife(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	dir := t.TempDir()
	e := a.start(dir)
	made := call[engine.Created](t, e, "account.create", engine.CreateParams{
		Account: a.address("ada"), Name: "Ada", Client: "laptop", PRF: prf("ada"),
	})
	if s := made.Status; s.Phase != engine.PhaseOpen || s.Account != a.address("ada") || s.Name != "Ada" || !s.HasPasskey || s.HasPhrase || !s.Unshown {
		t.Errorf("created %+v", s)
	}
	if len(strings.Fields(made.Phrase)) != keys.PhraseWords {
		t.Errorf("phrase has %d words", len(strings.Fields(made.Phrase)))
	}
	refused(t, e, "account.create", engine.CreateParams{Account: a.address("eve"), Client: "x"}, "account-here")
	call[engine.Empty](t, e, "account.check", engine.SecretParams{Secret: byPhrase(made.Phrase)})
	call[engine.Empty](t, e, "account.check", engine.SecretParams{Secret: engine.Secret{PRF: prf("ada")}})
	if s := call[engine.Status](t, e, "status", nil); !s.HasPhrase || s.Unshown {
		t.Errorf("the phrase was seen: %+v", s)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = a.start(dir)
	if s := call[engine.Status](t, e, "status", nil); s.Phase != engine.PhaseOpen || s.Client != "laptop" || !s.HasPhrase || s.Renew {
		t.Errorf("opened again: %+v", s)
	}

	a.clock.Advance(21 * 24 * time.Hour)
	if s := call[engine.Status](t, e, "status", nil); !s.Renew {
		t.Errorf("after three weeks: %+v", s)
	}
	if s := call[engine.Status](t, e, "account.suspend", nil); !s.Suspended {
		t.Errorf("suspended: %+v", s)
	}
	refused(t, e, "account.renew", engine.SecretParams{Secret: engine.Secret{PRF: prf("eve")}}, "secret")
	if s := call[engine.Status](t, e, "account.renew", engine.SecretParams{Secret: engine.Secret{PRF: prf("ada")}}); s.Renew || s.Suspended {
		t.Errorf("renewed: %+v", s)
	}
	clients := call[[]engine.ClientInfo](t, e, "account.clients", nil)
	if len(clients) != 1 || !clients[0].Own || !clients[0].Browser || clients[0].Name != "laptop" {
		t.Errorf("clients %+v", clients)
	}
	refused(t, e, "account.drop", engine.DropParams{Client: "laptop", Secret: byPhrase(made.Phrase)}, "last-client")
	refused(t, e, "account.drop", engine.DropParams{Client: "tv", Secret: byPhrase(made.Phrase)}, "no-client")
}

func TestSecretsOfAnAccount(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	e, other := a.start(t.TempDir()), a.start(t.TempDir())
	made := call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop"})
	call[engine.Empty](t, e, "account.check", engine.SecretParams{Secret: byPhrase(made.Phrase)})
	call[engine.Status](t, e, "account.addPasskey", engine.SecretParams{Secret: byPhrase(made.Phrase), PRF: prf("one")})
	call[engine.Status](t, other, "account.restore", engine.RestoreParams{
		Account: a.address("ada"), Client: "phone", Secret: engine.Secret{PRF: prf("one")},
	})
	// Another client adds a passkey; the first finds it at the node.
	call[engine.Status](t, other, "account.addPasskey", engine.SecretParams{Secret: engine.Secret{PRF: prf("one")}, PRF: prf("two")})
	call[engine.Empty](t, e, "account.check", engine.SecretParams{Secret: engine.Secret{PRF: prf("two")}})
	again := call[engine.Created](t, e, "account.newPhrase", engine.SecretParams{Secret: engine.Secret{PRF: prf("two")}})
	if again.Status.HasPhrase {
		t.Error("a phrase that nobody has confirmed counts")
	}
	// A reload before the words were noted: others are made without a secret.
	third := call[engine.Created](t, e, "account.newPhrase", engine.SecretParams{})
	refused(t, e, "account.check", engine.SecretParams{Secret: byPhrase(made.Phrase)}, "secret")
	refused(t, e, "account.check", engine.SecretParams{Secret: byPhrase(again.Phrase)}, "secret")
	call[engine.Empty](t, e, "account.check", engine.SecretParams{Secret: byPhrase(third.Phrase)})
	refused(t, e, "account.newPhrase", engine.SecretParams{}, "secret")
	a.clock.Advance(time.Minute) // keeps are given at a limited rate
	fresh := a.start(t.TempDir())
	refused(t, fresh, "account.restore", engine.RestoreParams{Account: a.address("ada"), Client: "tv", Secret: byPhrase(again.Phrase)}, "secret")
	call[engine.Status](t, fresh, "account.restore", engine.RestoreParams{Account: a.address("ada"), Client: "tv", Secret: byPhrase(third.Phrase)})
}

func TestTyposAreNamed(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	e := a.start(t.TempDir())
	in := engine.RestoreParams{Account: a.address("ada"), Client: "tv", Secret: byPhrase("abandom " + strings.Repeat("zoo ", 11))}
	data := refused(t, e, "account.restore", in, "phrase-typo")
	if data["Place"] != "1" || data["Word"] != "abandom" || data["Near"] != "abandon" {
		t.Errorf("%v", data)
	}
	in.Secret = byPhrase("zoo zoo")
	if data := refused(t, e, "account.restore", in, "phrase-count"); data["Count"] != "2" {
		t.Errorf("%v", data)
	}
	in.Secret = byPhrase(strings.Repeat("zoo ", 12))
	refused(t, e, "account.restore", in, "secret") // also where there is no account: nobody learns which exist
	in.Account = "ada"
	refused(t, e, "account.restore", in, "address")
	refused(t, e, "account.create", engine.CreateParams{Account: a.address("guest-x"), Client: "a"}, "name-reserved")
	refused(t, e, "account.check", engine.SecretParams{Secret: in.Secret}, "no-account")
}

// A dropped client says so, keeps what it has, and may come back as another.
func TestDroppedClientIsGone(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	e, dir := a.start(t.TempDir()), t.TempDir()
	made := call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop", PRF: prf("ada")})
	phone := a.start(dir)
	in := engine.RestoreParams{Account: a.address("ada"), Client: "phone", Secret: byPhrase(made.Phrase)}
	call[engine.Status](t, phone, "account.restore", in)
	call[engine.Status](t, e, "account.drop", engine.DropParams{Client: "phone", Secret: engine.Secret{PRF: prf("ada")}})
	eventually(t, "the phone is gone", func() bool { return call[engine.Status](t, phone, "status", nil).Phase == engine.PhaseGone })
	refused(t, phone, "account.renew", engine.SecretParams{Secret: byPhrase(made.Phrase)}, "gone")
	if err := phone.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "client")); err != nil {
		t.Errorf("what the phone had: %v", err)
	}
	phone = a.start(dir)
	if s := call[engine.Status](t, phone, "status", nil); s.Phase != engine.PhaseGone || s.Account != a.address("ada") {
		t.Errorf("opened again: %+v", s)
	}
	// What does not succeed costs nothing of what is left.
	path := "/v1/identity"
	a.wire.lose.Store(&path)
	in.Client = "laptop"
	refused(t, phone, "account.restore", in, "client-name")
	a.wire.lose.Store(nil)
	refused(t, phone, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "x"}, "account-taken")
	if _, err := os.Stat(filepath.Join(dir, "client")); err != nil || call[engine.Status](t, phone, "status", nil).Phase != engine.PhaseGone {
		t.Errorf("after a refusal: %v", err)
	}
	// Back, and as the only client: the laptop goes.
	in.Client, in.Drop = "phone-2", true
	call[engine.Status](t, phone, "account.restore", in)
	if c := call[[]engine.ClientInfo](t, phone, "account.clients", nil); len(c) != 1 || c[0].Name != "phone-2" {
		t.Errorf("clients %+v", c)
	}
	eventually(t, "the laptop is gone", func() bool { return call[engine.Status](t, e, "status", nil).Phase == engine.PhaseGone })
	call[engine.Empty](t, e, "account.forget", nil)
	if s := call[engine.Status](t, e, "status", nil); s.Phase != engine.PhaseNone || s.Account != "" {
		t.Errorf("forgotten: %+v", s)
	}
}

// Whatever answer is lost, the same call goes on and nothing stands twice.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1/accounts", "/v1/keep"} {
		t.Run("create "+strings.ReplaceAll(path, "/", " "), func(t *testing.T) {
			t.Parallel()
			a := newAccounts(t)
			dir := t.TempDir()
			e := a.start(dir)
			in := engine.CreateParams{Account: a.address("ada"), Name: "Ada", Client: "laptop", PRF: prf("ada")}
			a.wire.lose.Store(&path)
			refused(t, e, "account.create", in, "unreachable")
			_ = e.Close() // and the browser dies
			a.wire.lose.Store(nil)
			e = a.start(dir)
			if s := call[engine.Status](t, e, "status", nil); s.Phase != engine.PhaseNone {
				t.Errorf("half opened: %+v", s)
			}
			made := call[engine.Created](t, e, "account.create", in)
			fresh := a.start(t.TempDir())
			s := call[engine.Status](t, fresh, "account.restore", engine.RestoreParams{Account: in.Account, Client: "tv", Secret: byPhrase(made.Phrase)})
			if s.Name != "Ada" {
				t.Errorf("restored: %+v", s)
			}
		})
	}
	t.Run("restore", func(t *testing.T) {
		t.Parallel()
		a := newAccounts(t)
		e := a.start(t.TempDir())
		made := call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop"})
		dir := t.TempDir()
		phone, path := a.start(dir), "/v1/identity"
		in := engine.RestoreParams{Account: a.address("ada"), Client: "phone", Secret: byPhrase(made.Phrase)}
		a.wire.lose.Store(&path)
		refused(t, phone, "account.restore", in, "unreachable")
		_ = phone.Close()
		a.wire.lose.Store(nil)
		phone = a.start(dir)
		call[engine.Status](t, phone, "account.restore", in)
		if c := call[[]engine.ClientInfo](t, phone, "account.clients", nil); len(c) != 2 {
			t.Errorf("clients %+v", c)
		}
	})
}

// A name that is taken, and a begun account given up for another name.
func TestNames(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	e, other := a.start(t.TempDir()), a.start(t.TempDir())
	call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop"})
	refused(t, other, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop"}, "account-taken")
	path := "/v1/accounts"
	a.wire.lose.Store(&path)
	refused(t, other, "account.create", engine.CreateParams{Account: a.address("bea"), Client: "laptop"}, "unreachable")
	a.wire.lose.Store(nil)
	call[engine.Created](t, other, "account.create", engine.CreateParams{Account: a.address("bob"), Client: "laptop"})
	if _, err := client.FetchIdentity(t.Context(), client.Calls{Transport: a.wire}, a.address("bea")); !errors.Is(err, client.ErrNoAccount) {
		t.Errorf("the name given up still stands: %v", err)
	}
}

// What a node says about a keep or an identity is believed only as far as the
// secret and the keys known here bear it out.
func TestLyingNode(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	e, eve := a.start(t.TempDir()), a.start(t.TempDir())
	made := call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop", PRF: prf("ada")})
	old := fetched(t, a, "ada")
	call[engine.Created](t, eve, "account.create", engine.CreateParams{Account: a.address("eve"), Client: "laptop", PRF: prf("ada")})
	evil := fetched(t, a, "eve")
	next := call[engine.Created](t, e, "account.newPhrase", engine.SecretParams{Secret: byPhrase(made.Phrase)})
	call[engine.Empty](t, e, "account.check", engine.SecretParams{Secret: byPhrase(next.Phrase)})
	lie := func(path string, body []byte) {
		f := func(r client.Request, resp client.Response) client.Response {
			if r.Method == "GET" && strings.Contains(r.URL, path) {
				resp.Status, resp.Body = 200, body
			}
			return resp
		}
		a.wire.lie.Store(&f)
	}
	in := engine.RestoreParams{Account: a.address("ada"), Client: "tv", Secret: engine.Secret{PRF: prf("ada")}}
	fresh := a.start(t.TempDir())
	lie("/v1/keep/ada", evil.keep) // opened by the same PRF, of another account
	refused(t, fresh, "account.restore", in, "keep")
	lie("/v1/keep/ada", []byte(strings.ReplaceAll(string(evil.keep), "eve@", "ada@")))
	refused(t, fresh, "account.restore", in, "secret")
	lie("/v1/keep/ada", []byte(`{"version":1}`))
	refused(t, fresh, "account.restore", in, "keep")
	lie("/v1/identity/ada", []byte(impostor(t, a)))
	refused(t, fresh, "account.restore", in, "other-identity")
	refused(t, e, "account.renew", engine.SecretParams{Secret: engine.Secret{PRF: prf("ada")}}, "other-identity")
	lie("/v1/keep/ada", old.keep) // rolled back: who has the newer one does not fall for it
	refused(t, e, "account.check", engine.SecretParams{Secret: byPhrase(made.Phrase)}, "secret")
	call[engine.Empty](t, e, "account.check", engine.SecretParams{Secret: byPhrase(next.Phrase)})
	a.wire.lie.Store(nil)
	call[engine.Status](t, e, "account.renew", engine.SecretParams{Secret: byPhrase(next.Phrase)})
	lie("/v1/identity/ada", []byte(old.document))
	refused(t, e, "account.renew", engine.SecretParams{Secret: byPhrase(next.Phrase)}, "identity-old")
}

type kept struct {
	keep     []byte
	document string
}

func fetched(t *testing.T, a *accounts, user string) kept {
	t.Helper()
	calls := client.Calls{Transport: a.wire}
	raw, err := client.Node{Calls: calls, Authority: a.node.Authority()}.Keep(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := client.FetchIdentity(t.Context(), calls, a.address(user))
	if err != nil {
		t.Fatal(err)
	}
	return kept{raw, doc}
}

// impostor is a document of Ada's address by another key.
func impostor(t *testing.T, a *accounts) string {
	t.Helper()
	address, err := identity.ParseAddress(a.address("ada"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, doc, err := keys.Make(keys.New{Address: address, Now: a.clock.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestPairing(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	e, dir := a.start(t.TempDir()), t.TempDir()
	made := call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Name: "Ada", Client: "laptop"})
	phone := a.start(dir)
	refused(t, phone, "pair.begin", engine.PairBeginParams{Account: a.address("nobody"), Client: "phone"}, "no-such-account")
	refused(t, phone, "pair.begin", engine.PairBeginParams{Account: a.address("ada"), Client: "laptop"}, "client-name")
	offer := call[engine.PairOffer](t, phone, "pair.begin", engine.PairBeginParams{Account: a.address("ada"), Client: "phone"})
	asked := call[engine.PairAsked](t, e, "pair.look", engine.PairLookParams{Code: offer.Code})
	if asked.Client != "phone" || asked.Words != offer.Words || len(strings.Fields(offer.Words)) != 5 {
		t.Errorf("asked %+v, offered %+v", asked, offer)
	}
	_ = phone.Close() // a reload while it waits
	phone = a.start(dir)
	done := make(chan error, 1)
	go func() {
		_, err := phone.Call(t.Context(), "pair.wait", nil)
		done <- err
	}()
	refused(t, e, "pair.accept", engine.PairAcceptParams{Code: offer.Code, Secret: engine.Secret{PRF: prf("x")}}, "secret")
	call[engine.Empty](t, e, "pair.accept", engine.PairAcceptParams{Code: offer.Code, Secret: byPhrase(made.Phrase)})
	eventually(t, "the phone is listed", func() bool {
		a.clock.Advance(time.Second)
		return len(done) > 0
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s := call[engine.Status](t, phone, "status", nil); s.Phase != engine.PhaseOpen || s.Client != "phone" || s.Name != "Ada" {
		t.Errorf("paired: %+v", s)
	}
	// It never had the identity key, and can get it with the phrase.
	if b, err := os.ReadFile(filepath.Join(dir, "account.json")); err != nil || strings.Contains(string(b), `"unshown"`) {
		t.Errorf("the phone's file: %v", err)
	}
	call[engine.Status](t, phone, "account.renew", engine.SecretParams{Secret: byPhrase(made.Phrase)})
	refused(t, e, "pair.accept", engine.PairAcceptParams{Code: offer.Code, Secret: byPhrase(made.Phrase)}, "client-name")
}

func TestPairingRefuses(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	e, eve, phone := a.start(t.TempDir()), a.start(t.TempDir()), a.start(t.TempDir())
	call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop"})
	call[engine.Created](t, eve, "account.create", engine.CreateParams{Account: a.address("eve"), Client: "laptop"})
	offer := call[engine.PairOffer](t, phone, "pair.begin", engine.PairBeginParams{Account: a.address("ada"), Client: "phone"})
	for _, code := range []string{
		"", "https://h.example/claim?code=abc", "WIFI:T:WPA;S:net;P:x;;", offer.Code + "A", offer.Code[:len(offer.Code)-4],
		strings.Repeat("A", 5000), "http://h.localhost/my#/pair/e30", "http://h.localhost/my#/pair/eyJ2IjoxfQ", "\x00\xff",
	} {
		refused(t, e, "pair.look", engine.PairLookParams{Code: code}, "pair-code")
	}
	refused(t, eve, "pair.look", engine.PairLookParams{Code: offer.Code}, "pair-other")
	refused(t, eve, "pair.accept", engine.PairAcceptParams{Code: offer.Code}, "pair-other")
	refused(t, e, "pair.wait", nil, "pair-none")
	a.clock.Advance(11 * time.Minute)
	refused(t, e, "pair.look", engine.PairLookParams{Code: offer.Code}, "pair-expired")
	refused(t, phone, "pair.wait", nil, "pair-expired")
}

func TestPeople(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	ada, bob := a.start(t.TempDir()), a.start(t.TempDir())
	call[engine.Created](t, ada, "account.create", engine.CreateParams{Account: a.address("ada"), Name: "Ada", Client: "laptop"})
	call[engine.Created](t, bob, "account.create", engine.CreateParams{Account: a.address("bob"), Name: "Bob & Co", Client: "desk", Organisation: true})
	one := call[engine.Person](t, ada, "person", engine.AccountParams{Account: a.address("bob")})
	two := call[engine.Person](t, bob, "person", engine.AccountParams{Account: a.address("ada")})
	if one.ShortCode != two.ShortCode || len(strings.Fields(one.ShortCode)) != 6 {
		t.Errorf("codes %q and %q", one.ShortCode, two.ShortCode)
	}
	if one.Name != "Bob & Co" || !one.Organisation || !one.Browser || one.Compared || two.Organisation {
		t.Errorf("%+v", one)
	}
	call[engine.Empty](t, ada, "person.compared", engine.AccountParams{Account: a.address("bob")})
	if p := call[[]engine.Person](t, ada, "people", nil); len(p) != 1 || !p[0].Compared {
		t.Errorf("people %+v", p)
	}
	refused(t, ada, "person", engine.AccountParams{Account: a.address("zoe")}, "no-such-account")
	refused(t, ada, "person.compared", engine.AccountParams{Account: a.address("zoe")}, "no-such-account")
}

func TestExportHoldsNoKey(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	dir := t.TempDir()
	e := a.start(dir)
	made := call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Name: "Ada", Client: "laptop"})
	out := call[engine.Export](t, e, "account.export", nil)
	var content map[string]any
	if err := json.Unmarshal([]byte(out.Content), &content); err != nil {
		t.Fatal(err)
	}
	if content["format"] != "primum-export" || content["account"] != a.address("ada") || !strings.HasSuffix(out.Name, "2026-11-22.json") || strings.ContainsAny(out.Name, "@:/") {
		t.Errorf("%s: %v", out.Name, content["format"])
	}
	var file struct {
		Client struct {
			Key   string `json:"key"`
			Inbox string `json:"inbox"`
		} `json:"client"`
		Unshown struct {
			Key      string `json:"key"`
			Recovery string `json:"recovery"`
		} `json:"unshown"`
	}
	raw, err := os.ReadFile(filepath.Join(dir, "account.json"))
	if err == nil {
		err = json.Unmarshal(raw, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{file.Client.Key, file.Client.Inbox, file.Unshown.Key, file.Unshown.Recovery, made.Phrase} {
		b, err := base64.StdEncoding.DecodeString(secret)
		forms := []string{secret, base64.RawURLEncoding.EncodeToString(b), string(b)}
		for _, form := range forms {
			if form == "" && err == nil || form != "" && strings.Contains(out.Content, form) {
				t.Errorf("the export holds a secret")
			}
		}
	}
}

func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	dir := t.TempDir()
	e := a.start(dir)
	made := call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop"})
	refused(t, e, "account.delete", engine.SecretParams{Secret: engine.Secret{PRF: prf("x")}}, "secret")
	call[engine.Deleted](t, e, "account.delete", engine.SecretParams{Secret: byPhrase(made.Phrase)})
	if s := call[engine.Status](t, e, "status", nil); s.Phase != engine.PhaseNone {
		t.Errorf("deleted: %+v", s)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left on the disk: %v, %v", left, err)
	}
	refused(t, e, "account.restore", engine.RestoreParams{Account: a.address("ada"), Client: "tv", Secret: byPhrase(made.Phrase)}, "secret")
	refused(t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "tv"}, "account-taken")
}

// Deleting ends every grant first, and tells of each lock; the grantee hears of
// it, and what it saw stays.
func TestDeleteEndsGrants(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	ada, bob := a.start(t.TempDir()), a.start(t.TempDir())
	made := call[engine.Created](t, ada, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop"})
	call[engine.Created](t, bob, "account.create", engine.CreateParams{Account: a.address("bob"), Client: "desk"})
	call[engine.HomeResult](t, ada, "sandbox.start", nil)
	var ref engine.Ref
	eventually(t, "the thermometer is there", func() bool {
		for _, thing := range call[engine.ThingsResult](t, ada, "things", nil).Things {
			for _, f := range thing.Affordances {
				if f.Kind == "property" && f.Type == "number" {
					ref = f.Ref
				}
			}
		}
		return ref.Home != ""
	})
	given := call[engine.Given](t, ada, "give", engine.GiveParams{
		Account: a.address("bob"), Until: a.clock.Now().Add(24 * time.Hour),
		Share: []engine.Share{{Ref: ref, Ops: []string{"observeproperty"}, Precision: engine.Precision{Change: true}}},
	})
	eventually(t, "the grant runs", func() bool { return stateOf(t, bob, given.Grant) == "running" })
	out := call[engine.Deleted](t, ada, "account.delete", engine.SecretParams{Secret: byPhrase(made.Phrase)})
	if len(out.Stops) != 1 || out.Stops[0].Grant != given.Grant || out.Stops[0].Other != a.address("bob") ||
		out.Stops[0].Stop.LockOne.IsZero() || out.Stops[0].Stop.LockTwo.IsZero() {
		t.Errorf("stops: %+v", out.Stops)
	}
	eventually(t, "Bob hears that it ended", func() bool { return stateOf(t, bob, given.Grant) == "ended" })
}

func stateOf(t *testing.T, e *engine.Engine, grant string) string {
	t.Helper()
	for _, g := range call[[]engine.GrantInfo](t, e, "grants", nil) {
		if g.ID == grant {
			return g.State
		}
	}
	return ""
}

// A client that was dropped knows its last keep: an older one of the node, which
// an old phrase would open, is refused.
func TestRolledBackKeep(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	e, phone := a.start(t.TempDir()), a.start(t.TempDir())
	made := call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop", PRF: prf("ada")})
	old := fetched(t, a, "ada")
	in := engine.RestoreParams{Account: a.address("ada"), Client: "phone", Secret: byPhrase(made.Phrase)}
	call[engine.Status](t, phone, "account.restore", in)
	call[engine.Created](t, phone, "account.newPhrase", engine.SecretParams{Secret: byPhrase(made.Phrase)})
	call[engine.Status](t, e, "account.drop", engine.DropParams{Client: "phone", Secret: engine.Secret{PRF: prf("ada")}})
	eventually(t, "the phone is gone", func() bool { return call[engine.Status](t, phone, "status", nil).Phase == engine.PhaseGone })
	lie := func(r client.Request, resp client.Response) client.Response {
		if r.Method == "GET" && strings.Contains(r.URL, "/v1/keep/ada") {
			resp.Status, resp.Body = 200, old.keep
		}
		return resp
	}
	a.wire.lie.Store(&lie)
	in.Client = "phone-2"
	refused(t, phone, "account.restore", in, "keep-old")
}

// What a node calls the keep of an account while a device is paired counts for
// nothing until a secret has opened it: noise must neither hide the real keep
// from that device nor be put in its place.
func TestPairedDeviceTrustsNoUnprovedKeep(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	e, dir := a.start(t.TempDir()), t.TempDir()
	made := call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop"})
	noise := keys.NewKeep(mustAddress(t, a.address("ada")))
	noise, err := noise.SetPhrase(keys.Identity{Key: make([]byte, 32)}, strings.TrimSpace(strings.Repeat("zoo ", 12)), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	noise.Serial = 1 << 40
	raw, err := noise.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	lie := func(r client.Request, resp client.Response) client.Response {
		if r.Method == "GET" && strings.Contains(r.URL, "/v1/keep/ada") {
			resp.Status, resp.Body = 200, raw
		}
		return resp
	}
	phone := a.start(dir)
	offer := call[engine.PairOffer](t, phone, "pair.begin", engine.PairBeginParams{Account: a.address("ada"), Client: "phone"})
	call[engine.Empty](t, e, "pair.accept", engine.PairAcceptParams{Code: offer.Code, Secret: byPhrase(made.Phrase)})
	a.wire.lie.Store(&lie)
	call[engine.Status](t, phone, "pair.wait", nil)
	a.wire.lie.Store(nil)
	_ = phone.Close() // at its next start it would give its keep back
	phone = a.start(dir)
	eventually(t, "it is at work", func() bool { return call[engine.Status](t, phone, "status", nil).Phase == engine.PhaseOpen })
	call[engine.Status](t, phone, "account.renew", engine.SecretParams{Secret: byPhrase(made.Phrase)})
	if kept := fetched(t, a, "ada").keep; bytes.Equal(kept, raw) {
		t.Error("the node's keep was replaced by noise")
	}
}

func mustAddress(t *testing.T, s string) identity.Address {
	t.Helper()
	a, err := identity.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func FuzzPairCode(f *testing.F) {
	f.Add("http://h.localhost/my#/pair/eyJ2IjoxLCJhIjoiYWRhQGguZXhhbXBsZSJ9")
	f.Add("")
	f.Fuzz(func(t *testing.T, code string) {
		var shown *engine.Error
		if err := engine.ParsePair(code); err != nil && (!errors.As(err, &shown) || shown.Code != "pair-code") {
			t.Errorf("refused as %v", err)
		}
	})
}
