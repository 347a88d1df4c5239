package portal

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"primum/internal/wire"
)

const (
	socketDial   = 15 * time.Second
	socketLife   = wire.SessionLife // then the page connects again
	socketPing   = time.Minute      // how often each end is asked whether it is there
	socketPong   = 20 * time.Second
	socketFrame  = 1 << 20 // bytes of one frame
	socketSecond = 4 << 20 // bytes in one second and direction; more wait
	maxOffered   = 4       // subprotocols
)

// carrySocket joins a page's live socket to another node's. It returns at once;
// end is called when the sockets are over.
func (p *Portal) carrySocket(w http.ResponseWriter, r *http.Request, t target, client *http.Client, end func()) {
	up, err := p.dialSocket(r, t, client)
	if err != nil {
		end()
		p.unreachable(w, err)
		return
	}
	down, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{up.Subprotocol()}, CompressionMode: websocket.CompressionDisabled,
		InsecureSkipVerify: true, // ownPage has compared the origin with the portal's own, which may differ from Host behind a proxy
	})
	if err != nil { // the library has answered
		_ = up.CloseNow()
		end()
		return
	}
	p.sockets.Go(func() {
		defer end()
		p.join(down, up)
	})
}

func (p *Portal) dialSocket(r *http.Request, t target, client *http.Client) (*websocket.Conn, error) {
	if t.path != "/v1/live" || r.Method != http.MethodGet {
		return nil, errors.New("only /v1/live is a socket")
	}
	ctx, cancel := context.WithTimeout(r.Context(), socketDial)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, t.base+t.uri, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: http.Header{"User-Agent": {"primum/" + p.cfg.Version}},
		Subprotocols: offered(r), CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil && resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	return conn, err
}

// offered are the subprotocols of the page: the version and the ticket.
func offered(r *http.Request) (all []string) {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for _, s := range strings.Split(line, ",") {
			if s = strings.TrimSpace(s); s != "" && len(s) <= 256 && len(all) < maxOffered {
				all = append(all, s)
			}
		}
	}
	return all
}

// join copies frames both ways until one end is over or gone, or the time is
// over.
func (p *Portal) join(down, up *websocket.Conn) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	done := make(chan error, 4)
	go func() { done <- p.pump(ctx, up, down) }()
	go func() { done <- p.pump(ctx, down, up) }()
	go func() { done <- p.watch(ctx, down) }()
	go func() { done <- p.watch(ctx, up) }()
	err := <-done
	status, reason := closing(err)
	_ = up.Close(websocket.StatusNormalClosure, "")
	_ = down.Close(status, reason)
	cancel()
	for range 3 {
		<-done
	}
}

// closing hands the other side's reason on.
func closing(err error) (websocket.StatusCode, string) {
	var c websocket.CloseError
	if errors.As(err, &c) && c.Code != websocket.StatusNoStatusRcvd && c.Code != websocket.StatusAbnormalClosure {
		return c.Code, c.Reason
	}
	return websocket.StatusGoingAway, "the other node's connection ended"
}

// Why the portal itself ends a socket.
var (
	errSilent = websocket.CloseError{Code: websocket.StatusPolicyViolation, Reason: "no answer to a ping"}
	errOver   = websocket.CloseError{Code: websocket.StatusServiceRestart, Reason: "connect again"}
)

// watch asks one end from time to time whether it is there, and ends when the
// time is over.
func (p *Portal) watch(ctx context.Context, end *websocket.Conn) error {
	over := p.cfg.Clock.Now().Add(socketLife)
	for p.cfg.Clock.Now().Before(over) {
		t := p.cfg.Clock.NewTimer(socketPing)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C():
		}
		if err := p.ping(ctx, end); err != nil {
			return err
		}
	}
	return errOver
}

// ping waits for an answer, for socketPong.
func (p *Portal) ping(ctx context.Context, end *websocket.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := p.cfg.Clock.NewTimer(socketPong)
	defer t.Stop()
	answered := make(chan error, 1)
	go func() { answered <- end.Ping(ctx) }()
	select {
	case err := <-answered:
		return err
	case <-t.C():
		return errSilent
	}
}

// pump copies frames from one socket to the other, whole and unread.
func (p *Portal) pump(ctx context.Context, to, from *websocket.Conn) error {
	from.SetReadLimit(socketFrame)
	var second time.Time
	var sent int
	for {
		kind, b, err := from.Read(ctx)
		if err != nil {
			return err
		}
		if now := p.cfg.Clock.Now(); now.Sub(second) >= time.Second {
			second, sent = now, 0
		}
		if sent += len(b); sent > socketSecond {
			if err := p.pause(ctx, time.Second); err != nil {
				return err
			}
		}
		if err := to.Write(ctx, kind, b); err != nil {
			return err
		}
	}
}

func (p *Portal) pause(ctx context.Context, d time.Duration) error {
	t := p.cfg.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C():
		return nil
	}
}
