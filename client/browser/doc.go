// Package browser is the transport of clients that run in a browser: its own
// fetch and WebSocket, to the origin the page came from.
package browser
