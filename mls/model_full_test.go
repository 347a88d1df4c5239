//go:build full

package mls

// modelSteps is the length of a run of TestModel; there are three.
const modelSteps = 3400

// modelFaults are those that TestModelSees tries.
func modelFaults() []fault {
	return []fault{
		faultTornWrite, faultFork, faultKeepRemoved, faultSendFirst, faultForgetBlock, faultShowTwice, faultLoseCommit,
	}
}
