package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/circle"
	"primum/internal/clock"
	"primum/internal/edge/simulated"
	"primum/internal/wire"
)

// call posts to the door and gives status and body.
func call(t *testing.T, method, url string, body any, header ...string) (int, string) {
	t.Helper()
	var sent io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		sent = bytes.NewReader(raw)
	}
	r, err := http.NewRequest(method, url, sent)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(raw)
}

func claimOf(t *testing.T, e *Edge, code string) wire.DoorClaim {
	t.Helper()
	request, err := json.Marshal(circle.ClaimRequest{Node: "h.example", Client: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	proof, err := wire.DoorProof(code, e.claims.ThingKey(), string(request))
	if err != nil {
		t.Fatal(err)
	}
	return wire.DoorClaim{Request: string(request), Proof: proof}
}

func TestClaimThroughTheDoor(t *testing.T) {
	t.Parallel()
	a, c := newAnchor(t), clock.NewManual(start())
	a.owner = ""
	var terminal bytes.Buffer
	e, err := openWith(Config{Dir: filepath.Join(t.TempDir(), "e"), Clock: c, Listen: "127.0.0.1:0", Terminal: &terminal}, a, a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	<-e.Ready()
	base, fingerprint, err := wire.ParseClaimURL(e.ClaimURL())
	if err != nil || fingerprint != wire.Fingerprint(a.key) {
		t.Fatalf("claim URL %s: %v", e.ClaimURL(), err)
	}
	code, err := e.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	status, body := call(t, "GET", base+wire.DoorHello, nil)
	var info wire.DoorInfo
	if err := json.Unmarshal([]byte(body), &info); err != nil || status != 200 || !bytes.Equal(info.ThingKey, a.key) || info.Claimed || !info.Open {
		t.Errorf("hello: %d %s", status, body)
	}
	if status, body := call(t, "POST", base+wire.DoorFinish, wire.DoorSigned{Countersignature: "good"}); status != 409 {
		t.Errorf("second half without the first: %d %s", status, body)
	}
	if status, body := call(t, "POST", base+wire.DoorBegin, claimOf(t, e, "AAAA-AAAA")); status != 403 || !strings.Contains(body, "4 tries are left") {
		t.Errorf("wrong code: %d %s", status, body)
	}
	stolen := claimOf(t, e, code)
	stolen.Request = strings.Replace(stolen.Request, "h.example", "evil.example", 1)
	if status, _ := call(t, "POST", base+wire.DoorBegin, stolen); status != 403 {
		t.Errorf("a proof for another request was taken: %d", status)
	}
	if status, body := call(t, "POST", base+wire.DoorBegin, claimOf(t, e, strings.ToLower(code))); status != 200 || !strings.Contains(body, "claim for h.example") {
		t.Errorf("begin: %d %s", status, body)
	}
	if status, body := call(t, "POST", base+wire.DoorBegin, claimOf(t, e, code)); status != 403 || !strings.Contains(body, "no code is open") {
		t.Errorf("a code opens once: %d %s", status, body)
	}
	if status, _ := call(t, "POST", base+wire.DoorFinish, wire.DoorSigned{Countersignature: "bad"}); status != 403 {
		t.Errorf("bad second half: %d", status)
	}
	if status, body := call(t, "POST", base+wire.DoorFinish, wire.DoorSigned{Countersignature: "good"}); status != 200 || !strings.Contains(body, "welcome") {
		t.Errorf("finish: %d %s", status, body)
	}
	if status, _ := call(t, "POST", base+wire.DoorFinish, wire.DoorSigned{Countersignature: "good"}); status != 200 {
		t.Errorf("finish again, because the answer was lost: %d", status)
	}
	e.ShowClaim() // Enter, on an edge that has an owner
	c.Advance(codeLife + time.Second)
	if status, _ := call(t, "POST", base+wire.DoorFinish, wire.DoorSigned{Countersignature: "good"}); status != 409 {
		t.Errorf("finish much later: %d", status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if text := terminal.String(); !strings.Contains(text, "primum claim '"+base+"#k=") || !strings.Contains(text, "▀") || strings.Count(text, "within 120 seconds") != 2 || !strings.Contains(text, "belongs to owner@h.example, who alone can claim it again") {
		t.Errorf("terminal: %s", text)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestCodesExpireAndRunOut(t *testing.T) {
	t.Parallel()
	a, c := newAnchor(t), clock.NewManual(start())
	e := run(t, Config{Clock: c, Listen: "127.0.0.1:0"}, a)
	base, _, err := wire.ParseClaimURL(e.ClaimURL())
	if err != nil {
		t.Fatal(err)
	}
	code, err := e.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	c.Advance(codeLife + time.Second)
	if status, body := call(t, "POST", base+wire.DoorBegin, claimOf(t, e, code)); status != 403 || !strings.Contains(body, "no code is open") {
		t.Errorf("after 120 s: %d %s", status, body)
	}
	if code, err = e.NewCode(); err != nil {
		t.Fatal(err)
	}
	for range codeGuesses {
		call(t, "POST", base+wire.DoorBegin, wire.DoorClaim{Request: `{"node":"x"}`, Proof: []byte("guess")})
	}
	if status, _ := call(t, "POST", base+wire.DoorBegin, claimOf(t, e, code)); status != 403 || a.claims != 0 {
		t.Errorf("the right code after five wrong ones: %d, %d claims", status, a.claims)
	}
}

func TestDoorRefusals(t *testing.T) {
	t.Parallel()
	e := run(t, Config{Listen: "127.0.0.1:0"}, newAnchor(t))
	base, _, err := wire.ParseClaimURL(e.ClaimURL())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method, path string
		body               any
		header             []string
		want               int
	}{
		{"web page", "GET", wire.DoorHello, nil, []string{"Origin", "https://evil.example"}, 403},
		{"not JSON", "POST", wire.DoorBegin, "{", nil, 400},
		{"unknown member", "POST", wire.DoorBegin, `{"request":"{}","proof":"","x":1}`, nil, 400},
		{"two documents", "POST", wire.DoorBegin, `{"request":"{}"}{}`, nil, 400},
		{"request is no object", "POST", wire.DoorBegin, `{"request":"[]"}`, nil, 400},
		{"too large", "POST", wire.DoorFinish, `{"countersignature":"` + strings.Repeat("x", wire.MaxBody) + `"}`, nil, 400},
		{"unknown grant", "POST", wire.DoorWithdraw, `{"closing":"unknown"}`, nil, 404},
		{"withdraw", "POST", wire.DoorWithdraw, `{"closing":"x","countersignature":"y"}`, nil, 200},
		{"wrong method", "GET", wire.DoorBegin, nil, nil, 405},
		{"no such place", "GET", "/", nil, nil, 404},
		{"list without token", "GET", "/control/things", nil, nil, 403},
		{"list with a wrong token", "GET", "/control/things", nil, []string{"Authorization", "Bearer x"}, 403},
	} {
		if status, body := call(t, c.method, base+c.path, c.body, c.header...); status != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, status, body, c.want)
		}
	}
}

func TestControlOfTheRunningEdge(t *testing.T) {
	t.Parallel()
	a, c := newAnchor(t), clock.NewManual(start())
	dir := filepath.Join(t.TempDir(), "edge")
	control := NewControl(dir)
	if _, err := control.Overview(context.Background()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no edge: %v", err)
	}
	e := run(t, Config{Dir: dir, Clock: c, Listen: "127.0.0.1:0", Simulated: simulated.New(c, 0, 1)}, a)
	step(t, c, 3, time.Second)
	a.await(t, "things", func() bool { return len(a.things) == 3 })
	o, err := control.Overview(context.Background())
	if err != nil || len(o.Things) != 3 || o.Owner == "" {
		t.Errorf("overview %+v, %v", o, err)
	}
	if info, err := os.Stat(filepath.Join(dir, controlFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("control file: %v, %v", info.Mode(), err)
	}
	if err := control.SetHistory(context.Background(), "lamp", false); err != nil {
		t.Error(err)
	}
	if o := e.Overview(); o.Things[1].Name != "lamp" || o.Things[1].History {
		t.Errorf("lamp %+v", o.Things[1])
	}
	if err := control.SetHistory(context.Background(), "nothing", false); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("history of nothing: %v", err)
	}
	if err := control.Accept(context.Background(), "lamp"); err == nil || !strings.Contains(err.Error(), "nothing to do") {
		t.Errorf("accept: %v", err)
	}
	var b bytes.Buffer
	if err := Backup(dir, &b); err != nil || b.Len() < 1000 {
		t.Errorf("backup of a running edge: %d bytes, %v", b.Len(), err)
	}
}
