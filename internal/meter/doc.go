// Package meter counts what organisations use; never persons, never rights (L11).
package meter
