// Package resolve answers a name, or refers to the node that can.
package resolve
