package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/internal/sign"
	"primum/internal/store"
	"primum/internal/wire"
)

// BenchmarkIdleNode is a node in a process of its own: the time from its start
// to the first answer (bar: 1 s), resident memory when idle (40 MB), and its
// growth per live socket over 1,000 that follow an inbox, after a collection
// (20 KB). Then each of them must receive what arrives.
func BenchmarkIdleNode(b *testing.B) {
	const n = 1000
	for b.Loop() {
		c := startChild(b, filepath.Join(b.TempDir(), "node"))
		hc := c.client()
		b.ReportMetric(float64(c.firstAnswer(hc))/1e6, "first-answer-ms")
		b.ReportMetric(float64(c.resident())/1e6, "idle-MB")
		a := c.join(hc)
		c.answers(c.socket(hc, a))
		before := c.resident()
		conns := make([]net.Conn, n)
		for i := range conns {
			conns[i] = c.socket(hc, a)
			c.answers(conns[i])
		}
		b.ReportMetric(float64(c.resident()-before)/n/1e3, "socket-KB")
		began := time.Now()
		c.letter(hc, a)
		var wg sync.WaitGroup
		for _, conn := range conns {
			wg.Go(func() { c.receives(conn) })
		}
		wg.Wait()
		b.ReportMetric(float64(time.Since(began))/1e6, "all-received-ms")
	}
	b.ReportMetric(0, "ns/op")
}

// letter puts a sealed document into the guest's own inbox.
func (c *child) letter(hc *http.Client, g guest) {
	c.t.Helper()
	account, client, _ := strings.Cut(strings.TrimPrefix(g.id, "acct:"), "#")
	body, err := json.Marshal(wire.Sealed{
		Kind: wire.InboxNotice, From: account, To: account, Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
		Copies: []wire.SealCopy{{Client: client, Enc: make([]byte, 32), Box: make([]byte, 256)}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	target := "http://" + c.authority + "/v1/outbox"
	h, err := sign.Headers(sign.Request{Method: "POST", TargetURI: target, Body: body}, g.id, g.key, time.Now(), sign.NewNonce())
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range h {
		req.Header.Set(k, v)
	}
	resp, err := hc.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusAccepted {
		var p wire.Problem
		_ = json.NewDecoder(resp.Body).Decode(&p)
		c.t.Fatalf("letter: %s: %+v", resp.Status, p)
	}
}

// receives reads until an item of the inbox arrives.
func (c *child) receives(conn net.Conn) {
	var got []byte
	b := make([]byte, 2048)
	for !bytes.Contains(got, []byte(`"t":"item"`)) {
		n, err := conn.Read(b)
		if err != nil {
			c.t.Errorf("an idle socket receives %q, %v", got, err)
			return
		}
		got = append(got, b[:n]...)
	}
}

// BenchmarkNodeOfManyCircles starts a node in a process of its own on a store of
// 100,000 circles: the time to the first answer (bar: 1 s) and resident memory
// (200 MB).
func BenchmarkNodeOfManyCircles(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "node")
	fill(b, dir, 100_000)
	info, err := os.Stat(filepath.Join(dir, storeFolder, "log.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("log.db has %d MB", info.Size()/1e6)
	for b.Loop() {
		c := startChild(b, dir)
		b.ReportMetric(float64(c.firstAnswer(c.client()))/1e6, "first-answer-ms")
		b.ReportMetric(float64(c.resident())/1e6, "resident-MB")
	}
	b.ReportMetric(0, "ns/op")
}

// fill opens circles with trackers of the usual size that nobody loads.
func fill(b *testing.B, dir string, circles int) {
	b.Helper()
	s, err := store.Open(context.Background(), filepath.Join(dir, storeFolder), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	for part := range 64 {
		wg.Go(func() {
			for i := part; i < circles; i += 64 {
				c := store.Circle{AnchorKey: fmt.Appendf(nil, "%032d", i), Opened: time.Now()}
				binary.BigEndian.PutUint64(c.ID[:], uint64(i))
				if err := s.Circles.Open(context.Background(), c, make([]byte, 1500), []uint32{0, 1}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
