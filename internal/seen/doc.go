// Package seen counts what a node delivered to whom, for the owner's eyes only.
package seen
