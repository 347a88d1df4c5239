package httpdoor_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"primum/internal/sign"
	"primum/internal/wire"
)

// FuzzRequest: no bytes in path, header or body make a door fail; every
// refusal is a problem.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/v1/accounts", "application/json", "", "", []byte(`{"identity":"a.b.c"}`))
	f.Add("POST", "/v1/closings", "application/json", "", "", []byte(`{"closing":"a.b.c","countersignature":""}`))
	f.Add("POST", "/v1/homes", "application/json", "", "", []byte(`{"claim":"","countersignature":"","groupInfo":"AAAA"}`))
	f.Add("PUT", "/v1/identity/owner", wire.JOSE, "", "", []byte("e30.e30.AA"))
	f.Add("GET", "/v1/grants", "", `sig1=("@method" "@target-uri" "content-digest");created=1795356000;nonce="n";keyid="acct:a@h.localhost:1#c";alg="ed25519"`, "sig1=:AAAA:", []byte{})
	f.Add("GET", wire.WebFingerPath+"?resource=acct:a@b", "", "", "", []byte{})
	f.Add("GET", "/v1/circles/00000000000000000000000000000000/messages?after=x", "", "", "", []byte{})
	f.Add("GET", "/v1/live", "", "", "", []byte{})
	r := newRoom(f, wideOpen())
	f.Fuzz(func(t *testing.T, method, path, kind, input, signature string, body []byte) {
		req, err := http.NewRequest(method, "http://"+r.auth+"/"+strings.TrimPrefix(path, "/"), bytes.NewReader(body))
		if err != nil || req.URL.Host != r.auth {
			t.Skip("not a request")
		}
		req.RemoteAddr = "192.0.2.1:1234"
		for k, v := range map[string]string{"Content-Type": kind, sign.HeaderInput: input, sign.HeaderSignature: signature, sign.HeaderDigest: sign.Digest(body)} {
			if v != "" {
				req.Header.Set(k, v)
			}
		}
		w := httptest.NewRecorder()
		r.door.ServeHTTP(w, req)
		if w.Code == http.StatusInternalServerError || w.Code == http.StatusInsufficientStorage {
			t.Errorf("%s %s: status %d: %s", method, path, w.Code, w.Body)
		}
		if w.Code/100 == 4 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: status %d is no problem: %s", method, path, w.Code, w.Body)
		}
	})
}

// FuzzSocketFrame: whatever a client sends, its socket answers or ends, and
// the next socket works.
func FuzzSocketFrame(f *testing.F) {
	f.Add(true, []byte("short"))
	f.Add(true, bytes.Repeat([]byte{1}, 40))
	f.Add(false, []byte(`{"t":"sub","ref":1,"circle":"00000000000000000000000000000000"}`))
	f.Add(false, []byte(`{"t":"prove","ref":1,"circle":"00000000000000000000000000000000","signature":"AAAA"}`))
	f.Add(false, []byte(`{"t":"commit","ref":1,"circle":"x","commit":"AAAA","welcome":"AAAA"}`))
	f.Add(false, []byte(`{"t":"inbox","ref":1,"after":18446744073709551615}`))
	f.Add(false, []byte(`{"t":`))
	r := newRoom(f, wideOpen())
	m := r.member("friend")
	f.Fuzz(func(t *testing.T, binary bool, b []byte) {
		in := *r
		in.t = t
		in.clock.Advance(time.Second) // so that nonces are forgotten
		s := in.connect(m)
		defer func() { _ = s.c.CloseNow() }()
		kind := websocket.MessageText
		if binary {
			kind = websocket.MessageBinary
		}
		if err := s.c.Write(t.Context(), kind, b); err != nil {
			t.Skip("not sent")
		}
		// Any answer but silence; a later frame shows that the session lives,
		// or the close that it was ended.
		_ = s.c.Write(t.Context(), websocket.MessageText, []byte(`{"t":"unsub","ref":99,"circle":"00000000000000000000000000000000"}`))
		if _, _, err := s.c.Read(t.Context()); err != nil && websocket.CloseStatus(err) == -1 {
			t.Errorf("the socket broke without a word: %v", err)
		}
	})
}
