package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"primum/internal/edge"
)

// Shared values reach a program by webhook, signed, once each, and the end of
// the grant too.
func TestStoryReceive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.path(t, "flow")
	w.owner.ok("share", flow, w.friendName, "--every", "1s", "--for", "7d", "--yes")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef0123\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	posts := &syncBuffer{}
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		want := edge.SignWebhook([]byte("0123456789abcdef0123"), r.Header.Get(edge.HeaderTimestamp), body)
		if r.Header.Get(edge.HeaderSignature) != want || r.Header.Get(edge.HeaderIdempotency) == "" {
			t.Errorf("headers %v", r.Header)
		}
		_, _ = posts.Write(append(body, '\n'))
	}))
	defer hook.Close()
	receive := w.friend.start("receive", "--webhook", hook.URL, "--secret-file", secret)
	posts.find(t, `"value":([0-9.]+)`)
	w.owner.ok("withdraw", flow)
	posts.find(t, `"kind":"(ended)"`)
	if code := receive.stop(); code != exitDone {
		t.Errorf("receive ended with %d: %s", code, receive.err)
	}
	ids := make(map[string]bool)
	for _, line := range jsonLines(t, posts.String()) {
		id, _ := line["id"].(string)
		if id == "" || ids[id] {
			t.Errorf("delivery %q came twice or has no id", id)
		}
		ids[id] = true
	}
}

func TestStoryReceiveFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.path(t, "flow")
	w.owner.ok("share", flow, w.friendName, "--every", "1s", "--for", "7d", "--yes")
	out := w.friend.start("receive", flow, "--stdout")
	out.out.find(t, `"value":([0-9.]+)`)
	if code := out.stop(); code != exitDone {
		t.Errorf("receive ended with %d: %s", code, out.err)
	}
	w.friend.want(exitUsage, "", "receive", "--webhook", "http://x.localhost/", "--stdout")
	w.friend.want(exitFailed, "at least 16 bytes", "receive", "--webhook", "http://x.localhost/", "--secret-file", os.DevNull)
	w.friend.want(exitFailed, "read secret", "receive", "--webhook", "http://x.localhost/", "--secret-file", "/nowhere")
	if !strings.Contains(out.out.String(), `"name":"flow"`) {
		t.Errorf("delivered %s", out.out)
	}
}
