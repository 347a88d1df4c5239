package engine_test

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"primum/client"
	"primum/internal/engine"
)

// What a page needs to be rung: the node's key, which only its own clients are
// told, and a subscription that begins and ends.
func TestPush(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	e := a.start(t.TempDir())
	refused(t, e, "push.key", nil, "no-account")
	call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop"})
	if k := call[engine.PushKey](t, e, "push.key", nil); len(k.Key) != 87 {
		t.Errorf("key %q", k.Key)
	}
	call[engine.Empty](t, e, "push.set", engine.PushParams{Subscription: json.RawMessage(`{"endpoint":"https://push.example/x","keys":{"p256dh":"x","auth":"y"}}`)})
	call[engine.Empty](t, e, "push.set", engine.PushParams{})
	refused(t, e, "push.set", engine.PushParams{Subscription: json.RawMessage(`{"endpoint":"http://10.0.0.1/x"}`)}, "node-refused")
}

// Who uses a browser after an account was forgotten in it is not rung for that
// account, and has no session of it.
func TestForgottenIsNotRung(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	e := a.start(t.TempDir())
	call[engine.Created](t, e, "account.create", engine.CreateParams{Account: a.address("ada"), Client: "laptop"})
	var ended atomic.Int32
	look := func(r client.Request, resp client.Response) client.Response {
		if r.Method == "DELETE" && resp.Status == 204 && (strings.HasSuffix(r.URL, "/v1/push") || strings.HasSuffix(r.URL, "/v1/session")) {
			ended.Add(1)
		}
		return resp
	}
	a.wire.lie.Store(&look)
	call[engine.Empty](t, e, "account.forget", nil)
	if n := ended.Load(); n != 2 {
		t.Errorf("%d of 2 ended at the node", n)
	}
	call[engine.Empty](t, e, "account.forget", nil) // nothing is here: nothing to end
}
