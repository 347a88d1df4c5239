// Package namesdoor answers names over HTTP.
package namesdoor
