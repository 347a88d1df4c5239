//go:build race

package node

// raced: the race detector multiplies memory, so sizes mean nothing.
const raced = true
