package scenario

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"primum/identity"
	"primum/internal/wire"
)

const binaryFrame = websocket.MessageBinary

// insider is the operator as a client of a grantee.
type insider struct {
	hand  hand
	ready chan struct{} // its key packages are at the node
	once  sync.Once
	mu    sync.Mutex // over spy, once ready
	spy   *observer
}

// newInsider makes the operator's own client; nobody knows it yet.
func (l *liar) newInsider(name string) (*insider, identity.Client) {
	l.t.Helper()
	inbox, err := identity.NewInboxKey(rand.Reader)
	if err != nil {
		l.t.Fatal(err)
	}
	i := &insider{ready: make(chan struct{}), hand: hand{Name: name, Seed: newKey(l.t).Seed(), Inbox: inbox.Bytes()}}
	return i, identity.Client{
		Name: name, Key: pub(i.hand.key()), InboxKey: inbox.Public(), Suites: suites(), Added: time.Now().UTC().Truncate(time.Second),
	}
}

// seatsItself: the operator's program adds a client of the operator's to the
// identity document that it makes for a person with two. The operator is in
// every circle of that person.
func (l *liar) seatsItself() { l.seat() }

func (l *liar) seat() func() *insider {
	var mu sync.Mutex
	var in *insider
	l.builds.SignUp = func(d *identity.Document) {
		if len(d.Clients) < 2 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		var c identity.Client
		in, c = l.newInsider("backup")
		in.hand.Address = d.Address.String()
		d.Clients = append(d.Clients, c)
	}
	l.changes(func(_ string, resp *http.Response, body []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		if resp.Request.URL.Path == "/v1/accounts" && resp.StatusCode/100 == 2 && in != nil {
			in.once.Do(func() { go in.stock(l.t) })
		}
		return body
	})
	l.seated = func() { // no circle is opened before the insider can be let in
		mu.Lock()
		now := in
		mu.Unlock()
		if now != nil {
			<-now.ready
		}
	}
	return func() *insider {
		mu.Lock()
		defer mu.Unlock()
		return in
	}
}

// stock publishes the insider's key packages, so that it is let in with the rest.
func (i *insider) stock(t *testing.T) {
	defer close(i.ready)
	i.spy = newStockedObserver(t, i.hand, realCalls(), time.Now(), 16)
}

// showsTheCanary: the operator, who reads along, shows what it read on a page.
func (l *liar) showsTheCanary() {
	seated := l.seat()
	l.answers(func(_, path string, _ []byte, w http.ResponseWriter) bool {
		in := seated()
		if path != "/metrics" || in == nil {
			return false
		}
		for _, v := range l.reads(in) {
			_, _ = fmt.Fprintf(w, "last_value{value=%s} 1\n", v)
		}
		return true
	})
}

// reads opens what the insider's seat may open.
func (l *liar) reads(in *insider) map[time.Time]string {
	<-in.ready
	var shared []wire.CircleID
	l.mu.Lock()
	for c := range l.sealed {
		if !l.owned[c] {
			shared = append(shared, c)
		}
	}
	l.mu.Unlock()
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, c := range shared {
		if frames, err := in.spy.node.Messages(l.t.Context(), c.String(), 0); err == nil {
			in.spy.follow(l.t, frames, nil)
		}
	}
	return in.spy.values(l.t, "note")
}

// standsIn: the node shows a grantee with the operator's keys in place of the
// grantee's own.
func (l *liar) standsIn() {
	forged := ""
	l.answers(func(_, path string, _ []byte, w http.ResponseWriter) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.people) < 2 || path != "/v1/identity/"+l.people[1].User {
			return false
		}
		if forged == "" {
			forged = l.forge(l.people[1])
		}
		w.Header().Set("Content-Type", wire.JOSE)
		_, _ = w.Write([]byte(forged))
		return true
	})
}

// forge makes an identity document for an address of somebody else.
func (l *liar) forge(a identity.Address) string {
	l.t.Helper()
	_, c := l.newInsider(prime)
	now := time.Now().UTC().Truncate(time.Second)
	key := newKey(l.t)
	id, err := identity.NewID(rand.Reader, now)
	if err != nil {
		l.t.Error(err)
		return ""
	}
	compact, err := identity.Sign(identity.Document{
		ID: id, Address: a, Kind: identity.Person, Name: a.User, IdentityKey: pub(key), RecoveryKey: pub(newKey(l.t)),
		Clients: []identity.Client{c}, Version: 1, Issued: now, Expires: now.Add(30 * 24 * time.Hour),
	}, key)
	if err != nil {
		l.t.Error(err)
	}
	return compact
}
