package httpdoor_test

import (
	"crypto/ed25519"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	httpdoor "primum/internal/door/http"
	"primum/internal/sign"
	"primum/internal/wire"
)

func signAs(t testing.TB, req *http.Request, keyID string, key ed25519.PrivateKey, now time.Time) {
	t.Helper()
	h, err := sign.Headers(sign.Request{Method: req.Method, TargetURI: req.URL.String()}, keyID, key, now, sign.NewNonce())
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range h {
		req.Header.Set(k, v)
	}
}

func asClose(err error, ce *websocket.CloseError) bool { return errors.As(err, ce) }

func wideOpen() httpdoor.Limits { return httpdoor.DefaultLimits(true) }

func TestTicketsAreForOneSocket(t *testing.T) {
	t.Parallel()
	r := newRoom(t, wideOpen())
	m := r.member("friend")
	used := r.ticket(m)
	c, _, err := r.dial(used)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.CloseNow()
	late := r.ticket(m)
	r.clock.Advance(31 * time.Second)
	for name, ticket := range map[string]string{"used": used, "late": late, "guessed": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "none": ""} {
		_, resp, err := r.dial(ticket)
		if err == nil || resp == nil || resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s ticket: %v, %v", name, resp, err)
		}
	}
}

func TestPendingMemberGetsFramesFromItsCommitOn(t *testing.T) {
	t.Parallel()
	r := newRoom(t, wideOpen())
	friend := r.member("friend")
	c := r.open(friend)
	r.say(c, "before anybody")
	s := r.connect(friend)
	if ok := s.subscribe(c.id, 0); ok.Type != wire.CtlOK || ok.Head != 1 || ok.Epoch != 0 {
		t.Fatalf("pending subscription: %+v", ok)
	}
	r.say(c, "still before")
	done := r.add(c, friend)
	if f := s.frame(); f.Number != done.Seq || f.Circle != c.id {
		t.Errorf("first frame %d, want the commit %d", f.Number, done.Seq)
	}
	if f := s.frame(); f.Number != done.WelcomeAt {
		t.Errorf("second frame %d, want the Welcome %d", f.Number, done.WelcomeAt)
	}
	r.say(c, "power 812")
	f := s.frame()
	got, err := friend.group.Process(f.Message)
	if err != nil || string(got.Data) != "power 812" {
		t.Errorf("value: %v, %v", got, err)
	}
	stranger := r.member("stranger")
	if e := r.connect(stranger).subscribe(c.id, 0); e.Type != wire.CtlError || e.Problem == nil || e.Problem.Status/100 != 4 {
		t.Errorf("a stranger's subscription: %+v", e)
	}
}

