//go:build full

package mls

// modelSteps is the length of a run of TestModel.
const modelSteps = 3400
