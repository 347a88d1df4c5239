package sign

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func testKey(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return ed25519.NewKeyFromSeed(seed)
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func request() Request {
	return Request{Method: "POST", TargetURI: "http://h.localhost:8401/v1/envelopes?x=1", Body: []byte(`{"a":1}`)}
}

const keyID = "acct:owner@h.localhost:8401#laptop"

func headers(t testing.TB) map[string]string {
	t.Helper()
	h, err := Headers(request(), keyID, testKey(1), noon(), "nonce-1")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func from(h map[string]string) func(string) string {
	return func(name string) string { return h[name] }
}

func TestSignAndVerify(t *testing.T) {
	t.Parallel()
	in, err := ParseInput(from(headers(t)))
	if err != nil {
		t.Fatal(err)
	}
	if in.KeyID != keyID || in.Nonce != "nonce-1" || !in.Created.Equal(noon()) {
		t.Errorf("parsed %+v", in)
	}
	if err := in.Verify(request(), public(testKey(1))); err != nil {
		t.Error(err)
	}
}

// The base as RFC 9421 §2.5 writes it; signed by hand here.
func TestGoldenBase(t *testing.T) {
	t.Parallel()
	const want = `"@method": POST
"@target-uri": http://h.localhost:8401/v1/envelopes?x=1
"content-digest": sha-256=:AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX+GI=:
"@signature-params": ("@method" "@target-uri" "content-digest");created=1795348800;nonce="nonce-1";keyid="acct:owner@h.localhost:8401#laptop";alg="ed25519"`
	h := headers(t)
	digest := h[HeaderDigest]
	got := base(request(), digest, strings.TrimPrefix(h[HeaderInput], "sig1="))
	if string(got) != want {
		t.Errorf("base is\n%s\nwant\n%s", got, want)
	}
	sig, _ := base64.StdEncoding.DecodeString(strings.Trim(h[HeaderSignature][len("sig1="):], ":"))
	if !ed25519.Verify(public(testKey(1)), []byte(want), sig) {
		t.Error("the signature is not over the base")
	}
}

// The digest of {"hello": "world"} that RFC 9530 appendix B gives.
func TestDigestVector(t *testing.T) {
	t.Parallel()
	if got := Digest([]byte("{\"hello\": \"world\"}\n")); got != "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:" {
		t.Errorf("digest %s", got)
	}
	if got := Digest(nil); got != "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:" {
		t.Errorf("digest of nothing %s", got)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	in, err := ParseInput(from(headers(t)))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]func(*Request){
		"method": func(r *Request) { r.Method = "PUT" },
		"query":  func(r *Request) { r.TargetURI = "http://h.localhost:8401/v1/envelopes?x=2" },
		"host":   func(r *Request) { r.TargetURI = "http://s.localhost:8402/v1/envelopes?x=1" },
		"body":   func(r *Request) { r.Body = []byte(`{"a":2}`) },
		"empty":  func(r *Request) { r.Body = nil },
	}
	for name, change := range cases {
		r := request()
		change(&r)
		if err := in.Verify(r, public(testKey(1))); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, key := range map[string]ed25519.PublicKey{"other key": public(testKey(2)), "no key": nil} {
		if err := in.Verify(request(), key); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a header says otherwise, the signature must fall with it.
func TestChangedParametersDoNotVerify(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"nonce-1", "nonce-2"}, {"#laptop", "#phone"}, {"created=1795", "created=1796"}} {
		h := headers(t)
		before := h[HeaderInput]
		if h[HeaderInput] = strings.Replace(before, c[0], c[1], 1); h[HeaderInput] == before {
			t.Fatalf("%s does not occur in %s", c[0], before)
		}
		in, err := ParseInput(from(h))
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Verify(request(), public(testKey(1))); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", c[1], err)
		}
	}
}

func TestParseInputRefuses(t *testing.T) {
	t.Parallel()
	const c = `("@method" "@target-uri" "content-digest")`
	rest := `;created=1;nonce="n";keyid="k";alg="ed25519"`
	sig := "sig1=:" + base64.StdEncoding.EncodeToString(make([]byte, 64)) + ":"
	inputs := map[string]string{
		"absent":             "",
		"other label":        "sig2=" + c + rest,
		"two members":        "sig1=" + c + rest + ", sig2=" + c + rest,
		"fewer components":   `sig1=("@method" "@target-uri")` + rest,
		"more components":    `sig1=("@method" "@target-uri" "content-digest" "date")` + rest,
		"other order":        `sig1=("@target-uri" "@method" "content-digest")` + rest,
		"component twice":    `sig1=("@method" "@method" "@target-uri" "content-digest")` + rest,
		"no created":         "sig1=" + c + `;nonce="n";keyid="k";alg="ed25519"`,
		"no nonce":           "sig1=" + c + `;created=1;keyid="k";alg="ed25519"`,
		"no keyid":           "sig1=" + c + `;created=1;nonce="n";alg="ed25519"`,
		"no alg":             "sig1=" + c + `;created=1;nonce="n";keyid="k"`,
		"empty nonce":        "sig1=" + c + `;created=1;nonce="";keyid="k";alg="ed25519"`,
		"other alg":          "sig1=" + c + `;created=1;nonce="n";keyid="k";alg="hmac-sha256"`,
		"nonce twice":        "sig1=" + c + rest + `;nonce="m"`,
		"unknown parameter":  "sig1=" + c + rest + `;expires=5`,
		"tag parameter":      "sig1=" + c + rest + `;tag="x"`,
		"created negative":   "sig1=" + c + `;created=-1;nonce="n";keyid="k";alg="ed25519"`,
		"created fraction":   "sig1=" + c + `;created=1.5;nonce="n";keyid="k";alg="ed25519"`,
		"created huge":       "sig1=" + c + `;created=99999999999999999999;nonce="n";keyid="k";alg="ed25519"`,
		"created quoted":     "sig1=" + c + `;created="1";nonce="n";keyid="k";alg="ed25519"`,
		"created empty":      "sig1=" + c + `;created=;nonce="n";keyid="k";alg="ed25519"`,
		"unclosed string":    "sig1=" + c + `;created=1;nonce="n`,
		"bad escape":         "sig1=" + c + `;created=1;nonce="\n";keyid="k";alg="ed25519"`,
		"control character":  "sig1=" + c + ";created=1;nonce=\"a\x01\";keyid=\"k\";alg=\"ed25519\"",
		"not ASCII":          "sig1=" + c + `;created=1;nonce="ä";keyid="k";alg="ed25519"`,
		"token for a string": "sig1=" + c + `;created=1;nonce=n;keyid="k";alg="ed25519"`,
		"space":              "sig1=" + c + `; created=1;nonce="n";keyid="k";alg="ed25519"`,
		"too long":           "sig1=" + c + rest + strings.Repeat(" ", maxHeader),
		"nonce too long":     "sig1=" + c + `;created=1;nonce="` + strings.Repeat("n", 129) + `";keyid="k";alg="ed25519"`,
	}
	for name, input := range inputs {
		h := map[string]string{HeaderInput: input, HeaderSignature: sig, HeaderDigest: Digest(nil)}
		if _, err := ParseInput(from(h)); !errors.Is(err, ErrNotSigned) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := "sig1=" + c + rest
	if _, err := ParseInput(from(map[string]string{HeaderInput: good, HeaderSignature: sig, HeaderDigest: Digest(nil)})); err != nil {
		t.Errorf("the control is refused: %v", err)
	}
	for name, s := range map[string]string{
		"absent": "", "no colons": "sig1=AAAA", "one colon": "sig1=:", "bad base64": "sig1=:A:", "short": "sig1=:AAAA:",
		"other label": "sig2" + sig[4:], "line end": sig[:20] + "\n" + sig[20:],
	} {
		h := map[string]string{HeaderInput: good, HeaderSignature: s, HeaderDigest: Digest(nil)}
		if _, err := ParseInput(from(h)); !errors.Is(err, ErrNotSigned) {
			t.Errorf("signature %s: %v", name, err)
		}
	}
	if _, err := ParseInput(from(map[string]string{HeaderInput: good, HeaderSignature: sig})); !errors.Is(err, ErrNotSigned) {
		t.Errorf("no digest: %v", err)
	}
}

func TestEscapesInStrings(t *testing.T) {
	t.Parallel()
	h, err := Headers(request(), `a"b\c`, testKey(1), noon(), `n"\`)
	if err != nil {
		t.Fatal(err)
	}
	in, err := ParseInput(from(h))
	if err != nil || in.KeyID != `a"b\c` || in.Nonce != `n"\` {
		t.Fatalf("parsed %+v, %v", in, err)
	}
	if err := in.Verify(request(), public(testKey(1))); err != nil {
		t.Error(err)
	}
}

func TestHeadersRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"", "n"}, {"k", ""}, {"k\n", "n"}, {"k", "ä"}} {
		if _, err := Headers(request(), c[0], testKey(1), noon(), c[1]); err == nil {
			t.Errorf("signed with key id %q and nonce %q", c[0], c[1])
		}
	}
	if a, b := NewNonce(), NewNonce(); a == b || len(a) != 22 {
		t.Errorf("nonces %s, %s", a, b)
	}
}

func TestNonces(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(noon())
	n := NewNonces(c, 3)
	in := func(nonce string, age time.Duration) Input {
		return Input{KeyID: keyID, Nonce: nonce, Created: c.Now().Add(-age)}
	}
	steps := []struct {
		what  string
		in    Input
		want  error
		after time.Duration
	}{
		{"fresh", in("a", 0), nil, 0},
		{"again", in("a", 0), ErrReplayed, 0},
		{"at the edge of the window", in("b", Window), nil, 0},
		{"too old", in("c", Window+time.Second), ErrClockSkew, 0},
		{"ahead at the edge", in("d", -Window), nil, 0},
		{"too far ahead", in("e", -Window-time.Second), ErrClockSkew, 0},
		{"full", in("f", 0), ErrBusy, 0},
		{"replayed ten minutes later, made ahead", in("d", -Window), ErrReplayed, 2 * Window},
	}
	for _, s := range steps {
		c.Advance(s.after)
		if err := n.Check(s.in, keyID); !errors.Is(err, s.want) {
			t.Errorf("%s: %v, want %v", s.what, err, s.want)
		}
	}
	c.Advance(time.Second)
	for i := range 3 { // room again
		if err := n.Check(Input{KeyID: keyID, Nonce: fmt.Sprint(i), Created: c.Now()}, keyID); err != nil {
			t.Errorf("after ten minutes: %v", err)
		}
	}
	other := Input{KeyID: "circle:x", Nonce: "0", Created: c.Now()}
	c.Advance(2*Window + time.Second)
	other.Created = c.Now()
	if err := n.Check(other, "circle:x"); err != nil {
		t.Errorf("the same nonce of another key: %v", err)
	}
}

// Memory stays within the bound for ever.
func TestNoncesBounded(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(noon())
	n := NewNonces(c, 10)
	for i := range 10000 {
		c.Advance(2 * time.Minute)
		if err := n.Check(Input{Nonce: fmt.Sprint(i), Created: c.Now()}, keyID); err != nil {
			t.Fatal(err)
		}
		if len(n.seen) > 3 || len(n.ending) > 3 || len(n.count) > 1 {
			t.Fatalf("remembers %d nonces of %d signers in %d places", len(n.seen), len(n.count), len(n.ending))
		}
	}
}

// A few who send as much as they can leave room for everybody else.
func TestNoncesShared(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(noon())
	n := NewNonces(c, 20000)
	number := 0
	ask := func(signer string, ahead time.Duration) error {
		number++
		return n.Check(Input{KeyID: "k", Nonce: fmt.Sprint(number), Created: c.Now().Add(ahead)}, signer)
	}
	for i := range 100 {
		signer := fmt.Sprintf("greedy %d", i)
		for ask(signer, Window) == nil {
		}
		if i == 0 && len(n.seen) < 1600 {
			t.Fatalf("a signer alone has %d places", len(n.seen))
		}
	}
	for i := range 100 {
		for range 10 {
			if err := ask(fmt.Sprintf("modest %d", i), 0); err != nil {
				t.Fatalf("modest %d: %v", i, err)
			}
		}
	}
	if err := ask("greedy 0", 0); !errors.Is(err, ErrBusy) {
		t.Fatalf("greedy again: %v", err)
	}
	// What was signed in the present is forgotten when its time is over, before
	// what was signed ahead.
	before := len(n.seen)
	c.Advance(Window + time.Second)
	if err := ask("modest 0", 0); err != nil {
		t.Fatal(err)
	}
	if got := len(n.seen); got != before-1000+1 {
		t.Fatalf("%d nonces are left of %d", got, before)
	}
	c.Advance(Window)
	if err := ask("greedy 0", 0); err != nil || len(n.count) != 2 {
		t.Fatalf("%v, %d signers are remembered", err, len(n.count))
	}
}

func FuzzParseInput(f *testing.F) {
	h, err := Headers(request(), keyID, testKey(1), noon(), "n")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(h[HeaderInput], h[HeaderSignature], h[HeaderDigest])
	f.Add(`sig1=("@method" "@target-uri" "content-digest");nonce="\"`, "sig1=::", "")
	f.Fuzz(func(t *testing.T, input, signature, digest string) {
		in, err := ParseInput(from(map[string]string{HeaderInput: input, HeaderSignature: signature, HeaderDigest: digest}))
		if err != nil {
			if !errors.Is(err, ErrNotSigned) {
				t.Errorf("refusal of another kind: %v", err)
			}
			return
		}
		if in.KeyID == "" || in.Nonce == "" || in.Verify(request(), public(testKey(9))) == nil {
			t.Errorf("took %q", input)
		}
	})
}
