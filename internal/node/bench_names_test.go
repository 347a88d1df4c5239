package node

import (
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"primum/internal/durable"
	"primum/internal/linkset"
)

// nginxConf answers every request with one redirect: one worker per core, an
// access log or "off".
const nginxConf = `daemon off; worker_processes auto; pid %[1]s/pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log %[3]s; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  server { listen 127.0.0.1:%[2]s; location / { return 307 https://example.com/product; } }
}
`

// startNginx runs nginx until the benchmark ends, with an access log as Debian
// sets it up, or without.
func startNginx(b *testing.B, logs bool) (address string) {
	b.Helper()
	bin, err := exec.LookPath("nginx")
	if err != nil {
		b.Skip("no nginx here (Debian: apt-get install nginx-light)")
	}
	dir := b.TempDir()
	port := freePort(b)
	log := "off"
	if logs {
		log = filepath.Join(dir, "access.log")
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, port, log), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), bin, "-p", dir, "-e", "stderr", "-c", conf)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	startPeer(b, cmd, "127.0.0.1:"+port)
	return "127.0.0.1:" + port
}

// startPeer starts a server and waits until it takes connections.
func startPeer(b *testing.B, cmd *exec.Cmd, address string) {
	b.Helper()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	b.Cleanup(func() {
		_ = cmd.Cancel()
		<-ended
	})
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			tick.Stop()
			return
		}
		select {
		case <-ended:
			b.Fatalf("%s ended before it listened", cmd.Path)
		case <-tick.C:
		}
	}
}

// freePort is a port of which the kernel says that it is free.
func freePort(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err := errorOf(err, l.Close()); err != nil {
		b.Fatal(err)
	}
	return port
}

// childBare tells this test binary to be a net/http server whose handler does
// nothing but redirect: what the node's own work costs is what lies above it.
const childBare = "PRIMUM_TEST_BARE"

// beBare serves until its standard input ends.
func beBare() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	target := []string{"https://example.com/product"}
	s := &http.Server{
		ReadHeaderTimeout: headerWait, ReadTimeout: bodyWait, WriteTimeout: answerWait, IdleTimeout: idleWait,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Location"] = target
			w.WriteHeader(http.StatusTemporaryRedirect)
		}),
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = s.Close()
	}()
	fmt.Println(l.Addr())
	_ = s.Serve(l) // until it is closed
}

func startBare(b *testing.B) (address string) {
	b.Helper()
	c := &child{t: b, cmd: exec.CommandContext(b.Context(), os.Args[0])}
	c.cmd.Env = append(os.Environ(), childBare+"=1")
	c.start()
	return c.line()
}

// product is the path of the i-th of many product codes (GTIN-14).
func product(i int) string {
	digits := fmt.Sprintf("0%012d", 401234500000+i)
	sum := 0
	for k, d := range digits {
		sum += int(d-'0') * (3 - 2*(k%2))
	}
	return fmt.Sprintf("01/%s%d", digits, (10-sum%10)%10)
}

// products are so many with one link each.
func products(n int) iter.Seq2[linkset.Item, error] {
	return func(yield func(linkset.Item, error) bool) {
		for i := range n {
			e := linkset.Entry{LinkType: "gs1:pip", Href: "https://example.com/" + product(i), Title: "About this product", Default: true}
			if !yield(linkset.Item{Anchor: product(i), Description: fmt.Sprintf("Product %d", i), Entries: []linkset.Entry{e}}, nil) {
				return
			}
		}
	}
}

// publicRooms makes the folder of a node, which does not run, for what is public.
func publicRooms(b *testing.B, dir string) (names string) {
	b.Helper()
	names = filepath.Join(dir, namesFolder)
	if err := errorOf(durable.MakeDir(dir), durable.MakeDir(names)); err != nil {
		b.Fatal(err)
	}
	return names
}

// fillLinks gives the node of dir so many products, and says how many a second.
func fillLinks(b *testing.B, dir string, n int) (each float64) {
	b.Helper()
	names := publicRooms(b, dir)
	book, err := linkset.Open(b.Context(), names, linkset.Options{})
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	_, err = book.Import(b.Context(), "bench", products(n), nil)
	if err := errorOf(err, book.Close()); err != nil {
		b.Fatal(err)
	}
	return float64(n) / time.Since(began).Seconds()
}

// redirects asks for so many product codes.
func (h *hits) redirects(host string, n int) time.Duration {
	h.b.Helper()
	return h.run(n, http.StatusTemporaryRedirect, func(i int) []byte { return getRequest(host, "/"+product(i)) })
}

// BenchmarkRedirects asks for 20,000 product codes, in turns, of a node, of nginx
// that says one 307 to all, with an access log (as Debian sets it up) and
// without, and of a net/http server that does the same: 32 clients on connections that
// stay open. Each code was asked for before. "handed" are connections of the node
// that once asked for something else, which package express left to net/http.
// Bar: 0.6 of nginx.
func BenchmarkRedirects(b *testing.B) {
	const turns, each, clients = 6, 20_000, 32
	logging, quiet, bare := startNginx(b, true), startNginx(b, false), startBare(b)
	dir := filepath.Join(b.TempDir(), "node")
	fillLinks(b, dir, each)
	node := startChild(b, dir).authority
	sides := []*struct {
		what, host string
		*hits
		took time.Duration
	}{{what: "redirects", host: node}, {what: "nginx-logging", host: logging}, {what: "nginx", host: quiet}, {what: "bare", host: bare}, {what: "handed", host: node}}
	for i := range sides {
		s := sides[len(sides)-1-i] // those to be handed over first, while nothing is ready
		s.hits = newHits(b, s.host, clients)
		s.redirects(s.host, each)
		if s.what == "redirects" { // what was not ready yet was net/http's
			s.hits = newHits(b, s.host, clients)
		}
	}
	for b.Loop() {
		for range turns {
			for _, s := range sides {
				s.took += s.redirects(s.host, each)
			}
		}
	}
	ours := sides[0].took.Seconds()
	for _, s := range sides {
		b.ReportMetric(float64(b.N*turns*each)/s.took.Seconds(), s.what+"/s")
		if s != sides[0] {
			b.ReportMetric(s.took.Seconds()/ours, s.what+"-ratio")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkNodeOfManyNames starts a node in a process of its own on 1,000,000
// links of as many products: the time to the first answer and resident memory,
// before and after 20,000 of them were asked for.
func BenchmarkNodeOfManyNames(b *testing.B) {
	const links, asked = 1_000_000, 20_000
	dir := filepath.Join(b.TempDir(), "node")
	imported := fillLinks(b, dir, links)
	info, err := os.Stat(filepath.Join(dir, namesFolder, linkset.FileName))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c := startChild(b, dir)
		b.ReportMetric(float64(c.firstAnswer(c.client()))/1e6, "first-answer-ms")
		b.ReportMetric(float64(c.resident())/1e6, "resident-MB")
		h := newHits(b, c.authority, 32)
		took := h.run(asked, http.StatusTemporaryRedirect, func(i int) []byte { return getRequest(c.authority, "/"+product(i*49)) })
		b.ReportMetric(asked/took.Seconds(), "cold-redirects/s")
		b.ReportMetric(float64(c.resident())/1e6, "asked-MB")
	}
	b.ReportMetric(imported, "imported/s")
	b.ReportMetric(float64(info.Size())/links, "B/link")
	b.ReportMetric(0, "ns/op")
}
