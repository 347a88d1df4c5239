package signpeer

import (
	"bytes"
	"crypto/ed25519"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/yaronf/httpsign"

	"primum/internal/sign"
)

const keyID = "acct:owner@h.example#laptop"

func key() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) }

func public() ed25519.PublicKey { return key().Public().(ed25519.PublicKey) }

func fields() httpsign.Fields { return httpsign.Headers("@method", "@target-uri", "content-digest") }

// cases are requests as a client sends them; in net/http the scheme of a
// request on the way in is known by TLS, so https is not among them here.
func cases() []sign.Request {
	return []sign.Request{
		{Method: "POST", TargetURI: "http://h.localhost:8401/v1/envelopes", Body: []byte(`{"a":1}`)},
		{Method: "GET", TargetURI: "http://h.localhost:8401/v1/circles/00112233445566778899aabbccddeeff/messages?after=17&x=%20y"},
		{Method: "PUT", TargetURI: "http://h.localhost:8401/v1/identity/j%C3%B6rg", Body: bytes.Repeat([]byte{0, 255}, 5000)},
	}
}

func httpRequest(t *testing.T, r sign.Request) *http.Request {
	t.Helper()
	req, err := http.NewRequest(r.Method, r.TargetURI, bytes.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// What we sign, the peer verifies.
func TestPeerVerifiesOurs(t *testing.T) {
	t.Parallel()
	for _, r := range cases() {
		h, err := sign.Headers(r, keyID, key(), time.Now(), sign.NewNonce())
		if err != nil {
			t.Fatal(err)
		}
		req := httpRequest(t, r)
		for name, value := range h {
			req.Header.Set(name, value)
		}
		if err := peerVerify(t, req); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.TargetURI, err)
		}
		if req.Method = "DELETE"; peerVerify(t, req) == nil {
			t.Errorf("%s: the peer does not look at the method", r.TargetURI)
		}
	}
}

func peerVerify(t *testing.T, req *http.Request) error {
	t.Helper()
	config := httpsign.NewVerifyConfig().SetKeyID(keyID).SetAllowedAlgs([]string{"ed25519"})
	verifier, err := httpsign.NewEd25519Verifier(public(), config, fields())
	if err != nil {
		t.Fatal(err)
	}
	if err := httpsign.VerifyRequest("sig1", *verifier, req); err != nil {
		return err
	}
	return httpsign.ValidateContentDigestHeader(req.Header.Values("Content-Digest"), &req.Body, []string{httpsign.DigestSha256})
}

// What the peer signs, we verify.
func TestWeVerifyThePeers(t *testing.T) {
	t.Parallel()
	for _, r := range cases() {
		req := httpRequest(t, r)
		peerSign(t, req)
		in, err := sign.ParseInput(req.Header.Get)
		if err != nil {
			t.Errorf("%s: %v\n%s", r.TargetURI, err, req.Header.Get(sign.HeaderInput))
			continue
		}
		if in.KeyID != keyID || in.CheckTime(time.Now()) != nil {
			t.Errorf("%s: read as %+v", r.TargetURI, in)
		}
		if err := in.Verify(r, public()); err != nil {
			t.Errorf("%s: %v", r.TargetURI, err)
		}
		r.Body = append(bytes.Clone(r.Body), '!')
		if in.Verify(r, public()) == nil {
			t.Errorf("%s: another body verifies", r.TargetURI)
		}
	}
}

func peerSign(t *testing.T, req *http.Request) {
	t.Helper()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	digest, err := httpsign.GenerateContentDigestHeader(&req.Body, []string{httpsign.DigestSha256})
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(sign.HeaderDigest, digest)
	config := httpsign.NewSignConfig().SetKeyID(keyID).SetNonce(sign.NewNonce())
	signer, err := httpsign.NewEd25519Signer(key(), config, fields())
	if err != nil {
		t.Fatal(err)
	}
	input, signature, err := httpsign.SignRequest("sig1", *signer, req)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(sign.HeaderInput, input)
	req.Header.Set(sign.HeaderSignature, signature)
}
