// Package node assembles a node: configuration, start order, periodic work,
// shutdown, backup. It is the only place that knows all of its parts, and it
// keeps nothing outside of Node, so that several run in one process.
package node

import (
	"context"
	"errors"
	"time"
)

// Node is one running node. Open makes it listen, Serve makes it answer.
type Node struct {
	cfg Config
}

// Open opens the databases, makes the node's key on the first start, and
// listens: Addr and Authority are final. It answers nothing before Serve.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	return nil, errors.ErrUnsupported
}

// Serve answers until ctx ends or Close is called, then stops in stages:
// intake, running requests, sockets, periodic work. It returns nil after an
// orderly stop. The databases stay open until Close.
func (n *Node) Serve(ctx context.Context) error { return errors.ErrUnsupported }

// Addr is the address listened on, host:port.
func (n *Node) Addr() string { return "" }

// Authority is the node's domain, with the port where it is a .localhost one.
func (n *Node) Authority() string { return n.cfg.Authority }

// BaseURL is the start of every address of the node, without a final slash.
func (n *Node) BaseURL() string { return "" }

// Close stops serving and closes the databases. It may be called twice.
func (n *Node) Close() error { return nil }

// Invite makes a one-use invitation for a new account, valid for d.
func (n *Node) Invite(ctx context.Context, d time.Duration) (string, error) {
	return "", errors.ErrUnsupported
}

// Report says in words what a backup or a restore did, one line each.
type Report struct {
	Lines []string
}

// Backup copies the node of dataDir, running or not, into dir, which must not
// exist. It holds the node's key: keep it as safe as the node.
func Backup(ctx context.Context, dataDir, dir string, now time.Time) (Report, error) {
	return Report{}, errors.ErrUnsupported
}

// Restore makes dataDir, which must not exist, from a backup. Every circle is
// fenced until its anchor presents its active set.
func Restore(ctx context.Context, dir, dataDir string, now time.Time) (Report, error) {
	return Report{}, errors.ErrUnsupported
}
