// Package trace keeps what crossed between test persons and a node, and finds in
// it words in any spelling, and names, numbers and stretches of bytes that two
// sides have in common.
package trace
