package mosquittotest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Load is a measured exchange at QoS 1: so many publishers with one subscriber
// each, and so many messages on the way per publisher. The clients are bare
// sockets (MQTT 3.1.1) that write as much at once as they can, so that the
// broker is what is measured.
type Load struct {
	pubs, subs []*bareClient
	window     int
	size       int
}

// LoadOptions are the lines of mosquitto.conf under which it is fastest: all
// in memory, no log of messages, no queue bounds.
func LoadOptions() Options {
	return Options{Lines: []string{"log_type information", "max_inflight_messages 0", "max_queued_messages 0", "set_tcp_nodelay true"}}
}

// NewLoad connects and subscribes; the connections end with the benchmark.
func NewLoad(b *testing.B, broker *Broker, pairs, window, size int) *Load {
	b.Helper()
	l := &Load{window: window, size: size}
	for i := range pairs {
		sub := dialBare(b, broker.Port, fmt.Sprint("sub", i))
		sub.subscribe(topic(i))
		l.subs = append(l.subs, sub)
		l.pubs = append(l.pubs, dialBare(b, broker.Port, fmt.Sprint("pub", i)))
	}
	return l
}

// Run publishes so many messages per pair and tells how long it took until all
// were acknowledged and delivered.
func (l *Load) Run(messages int) time.Duration {
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range l.pubs {
		slots := make(chan struct{}, l.window)
		wg.Go(func() { l.subs[i].take(messages) })
		wg.Go(func() { l.pubs[i].publish(topic(i), make([]byte, l.size), messages, slots) })
		wg.Go(func() { l.pubs[i].acks(messages, slots) })
	}
	wg.Wait()
	return time.Since(begin)
}

func topic(i int) string { return fmt.Sprintf("circle/%03d", i) }

// bareClient is one connection; one goroutine reads and one writes.
type bareClient struct {
	b    *testing.B
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
}

// dialBare connects with a clean session (MQTT 3.1.1 §3.1).
func dialBare(b *testing.B, port int, id string) *bareClient {
	b.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	c := &bareClient{b: b, conn: conn, in: bufio.NewReaderSize(conn, 32<<10), out: bufio.NewWriterSize(conn, 32<<10)}
	c.send(0x10, append([]byte("\x00\x04MQTT\x04\x02\x00\x00"), field(id)...))
	c.flush()
	if kind, _ := c.read(); kind>>4 != 2 {
		b.Fatalf("packet %#x, want CONNACK", kind)
	}
	return c
}

func field(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

func (c *bareClient) send(kind byte, parts ...[]byte) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	_, _ = c.out.Write(binary.AppendUvarint([]byte{kind}, uint64(n))) // §2.2.3: the same as a uvarint
	for _, p := range parts {
		_, _ = c.out.Write(p) // a bufio.Writer keeps its error for Flush
	}
}

func (c *bareClient) flush() {
	if err := c.out.Flush(); err != nil {
		c.b.Error(err)
	}
}

func (c *bareClient) read() (kind byte, body []byte) {
	kind, err := c.in.ReadByte()
	var n uint64
	if err == nil {
		n, err = binary.ReadUvarint(c.in)
	}
	if err == nil {
		body = make([]byte, n)
		_, err = io.ReadFull(c.in, body)
	}
	if err != nil {
		c.b.Error(err)
		return 0, nil
	}
	return kind, body
}

func (c *bareClient) subscribe(topic string) {
	c.send(0x82, []byte{0, 1}, field(topic), []byte{1})
	c.flush()
	if kind, _ := c.read(); kind>>4 != 9 {
		c.b.Fatalf("packet %#x, want SUBACK", kind)
	}
}

// take reads n messages and acknowledges them; acknowledgements leave together
// when nothing more is buffered.
func (c *bareClient) take(n int) {
	for range n {
		kind, body := c.read()
		if kind>>4 != 3 || len(body) < 4 {
			c.b.Errorf("packet %#x, want PUBLISH", kind)
			return
		}
		at := 2 + int(binary.BigEndian.Uint16(body))
		c.send(0x40, body[at:at+2])
		if c.in.Buffered() == 0 {
			c.flush()
		}
	}
	c.flush()
}

// publish takes a slot per message and writes what it has when there is none.
func (c *bareClient) publish(topic string, body []byte, n int, slots chan struct{}) {
	head := field(topic)
	for i := range n {
		select {
		case slots <- struct{}{}:
		default:
			c.flush()
			slots <- struct{}{}
		}
		c.send(0x32, head, binary.BigEndian.AppendUint16(nil, uint16(i%65535+1)), body)
	}
	c.flush()
}

func (c *bareClient) acks(n int, slots chan struct{}) {
	for range n {
		if kind, _ := c.read(); kind>>4 != 4 {
			c.b.Errorf("packet %#x, want PUBACK", kind)
			return
		}
		<-slots
	}
}
