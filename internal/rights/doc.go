// Package rights serves what a person may ask of a node without a price: access
// to what it holds about them, export, import, erasure, objection and complaint
// (requirement L11). It can't reach the meter: layers_test.go and a test of the
// meter see to it.
package rights
