package webtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// The release of axe-core (MPL-2.0) that tests run; it is fetched, never kept
// here nor shipped.
const (
	axeVersion   = "4.14.1"
	axeIntegrity = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==" // SHA-512 of the package
	axeSum       = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"                         // SHA-256 of axe.min.js
)

// Finding is what axe-core objects to: a rule and where it is broken.
type Finding struct {
	ID, Impact, Help string
	Where            []string
}

// Axe asserts that axe-core finds nothing on the page, in light and in dark.
func (tab *Tab) Axe() {
	tab.t.Helper()
	for _, f := range tab.Findings() {
		tab.t.Errorf("axe: %s (%s): %s: %s", f.ID, f.Impact, f.Help, strings.Join(f.Where, "; "))
	}
}

// Findings are what axe-core finds, in light and in dark.
func (tab *Tab) Findings() []Finding {
	tab.t.Helper()
	source, err := axeSource()
	if err != nil {
		tab.t.Fatalf("axe-core: %v", err)
	}
	defer func() { tab.apply(tab.look) }()
	var all []Finding
	for _, l := range []Look{Light, Dark} {
		tab.do("scheme", scheme(l))
		found, err := tab.runAxe(source)
		if err != nil {
			tab.t.Fatalf("axe-core: %v", err)
		}
		for _, f := range found {
			f.ID += l.name()
			all = append(all, f)
		}
	}
	return all
}

// runAxe runs in a world of its own, so that neither the page's policy nor
// its scripts have to do with it.
func (tab *Tab) runAxe(source string) ([]Finding, error) {
	ctx, cancel := context.WithTimeout(tab.ctx, 2*wait)
	defer cancel()
	tree, err := chromedp.Call(ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		return nil, err
	}
	world, err := chromedp.Call(ctx, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{
		FrameID: tree.FrameTree.Frame.ID, WorldName: "axe",
	})
	if err != nil {
		return nil, err
	}
	in := func(p *runtime.EvaluateParams) { p.ContextID = world.ExecutionContextID }
	if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](source+"\n;0", in)); err != nil {
		return nil, err
	}
	raw, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](axeRun, in, chromedp.EvalAwaitPromise))
	if err != nil {
		return nil, err
	}
	var found []Finding
	return found, json.Unmarshal(raw, &found)
}

const axeRun = `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v => ({
	ID: v.id, Impact: v.impact ?? "", Help: v.help,
	Where: v.nodes.map(n => n.target.flat().join(" ") + " " + n.html.slice(0, 160) + " " + n.any.map(a => a.message).join(" ").slice(0, 200))})))`

// axeSource is axe.min.js, from .local/npm/axe-core or fetched there.
func axeSource() (string, error) {
	dir, err := local("npm/axe-core")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "axe.min.js")
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		if b, err = fetchAxe(); err == nil {
			err = writeWhole(file, b)
		}
	}
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	if hex.EncodeToString(sum[:]) != axeSum {
		return "", fmt.Errorf("%s is not that of axe-core %s", file, axeVersion)
	}
	return string(b), nil
}

// writeWhole writes a file that other test programs may be writing too.
func writeWhole(file string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".axe-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// fetchAxe takes the package from the registry by npm and checks it.
func fetchAxe() ([]byte, error) {
	dir, err := os.MkdirTemp("", "axe-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", "axe-core@"+axeVersion)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm pack: %w: %.300s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "axe-core-"+axeVersion+".tgz"))
	if err != nil {
		return nil, err
	}
	if sum := sha512.Sum512(b); base64.StdEncoding.EncodeToString(sum[:]) != axeIntegrity {
		return nil, errors.New("the package is not the pinned one")
	}
	return fromPackage(b, "package/axe.min.js")
}

func fromPackage(tgz []byte, name string) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(tgz))
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if h.Name == name {
			return io.ReadAll(r)
		}
	}
}
