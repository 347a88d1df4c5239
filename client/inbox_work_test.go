package client_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"primum/client"
	"primum/client/link/linktest"
	"primum/internal/clock"
	"primum/internal/durable"
	"primum/internal/wire"
)

// silentDomains is a world in which one domain takes requests and never
// answers, one answers for "friend", and the own node has pages.
type silentDomains struct {
	*linktest.Node
	asked chan string // URLs of the silent domain
	pages func(after uint64) []wire.InboxItem
}

func newSilentDomains(compact string) *silentDomains {
	s := &silentDomains{Node: linktest.New(), asked: make(chan string, 100), pages: func(uint64) []wire.InboxItem { return nil }}
	friend := serveIdentity(func() string { return compact })
	s.Answer = func(r client.Request) (client.Response, error) {
		if _, after, ok := strings.Cut(r.URL, "/v1/inbox?after="); ok {
			n, err := strconv.ParseUint(after, 10, 64)
			return linktest.JSON(200, wire.Inbox{Items: s.pages(n)}), err
		}
		return friend(r)
	}
	return s
}

func (s *silentDomains) Do(ctx context.Context, r client.Request) (client.Response, error) {
	if strings.Contains(r.URL, "silent.localhost") {
		s.asked <- r.URL
		<-ctx.Done()
		return client.Response{}, ctx.Err()
	}
	return s.Node.Do(ctx, r)
}

func inboxItem(t *testing.T, seq uint64, from string, to somebody) wire.InboxItem {
	t.Helper()
	s, err := client.SealInbox(wire.InboxRequest, from, to.doc, testTime.Add(time.Hour), []byte(strconv.FormatUint(seq, 10)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return wire.InboxItem{Seq: seq, Sealed: raw}
}

func startWork(t *testing.T, work func(context.Context, func())) (told chan struct{}) {
	t.Helper()
	told = make(chan struct{}, 100)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		work(ctx, func() { told <- struct{}{} })
	}()
	t.Cleanup(func() { stop(); <-ended })
	return told
}

func inboxOf(t *testing.T, me somebody, s *silentDomains) (o client.InboxForTest, delivered chan string) {
	t.Helper()
	calls := client.Calls{Transport: s}
	d, err := client.OpenDirectory(filepath.Join(t.TempDir(), "people.json"), calls)
	if err != nil {
		t.Fatal(err)
	}
	delivered = make(chan string, 100)
	return client.InboxForTest{
		Account: "me@h.localhost", Key: me.inbox, File: filepath.Join(t.TempDir(), "inbox.json"), Directory: d,
		Node: client.Node{Calls: calls, Authority: "h.localhost"}, Clock: clock.NewManual(testTime), Patience: 10 * time.Millisecond,
		Deliver: func(from, _, _ string, document []byte) error {
			delivered <- from + " " + string(document)
			return nil
		},
	}, delivered
}

// A stranger's domain that never answers holds up neither the connection that
// brings its items nor what others send.
func TestASilentDomainHoldsUpNobody(t *testing.T) {
	t.Parallel()
	me, friend := newSomebody(t, "me@h.localhost", 1), newSomebody(t, "friend@s.localhost", 2)
	s := newSilentDomains(friend.compact)
	o, delivered := inboxOf(t, me, s)
	o.Patience = time.Hour // until the test has seen that the connection goes on
	live, _, work, _, err := o.Open()
	if err != nil {
		t.Fatal(err)
	}
	startWork(t, work)
	live(inboxItem(t, 1, "mallory@silent.localhost", me))
	linktest.Receive(t, s.asked, "look-up")
	for seq := uint64(2); seq < 20; seq++ { // returns while the look-up hangs
		live(inboxItem(t, seq, "mallory@silent.localhost", me))
	}
	if len(delivered) > 0 {
		t.Error("delivered what nobody vouches for")
	}

	s = newSilentDomains(friend.compact)
	o, delivered = inboxOf(t, me, s)
	live, catchUp, work, synced, err := o.Open()
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq < 20; seq++ {
		live(inboxItem(t, seq, "mallory@silent.localhost", me))
	}
	live(inboxItem(t, 20, "friend@s.localhost", me))
	live(inboxItem(t, 20, "friend@s.localhost", me))
	catchUp(t.Context())
	if synced() {
		t.Error("synced before anything was tried")
	}
	told := startWork(t, work)
	if got := linktest.Receive(t, delivered, "friend's item"); got != "friend@s.localhost 20" {
		t.Errorf("delivered %q", got)
	}
	linktest.Receive(t, told, "item tried")
	linktest.Receive(t, told, "item tried")
	if n := len(s.asked); n != 1 {
		t.Errorf("the silent domain was asked %d times before its pause was over", n)
	}
	if !synced() {
		t.Error("a silent domain holds up Sync")
	}
	if b, err := durable.ReadFile(o.File); err != nil || string(b) != `{"after":0}` {
		t.Errorf("cursor %s, %v: what waits must be read again after a crash", b, err)
	}
}

// What finds no room is read again when there is some, and nothing twice.
func TestInboxItemsWithoutRoomAreReadAgain(t *testing.T) {
	t.Parallel()
	me, friend := newSomebody(t, "me@h.localhost", 1), newSomebody(t, "friend@s.localhost", 2)
	s := newSilentDomains(friend.compact)
	var items []wire.InboxItem
	for seq := uint64(1); seq <= 9; seq++ {
		items = append(items, inboxItem(t, seq, "friend@s.localhost", me))
	}
	s.pages = func(after uint64) []wire.InboxItem { return items[after:min(after+2, 9)] }
	o, delivered := inboxOf(t, me, s)
	o.Room = 3
	live, _, work, _, err := o.Open()
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		live(item)
	}
	if n := s.Count("after=3"); n != 0 {
		t.Error("a connection reads pages")
	}
	startWork(t, work)
	for seq := 1; seq <= 9; seq++ {
		if got, want := linktest.Receive(t, delivered, "item"), "friend@s.localhost "+strconv.Itoa(seq); got != want {
			t.Errorf("delivered %q, want %q", got, want)
		}
	}
}
