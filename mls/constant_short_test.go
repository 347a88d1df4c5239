//go:build !full

package mls

// How much TestConstantState lives through without PRIMUM_SOAK.
const (
	constantEpochs   = 80
	constantMessages = 1_600
)
