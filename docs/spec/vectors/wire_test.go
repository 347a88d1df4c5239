package vectors

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"primum/client"
	"primum/identity"
	"primum/internal/edge"
	"primum/internal/jws"
	"primum/internal/sign"
	"primum/internal/wire"
)

// request is one signed request.
type request struct {
	Name      string            `json:"name"`
	Method    string            `json:"method"`
	TargetURI string            `json:"targetURI"`
	Body      string            `json:"body"`
	KeyID     string            `json:"keyid"`
	Key       key               `json:"key"`
	Created   int64             `json:"created"`
	Nonce     string            `json:"nonce"`
	Base      string            `json:"base"` // the signature base (RFC 9421 §2.5)
	Headers   map[string]string `json:"headers"`
}

func makeRequests(t *testing.T) []request {
	t.Helper()
	node := identity.NodeKeyID("h.example", "k1")
	all := []request{
		{
			Name: "client", Method: "POST", TargetURI: "https://h.example/v1/refusals",
			Body: `{"from":"friend@s.example","until":"2027-02-20T14:00:00Z"}`, KeyID: "acct:owner@h.example#phone", Key: ed25519Key("owner phone"),
		},
		{Name: "empty-body", Method: "GET", TargetURI: "https://h.example/v1/inbox?after=0", KeyID: "acct:owner@h.example#phone", Key: ed25519Key("owner phone")},
		{
			Name: "any-script", Method: "GET", TargetURI: "https://h.example/v1/grants", KeyID: identity.ClientKeyID(address(t, "Łukasz@h.example"), "cli"),
			Key: ed25519Key("lukasz cli"),
		},
		{Name: "anchor", Method: "POST", TargetURI: "https://h.example/v1/live", KeyID: identity.CircleKeyID(circleID("home")), Key: ed25519Key("anchor home leaf")},
		{Name: "node", Method: "POST", TargetURI: "https://s.example/v1/key-packages/claim/friend", Body: "{}", KeyID: node, Key: ed25519Key("node h.example")},
		{
			Name: "localhost", Method: "POST", TargetURI: "http://s.localhost:8402/v1/key-packages/claim/friend", Body: "{}",
			KeyID: identity.NodeKeyID("h.localhost:8401", "k1"), Key: ed25519Key("node h.localhost"),
		},
	}
	for i := range all {
		r := &all[i]
		r.Created, r.Nonce = now().Unix(), nonce(r.Name).String()
		if id, err := identity.ParseKeyID(r.KeyID); err != nil || id.String() != r.KeyID {
			t.Errorf("%s: key id: %v", r.Name, err)
		}
		var err error
		r.Headers, err = sign.Headers(sign.Request{Method: r.Method, TargetURI: r.TargetURI, Body: []byte(r.Body)}, r.KeyID,
			ed25519.NewKeyFromSeed(r.Key.Seed), now(), r.Nonce)
		if err != nil {
			t.Fatal(err)
		}
		r.Base = fmt.Sprintf("\"@method\": %s\n\"@target-uri\": %s\n\"content-digest\": %s\n\"@signature-params\": %s",
			r.Method, r.TargetURI, r.Headers[sign.HeaderDigest], r.Headers[sign.HeaderInput][len("sig1="):])
	}
	return all
}

func TestRequests(t *testing.T) {
	compare(t, "requests.json", map[string]any{"about": "signed requests (RFC 9421)", "requests": makeRequests(t)})
	for _, r := range makeRequests(t) {
		in, err := sign.ParseInput(func(name string) string { return r.Headers[name] })
		if err == nil {
			err = in.Verify(sign.Request{Method: r.Method, TargetURI: r.TargetURI, Body: []byte(r.Body)}, ed25519.PublicKey(r.Key.Public))
		}
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		// The base that the file shows is the one that was signed.
		var raw []byte
		head := "sig1=:"
		if err := json.Unmarshal([]byte(`"`+r.Headers[sign.HeaderSignature][len(head):len(r.Headers[sign.HeaderSignature])-1]+`"`), &raw); err != nil {
			t.Fatal(err)
		}
		if !ed25519.Verify(ed25519.PublicKey(r.Key.Public), []byte(r.Base), raw) {
			t.Errorf("%s: the base is not the one that was signed", r.Name)
		}
	}
}

