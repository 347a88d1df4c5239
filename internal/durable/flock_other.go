//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package durable

import "os"

// A browser's engine is alone by Web Locks (docs: one engine per origin).
func tryLock(*os.File) error { return nil }

// syncDir: a directory can't be synced here; the rename is as safe as the
// system makes it.
func syncDir(string) error { return nil }
