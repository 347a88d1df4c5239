package jws

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const testType = "primum-test+jwt"

func testKey(t testing.TB, n byte) ed25519.PrivateKey {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return ed25519.NewKeyFromSeed(seed)
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func signed(t testing.TB, payload string) string {
	t.Helper()
	c, err := Sign(testType, "k1", []byte(payload), testKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSignParseVerify(t *testing.T) {
	t.Parallel()
	c := signed(t, `{"a":1}`)
	u, err := Parse(c, 1<<10)
	if err != nil {
		t.Fatal(err)
	}
	if u.Typ != testType || u.KeyID != "k1" || string(u.UntrustedPayload()) != `{"a":1}` {
		t.Errorf("parsed %+v", u)
	}
	got, err := u.Verify(testType, public(testKey(t, 1)))
	if err != nil || string(got) != `{"a":1}` {
		t.Fatalf("verify: %q, %v", got, err)
	}
	got[0] = 'X'
	if string(u.UntrustedPayload()) != `{"a":1}` {
		t.Error("a caller must not reach the document's own bytes")
	}
}

// The example of RFC 8037 appendix A, with the header that RFC 9864 asks for.
func TestKnownSignature(t *testing.T) {
	t.Parallel()
	seed, _ := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	key := ed25519.NewKeyFromSeed(seed)
	if got := base64.RawURLEncoding.EncodeToString(public(key)); got != "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" {
		t.Fatalf("public key %s", got)
	}
	c, err := Sign("t", "", []byte("Example of Ed25519 signing"), key)
	if err != nil {
		t.Fatal(err)
	}
	const head = "eyJhbGciOiJFZDI1NTE5IiwidHlwIjoidCJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
	if !strings.HasPrefix(c, head) {
		t.Errorf("compact form is %s", c)
	}
	sig, _ := base64.RawURLEncoding.DecodeString(c[len(head):])
	if !ed25519.Verify(public(key), []byte(strings.TrimSuffix(head, ".")), sig) {
		t.Error("the signature is not over header.payload")
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	u, err := Parse(signed(t, `{}`), 1<<10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Verify("primum-other+jwt", public(testKey(t, 1))); !errors.Is(err, ErrType) {
		t.Errorf("other type: %v", err)
	}
	if _, err := u.Verify(testType, public(testKey(t, 2))); !errors.Is(err, ErrSignature) {
		t.Errorf("other key: %v", err)
	}
	if _, err := u.Verify(testType, nil); !errors.Is(err, ErrSignature) {
		t.Errorf("no key: %v", err)
	}
	changed := strings.Replace(signed(t, `{}`), "."+encode([]byte(`{}`))+".", "."+encode([]byte(`[]`))+".", 1)
	u, err = Parse(changed, 1<<10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Verify(testType, public(testKey(t, 1))); !errors.Is(err, ErrSignature) {
		t.Errorf("changed payload: %v", err)
	}
}

// handmade builds a compact JWS with any header.
func handmade(header, payload string) string {
	return encode([]byte(header)) + "." + encode([]byte(payload)) + "." + encode(make([]byte, 64))
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := signed(t, `{}`)
	parts := strings.Split(good, ".")
	cases := map[string]string{
		"empty":               "",
		"two parts":           parts[0] + "." + parts[1],
		"four parts":          good + ".",
		"padding":             parts[0] + "." + parts[1] + "." + parts[2] + "==",
		"standard alphabet":   parts[0] + "." + parts[1] + ".++" + parts[2][2:],
		"line end":            parts[0] + "." + parts[1] + "\n." + parts[2],
		"stray bits":          parts[0] + ".e31." + parts[2],
		"short signature":     parts[0] + "." + parts[1] + "." + encode(make([]byte, 63)),
		"no algorithm":        handmade(`{"typ":"t"}`, `{}`),
		"algorithm none":      handmade(`{"alg":"none","typ":"t"}`, `{}`),
		"algorithm EdDSA":     handmade(`{"alg":"EdDSA","typ":"t"}`, `{}`),
		"algorithm HS256":     handmade(`{"alg":"HS256","typ":"t"}`, `{}`),
		"algorithm case":      handmade(`{"alg":"ed25519","typ":"t"}`, `{}`),
		"no type":             handmade(`{"alg":"Ed25519"}`, `{}`),
		"type is a number":    handmade(`{"alg":"Ed25519","typ":1}`, `{}`),
		"unknown member":      handmade(`{"alg":"Ed25519","typ":"t","crit":["b64"]}`, `{}`),
		"embedded key":        handmade(`{"alg":"Ed25519","typ":"t","jwk":{}}`, `{}`),
		"duplicate member":    handmade(`{"alg":"none","alg":"Ed25519","typ":"t"}`, `{}`),
		"other case":          handmade(`{"ALG":"Ed25519","typ":"t"}`, `{}`),
		"header is no object": handmade(`[]`, `{}`),
		"header is no JSON":   handmade(`{"alg"`, `{}`),
		"header not UTF-8":    handmade("{\"alg\":\"Ed25519\",\"typ\":\"\xff\"}", `{}`),
		"header too long":     handmade(`{"alg":"Ed25519","typ":"t","kid":"`+strings.Repeat("k", maxHeader)+`"}`, `{}`),
	}
	for name, compact := range cases {
		if _, err := Parse(compact, 1<<20); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse(good, len(good)-1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func TestHashIsOfTheWholeDocument(t *testing.T) {
	t.Parallel()
	c := signed(t, `{}`)
	if Hash(c) == Hash(c[:len(c)-1]) || len(Hash(c)) != 43 {
		t.Errorf("hash %s", Hash(c))
	}
}

type inner struct {
	N Bytes `json:"n"`
}

type sample struct {
	S    string            `json:"s"`
	I    int               `json:"i,omitempty"`
	U    uint16            `json:"u,omitempty"`
	B    bool              `json:"b,omitempty"`
	F    float64           `json:"f,omitempty"`
	List []inner           `json:"list,omitempty"`
	Ptr  *inner            `json:"ptr,omitempty"`
	Map  map[string]inner  `json:"map,omitempty"`
	Raw  []byte            `json:"raw,omitempty"`
	Any  any               `json:"any,omitempty"`
	Deep map[string]sample `json:"deep,omitempty"`
}

func TestDecodeStrictTakes(t *testing.T) {
	t.Parallel()
	var v sample
	err := DecodeStrict([]byte(` {"s":"ä","i":-1,"u":7,"b":true,"f":1.5,"list":[{"n":"AQ"},{}],"ptr":{"n":"Ag"},
		"map":{"x":{"n":"Aw"}},"raw":"AQI=","any":{"free":[1,null]},"deep":null}`), &v)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(v.S, v.I, v.U, v.B, v.F, v.List[0].N, len(v.List), v.Ptr.N, v.Map["x"].N, v.Raw, v.Any)
	if got != "ä -1 7 true 1.5 AQ 2 Ag Aw [1 2] map[free:[1 <nil>]]\n" {
		t.Errorf("got %s", got)
	}
}

func TestDecodeStrictRefusesWithPointer(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"deep":{"x":`, 20) + `{}` + strings.Repeat(`}}`, 20)
	cases := []struct{ name, doc, pointer, reason string }{
		{"unknown", `{"zz":1}`, "/zz", "unknown"},
		{"unknown inside", `{"list":[{"n":"AQ"},{"m":1}]}`, "/list/1/m", "unknown"},
		{"unknown by case", `{"S":"x"}`, "/S", "unknown"},
		{"duplicate", `{"s":"a","s":"b"}`, "/s", "twice"},
		{"duplicate by escape", `{"s":"a","\u0073":"b"}`, "/s", "twice"},
		{"duplicate in any", `{"any":{"a":{"b":1,"b":2}}}`, "/any/a/b", "twice"},
		{"duplicate in map", `{"map":{"a/b":{},"a/b":{}}}`, "/map/a~1b", "twice"},
		{"wrong type", `{"s":1}`, "/s", "wanted string"},
		{"object for string", `{"s":{}}`, "/s", "wanted string"},
		{"array for object", `{"ptr":[]}`, "/ptr", "wanted object"},
		{"object for array", `{"list":{}}`, "/list", "wanted array"},
		{"numbers for bytes", `{"raw":[1,2]}`, "/raw", "wanted base64"},
		{"fraction", `{"i":1.5}`, "/i", "whole number"},
		{"out of range", `{"u":65536}`, "/u", "whole number"},
		{"negative", `{"u":-1}`, "/u", "zero or more"},
		{"huge number", `{"f":1e999}`, "/f", "number"},
		{"null", `{"s":null}`, "/s", "null"},
		{"bad bytes", `{"ptr":{"n":"A="}}`, "/ptr/n", "base64url"},
		{"too deep", deep, "", "deeper than 32"},
		{"too deep in any", `{"any":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "", "deeper than 32"},
		{"trailing", `{"s":"a"} {}`, "", "not JSON"},
		{"trailing comma", `{"s":"a",}`, "", "not JSON"},
		{"empty", ``, "", "not JSON"},
		{"truncated", `{"s":"a`, "", "not JSON"},
		{"very deep", strings.Repeat("[", 1<<20), "", "not JSON"},
		{"not UTF-8", "{\"s\":\"\xff\"}", "", "UTF-8"},
		{"array at the top", `[]`, "", "wanted object"},
	}
	for _, c := range cases {
		var v sample
		err := DecodeStrict([]byte(c.doc), &v)
		var place *PlaceError
		if !errors.As(err, &place) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.pointer != "" && place.Pointer != c.pointer || !strings.Contains(place.Reason, c.reason) {
			t.Errorf("%s: %q at %q, want %q at %q", c.name, place.Reason, place.Pointer, c.reason, c.pointer)
		}
	}
}

func TestPointerIsBounded(t *testing.T) {
	t.Parallel()
	err := DecodeStrict([]byte(`{"`+strings.Repeat("x", 1<<16)+`":1}`), &sample{})
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("the refusal repeats %d bytes", len(err.Error()))
	}
}

// Work grows with the input, not faster: allocations per member stay constant.
func TestDecodeStrictBounded(t *testing.T) {
	cost := func(n int) float64 {
		doc := []byte(`{"map":{"0":{}`)
		for i := range n {
			doc = fmt.Appendf(doc, `,"m%d":{"n":"AQ"}`, i)
		}
		doc = append(doc, "}}"...)
		return testing.AllocsPerRun(3, func() {
			if err := DecodeStrict(doc, &sample{}); err != nil {
				t.Fatal(err)
			}
		}) / float64(n)
	}
	if small, large := cost(100), cost(3000); large > 1.5*small {
		t.Errorf("allocations per member grow from %.1f to %.1f", small, large)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(signed(f, `{"a":1}`))
	f.Add(handmade(`{"alg":"none","typ":"t"}`, `{}`))
	f.Add("..")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s, 1<<16)
		if err != nil {
			return
		}
		if _, err := u.Verify(u.Typ, public(testKey(t, 9))); err == nil {
			t.Error("verified by a key that signed nothing")
		}
		if strings.Count(s, ".") != 2 || u.Typ == "" {
			t.Errorf("took %q", s)
		}
	})
}

func FuzzDecodeStrict(f *testing.F) {
	f.Add([]byte(`{"s":"a","list":[{"n":"AQ"}],"any":[1,{"x":null}]}`))
	f.Add([]byte(`{"s":"a","s":"b"}`))
	f.Add([]byte(`{"deep":{"a":{"deep":{}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v sample
		err := DecodeStrict(b, &v)
		var place *PlaceError
		if err != nil && !errors.As(err, &place) {
			t.Errorf("a refusal without a place: %v", err)
		}
		// What is taken means the same to the standard decoder.
		var w sample
		if err == nil && (json.Unmarshal(b, &w) != nil || !reflect.DeepEqual(v, w)) {
			t.Errorf("%q: read as %+v and as %+v", b, v, w)
		}
	})
}
