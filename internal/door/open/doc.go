// Package opendoor lets anyone read open values over HTTP.
package opendoor
