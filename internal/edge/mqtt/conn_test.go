package mqtt

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/internal/edge/mqtt/mosquittotest"
)

const patienceOfTests = 20 * time.Second

// open runs a connection until the test ends.
func open(t *testing.T, o Options) (*Conn, <-chan Message) {
	t.Helper()
	got := make(chan Message, 1024)
	c, err := New(o, func(m Message) { got <- m })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return c, got
}

func await(t *testing.T, c *Conn, what string, ok func(Status) bool) Status {
	t.Helper()
	deadline := time.After(patienceOfTests)
	for {
		changed := c.Changed()
		if s := c.Status(); ok(s) {
			return s
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%s: status stays %+v", what, c.Status())
		}
	}
}

func online(s Status) bool { return s.Connected }

func next(t *testing.T, got <-chan Message) Message {
	t.Helper()
	select {
	case m := <-got:
		return m
	case <-time.After(patienceOfTests):
		t.Fatal("no message came")
		return Message{}
	}
}

func publish(t *testing.T, c *Conn, topic string, payload []byte, retain bool) {
	t.Helper()
	if err := c.Publish(context.Background(), topic, payload, retain); err != nil {
		t.Fatal(err)
	}
}

func TestRetainedAndLargeOnBothVersions(t *testing.T) {
	t.Parallel()
	for _, version := range []int{5, 4} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			b := mosquittotest.Start(t, mosquittotest.Options{})
			c, got := open(t, Options{URL: b.URL(), Version: version})
			await(t, c, "connect", online)
			large := bytes.Repeat([]byte("zigbee "), 100_000) // 700 KB
			publish(t, c, "zigbee2mqtt/bridge/devices", large, true)
			if err := c.Subscribe([]string{"zigbee2mqtt/bridge/devices", "a/+"}); err != nil {
				t.Fatal(err)
			}
			m := next(t, got)
			if !m.Retained || !bytes.Equal(m.Payload, large) {
				t.Errorf("retained %v, %d bytes; want true, %d", m.Retained, len(m.Payload), len(large))
			}
			publish(t, c, "a/b", []byte("1"), false)
			if m := next(t, got); m.Topic != "a/b" || string(m.Payload) != "1" || m.Retained {
				t.Errorf("got %+v", m)
			}
			if err := c.Subscribe([]string{"a/+"}); err != nil { // and no longer bridge/devices
				t.Fatal(err)
			}
			publish(t, c, "a/b", []byte("2"), false)
			if m := next(t, got); string(m.Payload) != "2" {
				t.Errorf("got %+v", m)
			}
		})
	}
}