func TestAppendCommitAndResumeOverTheSocket(t *testing.T) {
	t.Parallel()
	r := newRoom(t, wideOpen())
	friend := r.member("friend")
	c := r.open(friend)
	done := r.add(c, friend)
	s := r.connect(friend)
	if ok := s.subscribe(c.id, done.WelcomeAt); ok.Type != wire.CtlOK {
		t.Fatalf("subscribe: %+v", ok)
	}
	msg, err := friend.group.Seal([]byte("switch it on"), nil, 256)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.c.Write(t.Context(), websocket.MessageBinary, wire.Frame{Circle: c.id, Number: 77, Message: msg}.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	var seq uint64
	for range 2 { // the own frame and its acknowledgement, in any order
		ctl, f := s.read()
		if ctl.Type == wire.CtlAck && ctl.Ref == 77 {
			seq = ctl.Seq
		} else if f.Number != done.WelcomeAt+1 {
			t.Errorf("unexpected %+v, frame %d", ctl, f.Number)
		}
	}
	if seq != done.WelcomeAt+1 {
		t.Errorf("acknowledged as %d, want %d", seq, done.WelcomeAt+1)
	}
	for range 600 { // more than the queue holds at once
		r.say(c, "a value")
	}
	again := r.connect(friend)
	if ok := again.subscribe(c.id, seq); ok.Type != wire.CtlOK || ok.Head != seq+600 {
		t.Fatalf("resume: %+v", ok)
	}
	for i := range uint64(600) {
		if f := again.frame(); f.Number != seq+1+i {
			t.Fatalf("frame %d, want %d", f.Number, seq+1+i)
		}
	}
}

func TestSocketRefusals(t *testing.T) {
	t.Parallel()
	r := newRoom(t, wideOpen())
	friend := r.member("friend")
	c := r.open(friend)
	r.add(c, friend)
	s := r.connect(friend)
	refused := func(name string, ctl wire.Control) {
		t.Helper()
		ref := s.send(ctl)
		if a := s.control(); a.Type != wire.CtlError || a.Ref != ref || a.Problem == nil || !a.Problem.Named(name) {
			t.Errorf("%+v: answer %+v, want %s", ctl.Type, a, name)
		}
	}
	refused(wire.ProbMalformed, wire.Control{Type: wire.CtlSub, Circle: "xyz"})
	refused(wire.ProbNotFound, wire.Control{Type: wire.CtlSub, Circle: "00000000000000000000000000000000"})
	refused(wire.ProbTooLarge, wire.Control{Type: wire.CtlCommit, Circle: c.id.String()})
	refused(wire.ProbMalformed, wire.Control{Type: wire.CtlCommit, Circle: c.id.String(), Commit: []byte("no commit")})
	for name, message := range map[string][]byte{
		wire.ProbTooLarge: make([]byte, wire.MaxMessage+1), wire.ProbMalformed: []byte("garbage"),
	} {
		if err := s.c.Write(t.Context(), websocket.MessageBinary, wire.Frame{Circle: c.id, Number: 5, Message: message}.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
		if a := s.control(); a.Type != wire.CtlError || a.Ref != 5 || !a.Problem.Named(name) {
			t.Errorf("append: %+v, want %s", a, name)
		}
	}
	_, head, err := r.store.Circles.Read(t.Context(), c.id, 0, 100, 1<<20)
	if err != nil || len(head) != 2 {
		t.Errorf("refused frames left %d frames in the circle, want 2", len(head))
	}
	// What can't be read ends the socket with a word.
	for name, text := range map[string]string{
		"no JSON": "{", "unknown member": `{"t":"sub","more":1}`, "unknown type": `{"t":"dance"}`, "two members": `{"t":"sub","t":"sub"}`,
	} {
		s := r.connect(friend)
		if err := s.c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if code, reason := s.closed(); code != websocket.StatusPolicyViolation || reason == "" {
			t.Errorf("%s: closed with %d %q", name, code, reason)
		}
	}
	short := r.connect(friend)
	if err := short.c.Write(t.Context(), websocket.MessageBinary, []byte("short")); err != nil {
		t.Fatal(err)
	}
	if code, _ := short.closed(); code != websocket.StatusPolicyViolation {
		t.Errorf("a short binary frame: closed with %d", code)
	}
}

func TestFenceIsToldOnTheSocket(t *testing.T) {
	t.Parallel()
	r := newRoom(t, wideOpen())
	friend := r.member("friend")
	c := r.open(friend)
	done := r.add(c, friend)
	s := r.connect(friend)
	s.subscribe(c.id, done.WelcomeAt)
	r.say(c, "one")
	s.frame()
	if err := r.relay.Fence(t.Context(), c.id, "withdrawn"); err != nil {
		t.Fatal(err)
	}
	end := s.control()
	if end.Type != wire.CtlEnd || end.Circle != c.id.String() || end.Reason != "withdrawn" || end.At == nil {
		t.Errorf("end: %+v", end)
	}
}

func TestInboxIsPushed(t *testing.T) {
	t.Parallel()
	r := newRoom(t, wideOpen())
	friend, owner := r.member("friend"), r.member("owner")
	s := r.connect(friend)
	post := func(text string) {
		a := &account{addr: owner.addr, client: "phone", key: owner.key}
		b := &account{addr: friend.addr, client: "phone"}
		doc := sealedTo(a, b, wire.InboxOffer, r.clock.Now())
		doc.Copies[0].Box = []byte(text)
		r.postJSON(a, "/v1/outbox", doc, http.StatusAccepted)
	}
	post("first")
	ref := s.send(wire.Control{Type: wire.CtlInSub})
	if ok := s.control(); ok.Type != wire.CtlOK || ok.Ref != ref {
		t.Fatalf("inbox: %+v", ok)
	}
	if it := s.control(); it.Type != wire.CtlInbox || it.Item == nil || it.Item.Seq != 1 {
		t.Fatalf("kept item: %+v", it)
	}
	post("second")
	if it := s.control(); it.Type != wire.CtlInbox || it.Item == nil || it.Item.Seq != 2 {
		t.Fatalf("live item: %+v", it)
	}
}

func TestSlowReaderComesAgainAndMissesNothing(t *testing.T) {
	t.Parallel()
	r := newRoom(t, wideOpen())
	friend := r.member("friend")
	c := r.open(friend)
	done := r.add(c, friend)
	s := r.connect(friend)
	s.subscribe(c.id, done.WelcomeAt)
	const n = 3000
	for range n { // nobody reads meanwhile
		r.say(c, "a value")
	}
	for i := range uint64(n) {
		if f := s.frame(); f.Number != done.WelcomeAt+1+i {
			t.Fatalf("frame %d, want %d", f.Number, done.WelcomeAt+1+i)
		}
	}
}

func TestSocketsArePingedAndGoneOnesEnded(t *testing.T) {
	t.Parallel()
	r := newRoom(t, wideOpen())
	friend := r.member("friend")
	ctx := t.Context()
	go r.door.Run(ctx)
	if err := r.clock.BlockUntil(ctx, 1); err != nil {
		t.Fatal(err)
	}
	s := r.connect(friend) // answers pings only while it reads
	pinged := make(chan struct{})
	go func() {
		defer close(pinged)
		for range 20 { // five minutes, in steps of the sweep
			r.clock.Advance(15 * time.Second)
			if r.clock.BlockUntil(ctx, 1) != nil {
				return
			}
		}
	}()
	code, reason := s.closedWithoutReading(pinged)
	if code != websocket.StatusPolicyViolation || reason != "no answer to a ping" {
		t.Errorf("closed with %d %q", code, reason)
	}
}

// closedWithoutReading waits before it reads, so that no ping is answered.
func (s *socket) closedWithoutReading(wait <-chan struct{}) (websocket.StatusCode, string) {
	s.t.Helper()
	<-wait
	return s.closed()
}

func TestStopSaysGoodbye(t *testing.T) {
	t.Parallel()
	r := newRoom(t, wideOpen())
	s := r.connect(r.member("friend"))
	go r.door.Stop(t.Context())
	if code, reason := s.closed(); code != websocket.StatusGoingAway || reason == "" {
		t.Errorf("closed with %d %q", code, reason)
	}
}

func TestSocketLimits(t *testing.T) {
	t.Parallel()
	l := wideOpen()
	l.Sockets, l.PerAddress = 3, 2
	r := newRoom(t, l)
	m := r.member("friend")
	r.connect(m)
	second := r.connect(m)
	_, resp, err := r.dial(r.ticket(m))
	if err == nil || resp == nil || resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("third socket of one address: %v, %v", resp, err)
	}
	if err := second.c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	r.eventually(func() bool {
		c, _, err := r.dial(r.ticket(m))
		if err == nil {
			_ = c.CloseNow()
		}
		return err == nil
	})
}

// TestDroppedClientLosesItsSocket: the next identity document lacks the
// client; its socket ends at once, with words.
func TestDroppedClientLosesItsSocket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	conn := w.liveSocket(a)
	w.clock.Advance(time.Minute)
	next, err := a.doc.Next(w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	next.Clients[0].Name, next.Clients[0].Key = "tablet", pub(newKey(t))
	a.sign(t, next)
	w.want(204, w.do(request{method: "PUT", path: "/v1/identity/owner", body: []byte(a.doc.Compact()), kind: wire.JOSE}))
	if code, reason := conn.closed(); code != websocket.StatusPolicyViolation || reason == "" {
		t.Errorf("closed with %d %q", code, reason)
	}
	w.refused(wire.ProbBadSignature, w.do(a.signs(request{method: "GET", path: "/v1/inbox"})))
}

// TestTicketOfADroppedClient: a ticket that was had before the client left the
// list opens a socket that is cut at once.
func TestTicketOfADroppedClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	ticket := w.ticket(a)
	next, err := a.doc.Next(w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	next.Clients[0].Name, next.Clients[0].Key = "tablet", pub(newKey(t))
	a.sign(t, next)
	w.want(204, w.do(request{method: "PUT", path: "/v1/identity/owner", body: []byte(a.doc.Compact()), kind: wire.JOSE}))
	conn, _, err := w.dialLive(ticket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	if code, reason := (&socket{t: t, c: conn}).closed(); code != websocket.StatusPolicyViolation || reason == "" {
		t.Errorf("closed with %d %q", code, reason)
	}
}

func (w *world) ticket(a *account) string {
	w.t.Helper()
	return into[wire.Ticket](w.t, w.want(200, w.do(a.signs(request{method: "POST", path: "/v1/live"})))).Ticket
}

func (w *world) dialLive(ticket string) (*websocket.Conn, *http.Response, error) {
	return websocket.Dial(w.t.Context(), w.node.BaseURL()+"/v1/live", &websocket.DialOptions{
		HTTPClient: w.http, Subprotocols: []string{wire.Subprotocol, wire.TicketPrefix + ticket},
	})
}

// liveSocket opens a socket of an account and reads the hello.
func (w *world) liveSocket(a *account) *socket {
	w.t.Helper()
	conn, _, err := w.dialLive(w.ticket(a))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.CloseNow() })
	s := &socket{t: w.t, c: conn}
	if hello := s.control(); hello.Type != wire.CtlHello {
		w.t.Fatalf("first frame %+v", hello)
	}
	return s
}

func TestGrantsChangeIsPushed(t *testing.T) {
	t.Parallel()
	st := newStory(t)
	st.claim()
	owner, friend := st.h.liveSocket(st.owner), st.h.liveSocket(st.friend) // both at H
	st.give()
	st.h.want(200, st.file())
	for name, s := range map[string]*socket{"owner": owner, "friend": friend} {
		if c := s.control(); c.Type != wire.CtlGrants {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
