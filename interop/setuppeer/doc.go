// Package setuppeer sets nodes up against a stock ACME server (Pebble) and a
// stock name server (NSD) on this machine, from the command line to a visit
// over https. It holds tests only.
package setuppeer
