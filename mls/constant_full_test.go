//go:build full

package mls

// constantEpochs is how many epochs TestConstantState lives through.
const constantEpochs = 10_000
