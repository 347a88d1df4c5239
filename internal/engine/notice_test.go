package engine_test

import (
	"encoding/json"
	"testing"

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
