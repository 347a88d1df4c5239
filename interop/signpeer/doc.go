// Package signpeer tests internal/sign against another implementation of
// RFC 9421, in both directions. It holds tests only.
package signpeer
