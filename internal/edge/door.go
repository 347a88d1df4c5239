package edge

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"primum/circle"
	"primum/internal/wire"
)

const (
	// codeLife is how long a one-time code opens the door.
	codeLife = 120 * time.Second
	// codeGuesses is how many wrong proofs a code survives.
	codeGuesses = 5
	// doorWait bounds one request.
	doorWait = 30 * time.Second
)

// door is the edge's HTTP server on the LAN. It tells strangers the thing's
// key and nothing about the house. Claiming needs presence: a one-time code
// that was shown on the edge's own terminal.
type door struct {
	edge   *Edge
	server *http.Server
	socket net.Listener
	token  string // of local control, in a file that only this user reads

	mu      sync.Mutex
	code    string    // empty: closed; under mu
	until   time.Time // under mu
	guesses int       // under mu
	begun   time.Time // of the claim that waits for its second half; under mu
}

func newDoor(e *Edge) *door {
	d := &door{edge: e}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+wire.DoorHello, d.hello)
	mux.HandleFunc("POST "+wire.DoorBegin, d.begin)
	mux.HandleFunc("POST "+wire.DoorFinish, d.finish)
	mux.HandleFunc("POST "+wire.DoorWithdraw, d.withdraw)
	d.control(mux)
	d.server = &http.Server{
		Handler:           d.guard(mux),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       doorWait,
		WriteTimeout:      doorWait,
		MaxHeaderBytes:    16 << 10,
	}
	return d
}

func (d *door) listen() error {
	if d.edge.config.Listen == "" {
		return nil
	}
	l, err := net.Listen("tcp", d.edge.config.Listen)
	if err != nil {
		return fmt.Errorf("listen on the LAN: %w; choose another address with --listen", err)
	}
	d.socket = l
	d.edge.mu.Lock()
	d.edge.listens = l.Addr()
	d.edge.mu.Unlock()
	return d.writeControl()
}

func (d *door) serve(ctx context.Context) error {
	if d.socket == nil {
		return nil
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = d.server.Shutdown(end)
		_ = d.server.Close()
	}()
	err := d.server.Serve(d.socket)
	if errors.Is(err, http.ErrServerClosed) {
		<-stopped
		return nil
	}
	return fmt.Errorf("serve the LAN door: %w", err)
}

// url is the door's address as others on the LAN reach it.
func (d *door) url() string {
	d.edge.mu.Lock()
	addr, ok := d.edge.listens.(*net.TCPAddr)
	d.edge.mu.Unlock()
	if !ok {
		return ""
	}
	host := d.edge.config.Advertise
	if host == "" {
		host = addr.IP.String()
		if addr.IP.IsUnspecified() {
			host = lanAddress()
		}
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

// lanAddress is this machine's first address that is not its own loopback.
func lanAddress() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "127.0.0.1"
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}

// guard bounds bodies and refuses pages of other sites: a browser in the house
// must not be made to talk to the door.
func (d *door) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" {
			refuse(w, http.StatusForbidden, "forbidden", "the door does not answer to web pages")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, wire.MaxBody)
		next.ServeHTTP(w, r)
	})
}

// NewCode opens the door for one claim within the next 120 s and returns the
// one-time code. An earlier code is void.
func (e *Edge) NewCode() (string, error) {
	var raw [5]byte // 40 bits: eight letters
	if _, err := io.ReadFull(e.config.Rand, raw[:]); err != nil {
		return "", fmt.Errorf("make a code: %w", err)
	}
	code := base32.StdEncoding.EncodeToString(raw[:])
	d := e.door
	d.mu.Lock()
	defer d.mu.Unlock()
	d.code, d.until, d.guesses = code, e.config.Clock.Now().Add(codeLife), codeGuesses
	return code[:4] + "-" + code[4:], nil
}

// open tells whether a code is valid. The lock is held.
func (d *door) open() bool {
	if d.code != "" && d.edge.config.Clock.Now().After(d.until) {
		d.code = ""
	}
	return d.code != ""
}

