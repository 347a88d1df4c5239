package node

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"primum/internal/peer"
)

// hits is a load of HTTP/1.1 requests over connections that stay open, one
// request on the way per connection. The clients are bare sockets that parse no
// more than they must, so that the server is what is measured.
type hits struct {
	b     *testing.B
	conns []*hitter
}

// hitter is one connection.
type hitter struct {
	conn net.Conn
	in   *bufio.Reader
}

// newHits connects so many clients; the connections end with the benchmark.
func newHits(b *testing.B, address string, clients int) *hits {
	b.Helper()
	h := &hits{b: b}
	for range clients {
		conn, err := peer.Dialer{Loopback: true}.DialContext(b.Context(), "tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		h.conns = append(h.conns, &hitter{conn, bufio.NewReaderSize(conn, 16<<10)})
	}
	return h
}

// run sends request(0) to request(n-1), each by whichever connection is free, and
// tells how long it took until all were answered with the wanted status.
func (h *hits) run(n, status int, request func(i int) []byte) time.Duration {
	h.b.Helper()
	want := []byte(strconv.Itoa(status))
	begin := time.Now()
	var wg sync.WaitGroup
	for k, c := range h.conns {
		wg.Go(func() {
			for i := k; i < n; i += len(h.conns) {
				if err := c.hit(request(i), want); err != nil {
					h.b.Errorf("request %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

// hit sends a request and reads its answer whole.
func (c *hitter) hit(request, want []byte) error {
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < 12 || !bytes.Equal(line[9:12], want) {
		return fmt.Errorf("answered %q, want %s", line, want)
	}
	length, chunked, err := c.header()
	if err != nil || !chunked {
		_, err2 := c.in.Discard(length)
		return errorOf(err, err2)
	}
	return c.chunks()
}

func errorOf(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// header reads to the empty line (RFC 9112 §2.1).
func (c *hitter) header() (length int, chunked bool, err error) {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil || len(line) <= 2 {
			return length, chunked, err
		}
		switch {
		case hasName(line, "content-length:"):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[15:]))); err != nil {
				return 0, false, err
			}
		case hasName(line, "transfer-encoding:"):
			chunked = true
		}
	}
}

func hasName(line []byte, name string) bool {
	return len(line) > len(name) && line[0]|0x20 == name[0] && bytes.EqualFold(line[:len(name)], []byte(name))
}

// chunks reads a body in chunks (RFC 9112 §7.1).
func (c *hitter) chunks() error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, c.in, size+2); err != nil || size == 0 {
			return err
		}
	}
}

// getRequest is a GET of a path.
func getRequest(host, path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nAccept: */*\r\n\r\n")
}

// bodyRequest sends a Thing Description with a publisher's token.
func bodyRequest(method, host, path, token string, body []byte) []byte {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/td+json\r\nContent-Length: %d\r\nAuthorization: Bearer %s\r\n\r\n", method, path, host, len(body), token)
	return append([]byte(head), body...)
}
