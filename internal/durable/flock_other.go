//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package durable

import "os"

// A browser's engine is alone by Web Locks (docs: one engine per origin).
func tryLock(*os.File) error { return nil }
