package scenario

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"primum/client"
	"primum/internal/peer"
	"primum/internal/wire"
)

// bareSocket is a live socket without package client: frames as bytes, as many
// at once as there are. It is to our node what mosquittotest.Load is to
// mosquitto, so that the node is what is measured. One goroutine reads and one
// writes.
type bareSocket struct {
	b         *testing.B
	conn      net.Conn
	in        *bufio.Reader
	out       *bufio.Writer
	challenge []byte
}

const (
	opText   = 1
	opBinary = 2
)

// dialBare opens an authenticated session.
func dialBare(b *testing.B, n client.Node) *bareSocket {
	b.Helper()
	ticket, err := n.Ticket(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	conn, err := peer.Dialer{Loopback: true}.DialContext(b.Context(), "tcp", n.Authority)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	s := &bareSocket{b: b, conn: conn, in: bufio.NewReaderSize(conn, 32<<10), out: bufio.NewWriterSize(conn, 32<<10)}
	_, err = fmt.Fprintf(conn, "GET /v1/live HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s, %s%s\r\n\r\n",
		n.Authority, wire.Subprotocol, wire.TicketPrefix, ticket.Ticket)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		b.Fatalf("open live socket: %v, %v", resp, err)
	}
	s.challenge = s.control(wire.CtlHello).Challenge
	return s
}

// send writes a frame masked with zeros (RFC 6455 §5.2) behind those that wait.
func (s *bareSocket) send(op byte, payload []byte) {
	head := []byte{0x80 | op}
	if len(payload) < 126 {
		head = append(head, 0x80|byte(len(payload)))
	} else {
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(len(payload)))
	}
	_, _ = s.out.Write(append(head, 0, 0, 0, 0))
	_, _ = s.out.Write(payload) // a bufio.Writer keeps its error for Flush
}

func (s *bareSocket) flush() {
	if err := s.out.Flush(); err != nil {
		s.b.Error(err)
	}
}

// read reads a frame of at most 64 KiB into buf.
func (s *bareSocket) read(buf []byte) (op byte, payload []byte) {
	var head [4]byte
	_, err := io.ReadFull(s.in, head[:2])
	n := int(head[1])
	if err == nil && n == 126 {
		_, err = io.ReadFull(s.in, head[2:])
		n = int(binary.BigEndian.Uint16(head[2:]))
	}
	if n > len(buf) {
		buf = make([]byte, n)
	}
	if err == nil {
		_, err = io.ReadFull(s.in, buf[:n])
	}
	if err != nil {
		s.b.Error(err)
		return 0, nil
	}
	return head[0] & 0xf, buf[:n]
}

// control reads a control frame of a type.
func (s *bareSocket) control(want string) (c wire.Control) {
	s.b.Helper()
	op, text := s.read(nil)
	if err := json.Unmarshal(text, &c); op != opText || err != nil || c.Type != want {
		s.b.Fatalf("the node says %q (%v), want %q", text, err, want)
	}
	return c
}

func (s *bareSocket) ask(c wire.Control) wire.Control {
	s.b.Helper()
	c.Ref = 1
	text, err := json.Marshal(c)
	if err != nil {
		s.b.Fatal(err)
	}
	s.send(opText, text)
	s.flush()
	return s.control(wire.CtlOK)
}

func (s *bareSocket) prove(id wire.CircleID, leaf ed25519.PrivateKey) {
	s.b.Helper()
	s.ask(wire.Control{Type: wire.CtlProve, Circle: id.String(), Signature: ed25519.Sign(leaf, wire.ProofBytes(s.challenge, id))})
}

// append appends messages, a window of them at a time on the way; slots are
// given back by acks.
func (s *bareSocket) append(id wire.CircleID, messages [][]byte, slots chan struct{}) {
	var frame []byte
	for i, m := range messages {
		select {
		case slots <- struct{}{}:
		default:
			s.flush()
			slots <- struct{}{}
		}
		frame = wire.Frame{Circle: id, Number: uint64(i) + 1, Message: m}.AppendTo(frame[:0])
		s.send(opBinary, frame)
	}
	s.flush()
}

func (s *bareSocket) acks(n int, slots chan struct{}) {
	ack := fmt.Appendf(nil, `"t":%q`, wire.CtlAck)
	buf := make([]byte, 64<<10)
	for range n {
		if op, text := s.read(buf); op != opText || !bytes.Contains(text, ack) {
			s.b.Errorf("the node says %q, want an acknowledgement", text)
			return
		}
		<-slots
	}
}

// take reads n messages of circles.
func (s *bareSocket) take(n int) {
	buf := make([]byte, 64<<10)
	for range n {
		if op, b := s.read(buf); op != opBinary {
			s.b.Errorf("the node sends %q, want a message", b)
			return
		}
	}
}
