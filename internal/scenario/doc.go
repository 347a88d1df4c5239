// Package scenario holds tests that need whole nodes, edges, brokers and
// processes, and the benchmarks beside peers. It has no code of its own.
package scenario
