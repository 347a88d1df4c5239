// Package person gives the oath's checks their cast: a test person, two grantees
// and a thing whose values are canaries, all made through the public door; and
// the probes that need them, for clauses O03–O08, O10, O11 and O15.
//
// Everybody of the cast looks to the node like anybody else: ordinary names, the
// programs that real people use, documents like theirs. No probe touches an
// account that the check did not make.
//
// Source: design of ledger and oath; docs/spec/clauses.md.
package person