// inboxFile is one sealed document. Sealing draws a fresh key, so that the file
// can only be opened again, not made again.
type inboxFile struct {
	About     string `json:"about"`
	Recipient key    `json:"recipient"`
	Client    string `json:"client"`
	Info      string `json:"info"`
	AAD       string `json:"aad"` // hex
	Plain     string `json:"plain"`
	Sealed    string `json:"sealed"` // the body as it is sent
	ID        string `json:"id"`
}

func TestInbox(t *testing.T) {
	r, _ := newReader(t)
	plain := must[[]byte](t)(json.Marshal(map[string]string{"t": "request", "request": r.docs["request"].Compact}))
	f := inboxFile{
		About: "a request sealed to an inbox: open only; Sealed.copies[0] opens with the recipient's key, info and aad",
		Recipient: key{
			Name: "owner phone inbox", Kind: "X25519", Seed: seedOf("owner phone inbox"),
			Public: inboxKey(t, "owner phone inbox").Public(),
		},
		Client: "phone", Info: "primum inbox", AAD: hex.EncodeToString([]byte("friend@s.example\x00owner@h.example\x00phone")), Plain: string(plain),
	}
	f.Sealed = sealedBefore(t, f, plain)
	f.ID = jws.Hash(f.Sealed)
	compare(t, "inbox.json", f)
	var s wire.Sealed
	if err := json.Unmarshal([]byte(f.Sealed), &s); err != nil {
		t.Fatal(err)
	}
	got, err := client.OpenInbox(s, "owner@h.example", "phone", inboxKey(t, "owner phone inbox"))
	if err != nil || string(got) != f.Plain {
		t.Errorf("opened %q, %v", got, err)
	}
	aad := must[[]byte](t)(hex.DecodeString(f.AAD))
	key := inboxKey(t, "owner phone inbox")
	if got, err = key.Open([]byte(f.Info), aad, s.Copies[0].Enc, s.Copies[0].Box); err != nil || string(got) != f.Plain {
		t.Errorf("opened by info and aad %q, %v", got, err)
	}
	if _, err := key.Open([]byte("another use"), aad, s.Copies[0].Enc, s.Copies[0].Box); err == nil {
		t.Error("opened for another use")
	}
}

// sealedBefore is what the file holds, as long as it opens to plain; else, to
// update, it is sealed anew.
func sealedBefore(t *testing.T, f inboxFile, plain []byte) string {
	t.Helper()
	var old inboxFile
	if b, err := os.ReadFile("inbox.json"); err == nil && json.Unmarshal(b, &old) == nil && old.Plain == f.Plain && old.Sealed != "" {
		return old.Sealed
	}
	if !*update {
		t.Fatal("inbox.json seals another document; go test ./docs/spec/vectors -update")
	}
	r, _ := newReader(t)
	to := must[*identity.Verified](t)(identity.First(r.docs["identity-1"].Compact))
	s := must[wire.Sealed](t)(client.SealInbox(wire.InboxRequest, "friend@s.example", to, now().Add(7*24*time.Hour), plain))
	s.Copies = s.Copies[:1]
	return string(must[[]byte](t)(json.Marshal(s)))
}

// frameFile are the frames of circles and sockets.
type frameFile struct {
	About    string            `json:"about"`
	Circle   string            `json:"circle"`
	Number   uint64            `json:"number"`
	Message  string            `json:"message"` // hex; stands for an MLSMessage
	Frame    string            `json:"frame"`   // hex
	Page     string            `json:"page"`    // hex: this frame, then one of number + 1 with an empty message
	Proof    proof             `json:"proof"`
	Controls map[string]string `json:"controls"`
}

// proof is an anchor's proof of its leaf.
type proof struct {
	Key       key    `json:"key"`
	Challenge string `json:"challenge"` // hex
	Bytes     string `json:"bytes"`     // hex: what is signed
	Signature string `json:"signature"` // hex
}

