package webtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// startWait bounds the start of the browser, which on a busy machine takes long.
const startWait = 90 * time.Second

// shared is the browser of this test program. It is a variable of the package
// so that every test finds the same one; Main closes it.
var shared chrome

// chrome is a headless Chromium, started when the first tab is made.
type chrome struct {
	mu     sync.Mutex
	mained bool
	ctx    context.Context
	cancel func()
	err    error
}

// Main runs the tests of a package and closes the browser that they shared.
// TestMain calls it: os.Exit(webtest.Main(m)).
func Main(m *testing.M) int {
	shared.mained = true
	code := m.Run()
	shared.close()
	return code
}

// Available says whether there is a browser for tests on this machine.
func Available() bool { return chromium() != "" }

// Path is the browser's, for tests that start and kill one of their own; empty
// without one.
func Path() string { return chromium() }

// chromium is the path of the browser; empty without one.
func chromium() string {
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}
	if own := os.Getenv("PRIMUM_CHROMIUM"); own != "" {
		names = []string{own}
	}
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	return ""
}

// context is the running browser's; it starts it at the first call.
func (b *chrome) context() (context.Context, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.mained {
		return nil, fmt.Errorf("the package's TestMain does not call webtest.Main")
	}
	if b.ctx == nil && b.err == nil {
		b.start(chromium())
	}
	return b.ctx, b.err
}

func (b *chrome) start(path string) {
	opts := append(
		chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-domain-reliability", true),
		chromedp.Flag("no-pings", true),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("disable-features", "Translate,AutofillServerCommunication,OptimizationHints,MediaRouter"),
		// Cameras show a moving pattern; permission is asked as ever.
		chromedp.Flag("use-fake-device-for-media-stream", true),
		// Nothing of the browser itself finds a host; pages go by their proxy.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"),
	)
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}))
	done := make(chan error, 1)
	// The browser lives as long as the context of its first call: no time-out
	// on that, one beside it.
	go func() { done <- chromedp.Do(ctx) }()
	select {
	case b.err = <-done:
	case <-time.After(startWait):
		b.err = fmt.Errorf("%s did not start in %s", path, startWait)
	}
	if b.err != nil {
		stop()
		return
	}
	b.ctx, b.cancel = ctx, func() { cancel(); stop() }
}

func (b *chrome) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
	}
}

// local is a folder below .local of this module; it is made when missing.
func local(name string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, ".local", name)
	return dir, os.MkdirAll(dir, 0o755)
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, e := os.Stat(filepath.Join(dir, "go.mod")); e == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working folder")
		}
		dir = parent
	}
	return "", err
}
