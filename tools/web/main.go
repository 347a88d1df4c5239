// Command web builds what the portal's pages are made of: the engine as
// WebAssembly, scripts, style, pictures and catalogues, each under a name with
// its hash, compressed, with a manifest, in internal/portal/web/dist.
//
// It is run by go generate and make. Nothing is built again while what it is
// built from has the same names, sizes and times.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// tree is where things are; all paths are absolute.
type tree struct {
	root   string // of the repository
	web    string // internal/portal/web
	cache  string // .local/web
	npm    string // .local/npm
	goroot string // of the go that builds
	best   bool   // compress the engine as well as brotli can
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("web: ")
	best := flag.Bool("best", false, "compress the engine as small as it gets (takes half a minute)")
	force := flag.Bool("force", false, "build although nothing changed")
	axe := flag.Bool("axe", false, "only fetch axe-core for the tests and print its path")
	modules := flag.Bool("modules", false, "only fetch npm packages and write the types")
	scenes := flag.Bool("scenes", false, "only build the portal on a scripted engine, for tests, into .local/web/scenes")
	trial := flag.Bool("trial", false, "only bundle what tests of the disk and of tabs need, into .local/web/trial")
	size := flag.Bool("size", false, "only build the engine and print how large it is, in bytes and compressed as small as it gets")
	flag.Parse()
	root, err := findRoot()
	if err != nil {
		log.Fatal(err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		log.Fatal(err)
	}
	t := tree{
		root: root, best: *best, goroot: strings.TrimSpace(string(goroot)),
		web:   filepath.Join(root, "internal", "portal", "web"),
		cache: filepath.Join(root, ".local", "web"),
		npm:   filepath.Join(root, ".local", "npm"),
	}
	unlock, err := t.lock()
	if err != nil {
		log.Fatal(err)
	}
	defer unlock()
	switch {
	case *size:
		err = t.printSize()
	case *axe:
		err = t.printAxe()
	case *scenes:
		err = t.scenes()
	case *trial:
		err = t.trial()
	case *modules:
		err = t.prepare()
	default:
		err = t.build(*force)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// findRoot goes up from the working directory to the module of the product.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "engine")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("run it inside the repository: no cmd/engine above the working directory")
		}
	}
}

// lock lets one build run at a time: tests of several packages begin with one.
func (t tree) lock() (unlock func(), err error) {
	if err := os.MkdirAll(t.cache, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(t.cache, "lock"))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, fmt.Errorf("wait for another build: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

// prepare fetches packages and writes what is generated in the sources.
func (t tree) prepare() error {
	for _, dir := range []string{t.cache, t.npm} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := t.fetchPackages(); err != nil {
		return err
	}
	ts, err := typesOf(filepath.Join(t.root, "internal", "engine"))
	if err != nil {
		return err
	}
	return writeChanged(filepath.Join(t.web, "src", "engine", "api.gen.ts"), ts)
}

func (t tree) build(force bool) error {
	begin := time.Now()
	print, err := t.fingerprint()
	if err != nil {
		return err
	}
	stamp := filepath.Join(t.cache, "stamp")
	if old, err := os.ReadFile(stamp); err == nil && string(old) == print && !force && t.whole() {
		return nil
	}
	if err := t.prepare(); err != nil {
		return err
	}
	if err := t.emit(); err != nil {
		return err
	}
	if print, err = t.fingerprint(); err != nil { // generated sources may be new
		return err
	}
	fmt.Printf("pages built in %.1f s\n", time.Since(begin).Seconds())
	return writeChanged(stamp, []byte(print))
}
