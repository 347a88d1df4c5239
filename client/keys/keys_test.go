package keys_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"primum/client/keys"
	"primum/identity"
)

var start = time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)

func address(t testing.TB, s string) identity.Address {
	t.Helper()
	a, err := identity.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newPhrase(t testing.TB) string {
	t.Helper()
	p, err := keys.NewPhrase(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// keep makes an identity whose key a phrase and a passkey open.
func keep(t testing.TB, account string) (k keys.Keep, i keys.Identity, phrase string, prf []byte) {
	t.Helper()
	i, _, _, err := keys.Make(keys.New{Address: address(t, account), Now: start})
	if err != nil {
		t.Fatal(err)
	}
	phrase, prf = newPhrase(t), make([]byte, 32)
	_, _ = rand.Read(prf)
	k, err = keys.NewKeep(address(t, account)).SetPhrase(i, phrase, rand.Reader)
	if err == nil {
		k, err = k.AddPasskey(i, prf, rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k, i, phrase, prf
}

func TestBothSecretsOpen(t *testing.T) {
	t.Parallel()
	k, i, phrase, prf := keep(t, "ada@h.example")
	b, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	read, err := keys.ParseKeep(b)
	if err != nil || read.Serial != 2 || !read.Has(keys.KindPhrase) || !read.Has(keys.KindPasskey) {
		t.Fatalf("read again: %+v, %v", read, err)
	}
	by, err := read.Open(keys.Secret{Phrase: "  1. " + strings.ToUpper(strings.ReplaceAll(phrase, " ", ", 2. "))})
	if err != nil || !bytes.Equal(by.Key, i.Key) || !bytes.Equal(by.Recovery, i.Recovery) {
		t.Errorf("by phrase: %v", err)
	}
	by, err = read.Open(keys.Secret{PRF: prf})
	if err != nil || !bytes.Equal(by.Key, i.Key) || by.Recovery != nil {
		t.Errorf("by passkey: %v, recovery key there: %v", err, by.Recovery != nil)
	}
	for _, secret := range [][]byte{i.Key, i.Recovery, prf, identityOf(i)} {
		if bytes.Contains(b, secret) {
			t.Error("a keep lies open and shows a key")
		}
	}
}

func identityOf(i keys.Identity) []byte { return i.Signer().Public().(ed25519.PublicKey) }

func TestWrongSecretsOpenNothing(t *testing.T) {
	t.Parallel()
	k, _, phrase, prf := keep(t, "ada@h.example")
	other, _, otherPhrase, otherPRF := keep(t, "bob@h.example")
	words := strings.Fields(phrase)
	words[0], words[1] = words[1], words[0]
	for name, c := range map[string]struct {
		keep   keys.Keep
		secret keys.Secret
		want   error
	}{
		"phrase of another account":  {k, keys.Secret{Phrase: otherPhrase}, keys.ErrSecret},
		"PRF of another account":     {k, keys.Secret{PRF: otherPRF}, keys.ErrSecret},
		"own secret, another's keep": {other, keys.Secret{PRF: prf}, keys.ErrSecret},
		"two words swapped":          {k, keys.Secret{Phrase: strings.Join(words, " ")}, keys.ErrSecret},
		"PRF too short":              {k, keys.Secret{PRF: prf[:31]}, keys.ErrSecret},
		"nothing":                    {k, keys.Secret{}, keys.ErrSecret},
		"two secrets":                {k, keys.Secret{Phrase: phrase, PRF: prf}, keys.ErrSecret},
		"no phrase":                  {k, keys.Secret{Phrase: "hello"}, keys.ErrPhrase},
	} {
		if i, err := c.keep.Open(c.secret); !errors.Is(err, c.want) || i.Key != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A node may give back whatever it likes: what was not written together by the
// owner does not open.
func TestSwappedKeepsDoNotOpen(t *testing.T) {
	t.Parallel()
	k, i, phrase, prf := keep(t, "ada@h.example")
	newer, err := k.SetPhrase(i, newPhrase(t), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old := k.Ways[0]
	for name, change := range map[string]func(*keys.Keep){
		"old phrase in a new keep": func(k *keys.Keep) { k.Ways = append([]keys.Way{old}, k.Ways...) },
		"a way left out":           func(k *keys.Keep) { k.Ways = k.Ways[1:2] },
		"a later serial":           func(k *keys.Keep) { k.Serial++ },
		"another account":          func(k *keys.Keep) { k.Account = address(t, "eve@h.example") },
		"a passkey as a phrase":    func(k *keys.Keep) { k.Ways[0].Kind = keys.KindPhrase },
	} {
		b, _ := newer.Bytes()
		changed, err := keys.ParseKeep(b)
		if err != nil {
			t.Fatal(err)
		}
		change(&changed)
		for _, s := range []keys.Secret{{Phrase: phrase}, {PRF: prf}} {
			if _, err := changed.Open(s); err == nil {
				t.Errorf("%s: it opened", name)
			}
		}
	}
	if _, err := newer.Open(keys.Secret{Phrase: phrase}); !errors.Is(err, keys.ErrSecret) {
		t.Errorf("the old phrase still opens the new keep: %v", err)
	}
}

func TestPhraseTypos(t *testing.T) {
	t.Parallel()
	phrase := strings.Repeat("abandon ", 11) + "zoo"
	if got, err := keys.ParsePhrase(phrase); err != nil || got != phrase {
		t.Fatalf("%q, %v", got, err)
	}
	for _, c := range []struct {
		from, to    string
		place       int
		word, nearb string
	}{
		{"zoo", "zoot", 12, "zoot", "zoo"},
		{"abandon ", "abandom ", 1, "abandom", "abandon"},
		{"zoo", "xyzzy", 12, "xyzzy", ""},
		{"zoo", "aobut", 12, "aobut", "about"},
		{" zoo", "", 0, "", ""},
		{"zoo", "zoo zoo", 0, "", ""},
		{"zoo", strings.Repeat("zoo ", 400), 0, "", ""},
		{"zoo", "\u202ezoo\u0000é", 12, "é", ""},
	} {
		_, err := keys.ParsePhrase(strings.Replace(phrase, c.from, c.to, 1))
		var typo *keys.PhraseError
		if !errors.As(err, &typo) || !errors.Is(err, keys.ErrPhrase) {
			t.Fatalf("%q: %v", c.to, err)
		}
		if c.word == "é" {
			continue // what stands between the words does not matter, a word of other letters does
		}
		if typo.Place != c.place || typo.Word != c.word || typo.Near != c.nearb {
			t.Errorf("%q: %+v", c.to, typo)
		}
	}
	if _, err := keys.NewPhrase(strings.NewReader("short")); err == nil {
		t.Error("a phrase without randomness")
	}
}

func TestDocumentsFollow(t *testing.T) {
	t.Parallel()
	i, _, document, err := keys.Make(keys.New{Address: address(t, "ada@h.example"), Name: "Ada", Client: "laptop", Browser: true, Now: start})
	if err != nil {
		t.Fatal(err)
	}
	first, err := identity.First(document)
	if err != nil || !first.Clients()[0].Browser || first.Name() != "Ada" {
		t.Fatalf("%v", err)
	}
	_, phone, err := keys.MakeClient(keys.New{Client: "phone", Now: start})
	if err != nil {
		t.Fatal(err)
	}
	second := next(t, first, i, keys.AddClient(phone))
	if _, err := keys.Next(second, i.Signer(), start, keys.AddClient(phone)); !errors.Is(err, keys.ErrClientName) {
		t.Errorf("a second client of one name: %v", err)
	}
	third := next(t, second, i, keys.OnlyClient(phone), keys.KnowSuites("phone"))
	if len(third.Clients()) != 1 || third.Clients()[0].Name != "phone" {
		t.Errorf("clients %v", third.Clients())
	}
	if _, err := keys.Next(third, i.Signer(), start, keys.DropClient("phone")); !errors.Is(err, keys.ErrLastClient) {
		t.Errorf("the last client: %v", err)
	}
	if _, err := keys.Next(third, i.Signer(), start, keys.DropClient("tv")); !errors.Is(err, identity.ErrNoClient) {
		t.Errorf("no client: %v", err)
	}
}

func next(t *testing.T, current *identity.Verified, i keys.Identity, changes ...keys.Change) *identity.Verified {
	t.Helper()
	compact, err := keys.Next(current, i.Signer(), start.Add(time.Hour), changes...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := identity.Verify(compact, current)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAnotherKeySignsNothing(t *testing.T) {
	t.Parallel()
	_, _, document, _ := keys.Make(keys.New{Address: address(t, "ada@h.example"), Now: start})
	current, err := identity.First(document)
	if err != nil {
		t.Fatal(err)
	}
	_, other, _, _ := keep(t, "ada@h.example")
	if _, err := keys.Next(current, other.Signer(), start); !errors.Is(err, keys.ErrOtherIdentity) {
		t.Errorf("%v", err)
	}
}

func TestSecretsStayOutOfText(t *testing.T) {
	t.Parallel()
	_, i, phrase, prf := keep(t, "ada@h.example")
	c, _, err := keys.MakeClient(keys.New{Now: start})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{i, c, keys.Secret{Phrase: phrase}, keys.Secret{PRF: prf}} {
		for _, verb := range []string{"%v", "%+v", "%s", "%x", "%d"} {
			if s := fmt.Sprintf(verb, v); len(s) > 40 {
				t.Errorf("%s shows %s", verb, s)
			}
		}
	}
	i.Erase()
	if !bytes.Equal(i.Key, make([]byte, 32)) || !bytes.Equal(i.Recovery, make([]byte, 32)) {
		t.Error("erased keys are there")
	}
}

func TestKeepRefuses(t *testing.T) {
	t.Parallel()
	k, i, _, prf := keep(t, "ada@h.example")
	good, _ := k.Bytes()
	for name, b := range map[string][]byte{
		"empty":          nil,
		"too large":      append(bytes.Repeat([]byte(" "), keys.MaxKeep), good...),
		"later version":  bytes.Replace(good, []byte(`"version":1`), []byte(`"version":2`), 1),
		"unknown member": bytes.Replace(good, []byte(`"version"`), []byte(`"more":1,"version"`), 1),
		"twice":          bytes.Replace(good, []byte(`"version":1`), []byte(`"version":1,"version":1`), 1),
		"no serial":      bytes.Replace(good, []byte(`"serial":2`), []byte(`"serial":0`), 1),
		"other kind":     bytes.Replace(good, []byte(`"passkey"`), []byte(`"password"`), 1),
		"no ways":        []byte(`{"version":1,"account":"ada@h.example","serial":1,"ways":[],"seal":"` + strings.Repeat("A", 43) + `"}`),
		"after the end":  append(bytes.Clone(good), '1'),
	} {
		if _, err := keys.ParseKeep(b); !errors.Is(err, keys.ErrKeep) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range keys.MaxWays - len(k.Ways) {
		var err error
		if k, err = k.AddPasskey(i, prf, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := k.Bytes(); err != nil || len(b) > keys.MaxKeep {
		t.Errorf("a full keep has %d bytes, %v", len(b), err)
	}
	if _, err := k.AddPasskey(i, prf, rand.Reader); !errors.Is(err, keys.ErrFull) {
		t.Errorf("one more: %v", err)
	}
}

func FuzzKeep(f *testing.F) {
	k, _, _, prf := keep(f, "ada@h.example")
	good, _ := k.Bytes()
	f.Add(good)
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := keys.ParseKeep(b)
		if err != nil {
			if !errors.Is(err, keys.ErrKeep) {
				t.Errorf("refused as %v", err)
			}
			return
		}
		_, _ = k.Open(keys.Secret{PRF: prf})
		again, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.ParseKeep(again); err != nil && len(again) <= keys.MaxKeep {
			t.Errorf("not read again: %v", err)
		}
	})
}

func FuzzPhrase(f *testing.F) {
	f.Add(strings.Repeat("abandon ", 12))
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := keys.ParsePhrase(s)
		if err != nil {
			if !errors.Is(err, keys.ErrPhrase) {
				t.Errorf("refused as %v", err)
			}
			return
		}
		if again, err := keys.ParsePhrase(p); err != nil || again != p {
			t.Errorf("%q, then %q", p, again)
		}
	})
}
