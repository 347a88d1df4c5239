package scenario

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"primum/circle"
	"primum/client"
	"primum/internal/wire"
)

// TestRealClientsNoticeInPassing: a person's program asks its node who saw what,
// as it does every day; the node's own list says that it delivered after the no,
// and to somebody who is none of the grantee's.
func TestRealClientsNoticeInPassing(t *testing.T) {
	t.Parallel()
	l := newLied(t)
	id := l.give(t)
	if info := l.withdrawHonestly(t, id); !info.Confirmed() {
		t.Fatalf("the withdrawal: %+v", info)
	}
	if _, err := l.owning.WhoSaw(t.Context(), "", 2); err != nil {
		t.Fatal(err)
	}
	if all := l.owning.Noticed(); len(all) != 0 {
		t.Fatalf("noticed in an honest list: %+v", all)
	}
	var mu sync.Mutex
	later := time.Now().UTC().Add(3 * time.Hour)
	l.node.lie(func(b *badNode) {
		b.answer = func(_ string, _ []byte, resp *http.Response, body []byte) []byte {
			mu.Lock()
			defer mu.Unlock()
			var s wire.Seen
			if resp.Request.URL.Path != "/v1/seen" || json.Unmarshal(body, &s) != nil {
				return body
			}
			minute := later.Format(wire.SeenMinuteForm)
			row := wire.SeenRow{Grant: id, Client: wire.SeenClient([]byte("nobody's key")), Deliveries: 1, Bytes: 256, First: minute, Last: minute}
			s.Days = slices.DeleteFunc(s.Days, func(d wire.SeenDay) bool { return d.Day == later.Format(wire.SeenDayForm) })
			s.Days = append([]wire.SeenDay{{Day: later.Format(wire.SeenDayForm), Rows: []wire.SeenRow{row}}}, s.Days...)
			return mustJSON(s)
		}
	})
	if _, err := l.owning.WhoSaw(t.Context(), later.Format(wire.SeenDayForm), 2); err != nil {
		t.Fatal(err)
	}
	l.reopen(t) // and it is known after a restart
	var reasons []string
	for _, n := range l.owning.Noticed() {
		reasons = append(reasons, n.Clause+" "+n.Reason)
	}
	slices.Sort(reasons)
	if want := []string{"O04 " + client.NoticedAfterNo, "O06 " + client.NoticedReader}; !slices.Equal(reasons, want) {
		t.Errorf("noticed %q, want %q", reasons, want)
	}
	news, err := l.owning.News()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(news, func(e circle.Event) bool { return e.Kind == circle.EventProblem && e.Reason == client.NoticedAfterNo }) {
		t.Errorf("the person is not told: %+v", news)
	}
}

// withdrawHonestly withdraws through a node that does not lie now.
func (l *lied) withdrawHonestly(t *testing.T, id string) circle.WithdrawalInfo {
	t.Helper()
	info, nodeErr, err := l.owning.Withdraw(t.Context(), id, patience)
	if err != nil || nodeErr != nil {
		t.Fatalf("withdraw: %v, %v", err, nodeErr)
	}
	return info
}
