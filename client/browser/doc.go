// Package browser is the transport of clients that run in a browser: its own
// fetch and WebSocket, always to the origin the page came from, as the page's
// Content-Security-Policy wants it. What is for another authority goes to
// "/via/AUTHORITY/PATH" there, and what is for an edge on the local network to
// "/via-lan/HOST:PORT/PATH". Requests are signed for the address that is meant
// (RFC 9421), so that who carries them can't change them.
//
// The package is empty on other systems but for the mapping of addresses.
package browser
