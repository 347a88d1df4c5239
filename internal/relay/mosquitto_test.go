package relay_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// BenchmarkMosquitto is the peer of BenchmarkRelay: mosquitto, QoS 1, in
// memory, 64 publishers with a window of 20 and one subscriber each. The
// clients are bare sockets (MQTT 3.1.1).
func BenchmarkMosquitto(b *testing.B) {
	addr := mosquitto(b)
	body := make([]byte, 256)
	each := b.N/pairs + 1
	subs, pubs := make([]*mqttConn, pairs), make([]*mqttConn, pairs)
	for i := range pairs {
		subs[i], pubs[i] = dialMQTT(b, addr, fmt.Sprint("sub", i)), dialMQTT(b, addr, fmt.Sprint("pub", i))
		subs[i].subscribe(b, topic(i))
	}
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range pairs {
		slots := make(chan struct{}, window)
		wg.Go(func() { subs[i].take(b, each) })
		wg.Go(func() { pubs[i].publish(b, topic(i), body, each, slots) })
		wg.Go(func() { pubs[i].acks(b, each, slots) })
	}
	wg.Wait()
	b.ReportMetric(float64(each*pairs)/b.Elapsed().Seconds(), "deliveries/s")
}

func topic(i int) string { return fmt.Sprintf("circle/%03d", i) }

func mosquitto(b *testing.B) string {
	b.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		b.Skip("mosquitto is not installed: nothing to compare with")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	_ = l.Close()
	conf := filepath.Join(b.TempDir(), "mosquitto.conf")
	text := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\nset_tcp_nodelay true\n", addr.Port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(path, "-c", conf)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 200 {
		if c, err := net.Dial("tcp", addr.String()); err == nil {
			_ = c.Close()
			return addr.String()
		}
		time.Sleep(10 * time.Millisecond) // another process's start can't be waited for otherwise
	}
	b.Fatal("mosquitto does not answer")
	return ""
}

type mqttConn struct {
	net.Conn
	in *bufio.Reader
}

// dialMQTT connects with a clean session (MQTT 3.1.1 §3.1).
func dialMQTT(b *testing.B, addr, id string) *mqttConn {
	b.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	m := &mqttConn{c, bufio.NewReaderSize(c, 32<<10)}
	m.send(b, 0x10, append([]byte("\x00\x04MQTT\x04\x02\x00\x00"), field(id)...))
	if kind, _ := m.read(b); kind>>4 != 2 {
		b.Fatalf("packet %#x, want CONNACK", kind)
	}
	return m
}

func field(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

func packet(kind byte, body []byte) []byte {
	p := []byte{kind}
	return append(binary.AppendUvarint(p, uint64(len(body))), body...) // §2.2.3: the same as a uvarint
}

func (m *mqttConn) send(b *testing.B, kind byte, body []byte) {
	if _, err := m.Write(packet(kind, body)); err != nil {
		b.Error(err)
	}
}

func (m *mqttConn) read(b *testing.B) (kind byte, body []byte) {
	kind, err := m.in.ReadByte()
	if err != nil {
		b.Error(err)
		return 0, nil
	}
	n, err := binary.ReadUvarint(m.in)
	body = make([]byte, n)
	if err == nil {
		_, err = io.ReadFull(m.in, body)
	}
	if err != nil {
		b.Error(err)
	}
	return kind, body
}

func (m *mqttConn) subscribe(b *testing.B, topic string) {
	m.send(b, 0x82, append(append([]byte{0, 1}, field(topic)...), 1))
	if kind, _ := m.read(b); kind>>4 != 9 {
		b.Fatalf("packet %#x, want SUBACK", kind)
	}
}

// take reads n messages and acknowledges them; answers leave together when
// nothing more is buffered.
func (m *mqttConn) take(b *testing.B, n int) {
	var out []byte
	for range n {
		kind, body := m.read(b)
		if kind>>4 != 3 || len(body) < 4 {
			b.Errorf("packet %#x, want PUBLISH", kind)
			return
		}
		at := 2 + int(binary.BigEndian.Uint16(body))
		out = append(out, packet(0x40, body[at:at+2])...)
		if m.in.Buffered() == 0 {
			if _, err := m.Write(out); err != nil {
				b.Error(err)
				return
			}
			out = out[:0]
		}
	}
	_, _ = m.Write(out)
}

func (m *mqttConn) publish(b *testing.B, topic string, body []byte, n int, slots chan struct{}) {
	head := field(topic)
	for i := range n {
		slots <- struct{}{}
		p := binary.BigEndian.AppendUint16(append([]byte(nil), head...), uint16(i%65535+1))
		m.send(b, 0x32, append(p, body...))
	}
}

func (m *mqttConn) acks(b *testing.B, n int, slots chan struct{}) {
	for range n {
		if kind, _ := m.read(b); kind>>4 != 4 {
			b.Errorf("packet %#x, want PUBACK", kind)
			return
		}
		<-slots
	}
}