func TestBrokerDownIsSaidAndRetried(t *testing.T) {
	t.Parallel()
	b := mosquittotest.Start(t, mosquittotest.Options{})
	c, got := open(t, Options{URL: b.URL()})
	if err := c.Subscribe([]string{"meter"}); err != nil {
		t.Fatal(err)
	}
	await(t, c, "connect", online)
	b.Stop()
	s := await(t, c, "lose", func(s Status) bool { return !s.Connected })
	if !strings.Contains(s.Problem, "next try in") {
		t.Errorf("problem %q does not say that it is retried", s.Problem)
	}
	if err := c.Publish(context.Background(), "meter", nil, false); !errors.Is(err, ErrOffline) {
		t.Errorf("publish while down: %v, want ErrOffline", err)
	}
	await(t, c, "refused", func(s Status) bool { return strings.Contains(s.Problem, "connection refused") })
	b.Restart(t)
	await(t, c, "reconnect", online)
	publish(t, c, "meter", []byte("7"), true) // retained: also right if the subscription is a moment later
	if m := next(t, got); string(m.Payload) != "7" {
		t.Errorf("after the reconnect: %+v", m)
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "passwords")
	if out, err := exec.Command("mosquitto_passwd", "-b", "-c", file, "edge", "right-secret").CombinedOutput(); err != nil {
		t.Skipf("mosquitto_passwd is not usable here: %v %s", err, out)
	}
	b := mosquittotest.Start(t, mosquittotest.Options{Lines: []string{"allow_anonymous false", "password_file " + file}})
	for _, version := range []int{0, 4} {
		var log bytes.Buffer
		bad, _ := open(t, Options{URL: b.URL(), Username: "edge", Password: "wrong-secret", Version: version, Log: slog.New(slog.NewTextHandler(&log, nil))})
		s := await(t, bad, "refuse", func(s Status) bool { return strings.Contains(s.Problem, "user and password") })
		if strings.Contains(s.Problem+fmt.Sprint(s), "secret") || strings.Contains(bad.o.String(), "secret") {
			t.Error("the password is shown")
		}
	}
	good, _ := open(t, Options{URL: strings.Replace(b.URL(), "//", "//edge:right-secret@", 1)})
	await(t, good, "accept", online)
	if s := good.Status(); strings.Contains(s.Broker, "secret") {
		t.Error("the URL's password is shown")
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ca, listener := certificates(t)
	b := mosquittotest.Start(t, mosquittotest.Options{Listener: listener})
	url := strings.Replace(b.URL(), "mqtt://", "mqtts://", 1)
	stranger, _ := open(t, Options{URL: url})
	await(t, stranger, "distrust", func(s Status) bool { return strings.Contains(s.Problem, "signed by nobody known") })
	c, got := open(t, Options{URL: url, CAFile: ca})
	if err := c.Subscribe([]string{"x"}); err != nil {
		t.Fatal(err)
	}
	await(t, c, "connect", online)
	publish(t, c, "x", []byte("1"), true)
	if m := next(t, got); m.Topic != "x" {
		t.Errorf("got %+v", m)
	}
}

// certificates makes a self-signed certificate for 127.0.0.1.
func certificates(t *testing.T) (ca string, listener []string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ca, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, ca, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", raw)
	return ca, []string{"certfile " + ca, "keyfile " + keyFile}
}

func writePEM(t *testing.T, path, kind string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOlderBroker puts a proxy in front that answers MQTT 5 as a broker of
// 3.1.1 does: CONNACK without properties, return code 1.
func TestOlderBroker(t *testing.T) {
	t.Parallel()
	b := mosquittotest.Start(t, mosquittotest.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go older(in, b.Port)
		}
	}()
	c, _ := open(t, Options{URL: "mqtt://" + l.Addr().String()})
	if s := await(t, c, "fall back", online); s.Version != "3.1.1" {
		t.Errorf("connected by MQTT %s, want 3.1.1", s.Version)
	}
}

func older(in net.Conn, port int) {
	defer func() { _ = in.Close() }()
	head := make([]byte, 9) // fixed header, "MQTT" behind its length, version
	if _, err := io.ReadFull(in, head); err != nil {
		return
	}
	if head[8] == 5 {
		_, _ = in.Write([]byte{0x20, 2, 0, 1})
		return
	}
	out, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	_, _ = out.Write(head)
	go func() { _, _ = io.Copy(in, out) }()
	_, _ = io.Copy(out, in)
}

func TestNeverReceived(t *testing.T) {
	t.Parallel()
	b := mosquittotest.Start(t, mosquittotest.Options{})
	c, got := open(t, Options{URL: b.URL(), Never: []string{"zigbee2mqtt/bridge/logging"}})
	await(t, c, "connect", online)
	for _, filter := range []string{"#", "zigbee2mqtt/#", "zigbee2mqtt/bridge/+", "+/bridge/logging", "zigbee2mqtt/bridge/logging/#"} {
		if err := c.Subscribe([]string{"a", filter}); err == nil {
			t.Errorf("filter %q was taken", filter)
		}
	}
	c.deliver(Message{Topic: "zigbee2mqtt/bridge/logging"})
	c.deliver(Message{Topic: "a"})
	if m := next(t, got); m.Topic != "a" {
		t.Errorf("got %+v", m)
	}
}

func TestWordsAndRefusals(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://x", "mqtt://", "://"} {
		if _, err := New(Options{URL: url}, nil); err == nil {
			t.Errorf("broker %q was taken", url)
		}
	}
	c, err := New(Options{URL: "localhost"}, func(Message) {})
	if err != nil {
		t.Fatal(err)
	}
	if c.o.String() != "mqtt://localhost:1883" {
		t.Errorf("broker %s", c.o)
	}
	for _, topic := range []string{"", "a/#", "+", "a\x00"} {
		if err := c.Publish(context.Background(), topic, nil, false); err == nil || errors.Is(err, ErrOffline) {
			t.Errorf("publish to %q: %v", topic, err)
		}
	}
	if err := c.Subscribe([]string{""}); err == nil {
		t.Error("an empty filter was taken")
	}
	for n, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 7: time.Minute, 1000: time.Minute} {
		if got := backOff(n); got != want {
			t.Errorf("back-off %d: %v, want %v", n, got, want)
		}
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true},
		{"a/+", "a/b", true},
		{"a/#", "a", true},
		{"a/#", "a/b/c", true},
		{"+/+", "a", false},
		{"a/+", "a/b/c", false},
		{"#", "$SYS/x", false},
		{"$SYS/#", "$SYS/x", true},
		{"a", "a/b", false},
	} {
		if got := Matches(c.filter, c.topic); got != c.want {
			t.Errorf("%s matches %s: %v", c.filter, c.topic, got)
		}
	}
}
