// Package wotdoor is the Thing Description directory over HTTP.
package wotdoor
