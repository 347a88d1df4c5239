//go:build !full

package mls

// modelSteps is the length of a run of TestModel; there are three.
const modelSteps = 150

// modelFaults are those that TestModelSees tries: which are found soon.
func modelFaults() []fault { return []fault{faultTornWrite, faultFork, faultKeepRemoved} }
