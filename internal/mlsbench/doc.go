// Package mlsbench measures package mls: the same workload for groups of
// several sizes, as a table.
//
// The group has one committer at leaf 0, as a circle has; nobody else ever
// commits, so most of its tree is blank and a path is sealed to every member
// on its own. That is the dear case of MLS, and the usual one here.
//
// A Side puts another implementation through the same workload: Measure gives
// all sides their turns one after the other, so that a busy machine slows all.
package mlsbench
