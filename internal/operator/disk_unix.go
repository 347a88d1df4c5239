//go:build unix

package operator

import "syscall"

// disk is how much is free on the file system of a folder, and its size, in
// bytes; zeros where the system does not tell.
func disk(dir string) (free, size int64) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0
	}
	block := int64(s.Bsize)
	return int64(s.Bavail) * block, int64(s.Blocks) * block
}