func TestFrames(t *testing.T) {
	c := must[wire.CircleID](t)(wire.ParseCircleID(circleID("grant")))
	frame := wire.Frame{Circle: c, Number: 1<<32 + 7, Message: []byte("stands for an MLSMessage")}
	page := wire.AppendPage(wire.AppendPage(nil, frame), wire.Frame{Circle: c, Number: frame.Number + 1})
	challenge := seedOf("challenge")
	signed := wire.ProofBytes(challenge, c)
	signature := ed25519.Sign(signer("anchor grant leaf"), signed)
	compare(t, "frames.json", frameFile{
		About: "frames of circles, pages, a proof of an anchor's leaf, control frames of the live socket", Circle: c.String(), Number: frame.Number,
		Message: hex.EncodeToString(frame.Message), Frame: hex.EncodeToString(frame.AppendTo(nil)), Page: hex.EncodeToString(page),
		Proof: proof{
			Key: ed25519Key("anchor grant leaf"), Challenge: hex.EncodeToString(challenge), Bytes: hex.EncodeToString(signed),
			Signature: hex.EncodeToString(signature),
		},
		Controls: controls(t, c, challenge, signature),
	})
	frames, err := wire.ParsePage(page)
	if err != nil || len(frames) != 2 || string(frames[0].Message) != string(frame.Message) || frames[1].Number != frame.Number+1 {
		t.Errorf("the page reads as %v, %v", frames, err)
	}
}

// controls are control frames as they are sent.
func controls(t *testing.T, c wire.CircleID, challenge, signature []byte) map[string]string {
	t.Helper()
	at := now()
	out := map[string]string{}
	for name, f := range map[string]wire.Control{
		"hello":     {Type: wire.CtlHello, Challenge: challenge},
		"prove":     {Type: wire.CtlProve, Ref: 1, Circle: c.String(), Signature: signature},
		"sub":       {Type: wire.CtlSub, Ref: 2, Circle: c.String(), After: 6},
		"ok of sub": {Type: wire.CtlOK, Ref: 2, Circle: c.String(), Head: 7, Epoch: 3, WelcomeAt: 2},
		"ok":        {Type: wire.CtlOK, Ref: 1},
		"unsub":     {Type: wire.CtlUnsub, Ref: 3, Circle: c.String()},
		"inbox":     {Type: wire.CtlInSub, Ref: 4, After: 12},
		"commit":    {Type: wire.CtlCommit, Ref: 5, Circle: c.String(), Commit: []byte("commit"), Welcome: []byte("welcome")},
		"ack":       {Type: wire.CtlAck, Ref: 5, Seq: 8, WelcomeAt: 9, Epoch: 4},
		"end":       {Type: wire.CtlEnd, Circle: c.String(), Reason: "withdrawn", At: &at},
		"grants":    {Type: wire.CtlGrants},
		"error": {Type: wire.CtlError, Ref: 6, Problem: &wire.Problem{
			Type: wire.ProblemPrefix + wire.ProbStaleEpoch, Title: "The circle's keys have turned since", Status: 409,
			Detail: "the circle is in epoch 4: read on, then seal again", Epoch: 4,
		}},
	} {
		out[name] = string(must[[]byte](t)(json.Marshal(f)))
		var back wire.Control
		if err := jws.DecodeStrict([]byte(out[name]), &back); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	return out
}

func TestWebhook(t *testing.T) {
	d := edge.Delivery{
		ID: "0195e2c0-0000-7000-8000-000000000000-7", Kind: edge.DeliverValue, At: now(), From: "owner@h.example",
		Grant: newID(t, &stream{seed: "webhook"}), Thing: "urn:primum:thing:" + circleID("thing"), Title: "meter", Name: "power",
		Value: json.RawMessage("812"), Unit: "W",
	}
	body := must[[]byte](t)(json.Marshal(d))
	secret, stamp := "a shared secret of 32 characters", fmt.Sprint(now().Unix())
	compare(t, "webhook.json", map[string]any{
		"about": "a delivery to a webhook and its headers", "secret": secret, "body": string(body),
		"headers": map[string]string{
			"Content-Type": "application/json", edge.HeaderIdempotency: d.ID, edge.HeaderTimestamp: stamp,
			edge.HeaderSignature: edge.SignWebhook([]byte(secret), stamp, body),
		},
	})
}
