//go:build !unix

package operator

// disk is not known on this system.
func disk(string) (free, size int64) { return 0, 0 }
