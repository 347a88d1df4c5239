// Package link is the way to nodes: signed requests (RFC 9421), the node's HTTP
// API one to one, live sockets, and links that keep a socket alive and resume
// its subscriptions by cursor. It knows no net/http: everything goes through
// Transport. Package client has names of its own for what users of it need.
package link
