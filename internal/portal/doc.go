// Package portal serves the pages and the assets of a person's portal, and
// carries the requests of a page to other nodes. It holds no key and opens no
// value: that is done in the page, by package engine.
package portal
