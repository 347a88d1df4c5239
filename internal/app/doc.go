// Package app is `primum app`: the portal on this machine, for people who want
// no server between them and their keys.
package app
