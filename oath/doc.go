// Package oath holds what an operator swears, and runs from outside the checks
// that show whether it is kept.
//
// Sources: design of ledger and oath; in-toto Statement v1, test-result v0.1.
package oath
