// Package ldpeer reads the terms of a grant with a JSON-LD processor. It holds
// tests only.
package ldpeer
