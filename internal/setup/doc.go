// Package setup helps an operator to a running node: it writes a commented
// configuration and the records that a domain needs, and checks a domain from
// outside.
package setup
