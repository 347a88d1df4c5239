package client

import (
	"context"

	"primum/client/link"
)

// What of package link a user of clients needs, under this package's name.
type (
	// Transport carries requests to nodes and opens live sockets; client/nethttp
	// is the usual one.
	Transport = link.Transport
	// Request, Response and Socket are what a Transport carries.
	Request  = link.Request
	Response = link.Response
	Socket   = link.Socket
	// Calls makes signed requests; Key says by whom.
	Calls = link.Calls
	Key   = link.Key
	// Node is a node's HTTP API.
	Node     = link.Node
	Appended = link.Appended
	// Session is one live socket, Event what comes out of it.
	Session = link.Session
	Event   = link.Event
)

// ErrUnreachable is wrapped by every error that means "the other side did not
// answer".
var ErrUnreachable = link.ErrUnreachable

// Connect opens a live session.
func Connect(ctx context.Context, n Node) (*Session, error) { return link.Connect(ctx, n) }

// IsProblem tells whether err is or wraps the named problem (wire.Prob…).
func IsProblem(err error, name string) bool { return link.IsProblem(err, name) }

// PublishFirst publishes an identity document that stands for itself.
func PublishFirst(ctx context.Context, c Calls, compact string) error {
	return link.PublishFirst(ctx, c, compact)
}
