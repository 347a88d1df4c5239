//go:build full

package mls

// How much TestConstantState lives through without PRIMUM_SOAK.
const (
	constantEpochs   = 800
	constantMessages = 8_000
)
