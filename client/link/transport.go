package link

import (
	"context"
	"errors"
)

// Transport carries requests to nodes and opens live sockets. It is the only
// way of this package to a network, so that the package compiles without
// net/http; client/nethttp is the usual one. It is safe for concurrent use.
type Transport interface {
	// Do sends one request and reads the whole answer, at most Max bytes. An
	// answer of any status is no error.
	Do(ctx context.Context, r Request) (Response, error)
	// Open opens a WebSocket that offers the subprotocols.
	Open(ctx context.Context, url string, subprotocols []string) (Socket, error)
}

// Request is one HTTP request.
type Request struct {
	Method string
	URL    string
	Header map[string]string
	Body   []byte
	Max    int64 // bytes of the answer, 0 for 2 MiB
}

// Response is the answer to a Request. Header names are in lower case.
type Response struct {
	Status int
	Header map[string]string
	Body   []byte
}

// Socket is an open WebSocket. One goroutine reads; writes may come from
// several.
type Socket interface {
	Read(ctx context.Context) (binary bool, data []byte, err error)
	Write(ctx context.Context, binary bool, data []byte) error
	Close() error
}

// ErrUnreachable is wrapped by every error that means "the other side did not
// answer": no route, no name, no connection, a time-out.
var ErrUnreachable = errors.New("no answer")