func (d *door) hello(w http.ResponseWriter, _ *http.Request) {
	_, claimed := d.edge.feed.Claimed()
	d.mu.Lock()
	open := d.open()
	d.mu.Unlock()
	answer200(w, wire.DoorInfo{ThingKey: d.edge.claims.ThingKey(), Claimed: claimed, Open: open})
}

// begin checks the proof of presence and makes the thing's half of the claim.
func (d *door) begin(w http.ResponseWriter, r *http.Request) {
	var claim wire.DoorClaim
	var request circle.ClaimRequest
	if !read(w, r, &claim) {
		return
	}
	if err := json.Unmarshal([]byte(claim.Request), &request); err != nil {
		refuse(w, http.StatusBadRequest, "malformed", "request is not a claim request")
		return
	}
	if why := d.prove(claim); why != "" {
		refuse(w, http.StatusForbidden, "wrong-code", why)
		return
	}
	offer, err := d.edge.claims.BeginClaim(request)
	if err != nil {
		refuse(w, http.StatusForbidden, "claim-refused", err.Error())
		return
	}
	d.mu.Lock()
	d.code, d.begun = "", d.edge.config.Clock.Now() // a code opens once
	d.mu.Unlock()
	answer200(w, wire.DoorOffer{Claim: offer.Claim})
}

// prove checks a proof and says why not, in words. One guess at a time: the
// proof is slow to compute on purpose.
func (d *door) prove(claim wire.DoorClaim) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open() {
		return "no code is open; press Enter at the edge's terminal for a new one"
	}
	want, err := wire.DoorProof(d.code, d.edge.claims.ThingKey(), claim.Request)
	if err == nil && subtle.ConstantTimeCompare(want, claim.Proof) == 1 {
		return ""
	}
	if d.guesses--; d.guesses <= 0 {
		d.code = ""
		return "wrong code, too often; press Enter at the edge's terminal for a new one"
	}
	return fmt.Sprintf("wrong code; %d tries are left", d.guesses)
}

func (d *door) finish(w http.ResponseWriter, r *http.Request) {
	var signed wire.DoorSigned
	if !read(w, r, &signed) {
		return
	}
	d.mu.Lock()
	waits := !d.begun.IsZero() && d.edge.config.Clock.Now().Sub(d.begun) <= codeLife
	d.mu.Unlock()
	if !waits {
		refuse(w, http.StatusConflict, "claim-refused", "no claim waits for its second half; begin again with a new code")
		return
	}
	welcome, err := d.edge.claims.FinishClaim(signed.Countersignature)
	if err != nil {
		refuse(w, http.StatusForbidden, "claim-refused", err.Error())
		return
	}
	// The door stays open for the second half: whose answer was lost gets the
	// same Welcome again.
	answer200(w, wire.DoorWelcome{Welcome: welcome.Welcome})
}

// withdraw takes a closing straight to the anchor; its signatures are its
// authority.
func (d *door) withdraw(w http.ResponseWriter, r *http.Request) {
	var closing circle.Withdrawal
	if !read(w, r, &closing) {
		return
	}
	statement, err := d.edge.claims.Withdraw(closing)
	switch {
	case errors.Is(err, circle.ErrUnknown):
		refuse(w, http.StatusNotFound, "not-found", err.Error())
	case err != nil:
		refuse(w, http.StatusForbidden, "forbidden", err.Error())
	default:
		answer200(w, wire.DoorStatement{Statement: statement})
	}
}

// read decodes a body strictly enough for the door; documents inside are
// checked by those who verify them.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil && dec.More() {
		err = errors.New("something stands behind the document")
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "malformed", err.Error())
		return false
	}
	return true
}

func answer200(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the client is gone, if it fails
}

// refuse writes a problem (RFC 9457).
func refuse(w http.ResponseWriter, status int, kind, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:primum:problem:" + kind, "title": kind, "status": status, "detail": detail})
}
