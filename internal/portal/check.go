package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"regexp"
	"slices"

	"primum/identity"
)

const (
	checkMost  = 500 // assets that a manifest may list
	checkBytes = 64 << 20
)

// Finding is one line of a check: the id of a sentence, its blanks, and whether
// it is as it should be.
type Finding struct {
	Good  bool
	ID    string
	Pairs []any
}

// Check is what came of CheckWeb.
type Check struct {
	Findings []Finding
	// Compared: the node serves the version that this program has, so that a
	// good result says something.
	Compared bool
}

// Good tells whether all that was looked at is as it should be.
func (c Check) Good() bool {
	return c.Compared && !slices.ContainsFunc(c.Findings, func(f Finding) bool { return !f.Good })
}

func (c *Check) add(good bool, id string, pairs ...any) {
	c.Findings = append(c.Findings, Finding{good, id, pairs})
}

// ErrNoManifest means that a node gives no usable list of its pages' assets.
var ErrNoManifest = errors.New("the node gives no usable list of its pages' assets")

// CheckWeb fetches from outside what a node's portal is made of, and compares
// it with itself and with this program's own. get asks the node's host and
// follows no redirect to another.
func CheckWeb(ctx context.Context, get *http.Client, authority, version string) (Check, error) {
	return CheckWebAgainst(ctx, get, Config{
		Authority: authority, Version: version, TLS: !identity.IsLoopback(authority), LAN: identity.IsLoopback(authority), Next: http.NotFoundHandler(),
	})
}

// CheckWebAgainst is CheckWeb with a portal of the caller's choice as the one
// to compare with.
func CheckWebAgainst(ctx context.Context, get *http.Client, as Config) (Check, error) {
	own, err := New(as)
	if err != nil {
		return Check{}, err
	}
	defer own.Stop()
	f := fetcher{get, own.base}
	served, err := f.manifest(ctx)
	if err != nil {
		return Check{}, err
	}
	var c Check
	if err := c.assets(ctx, f, served); err != nil {
		return c, err
	}
	c.compare(served, own.assets.manifest)
	if c.Compared {
		if err := c.compressed(ctx, f, own.assets); err != nil {
			return c, err
		}
	}
	return c, c.shell(ctx, f, own, served)
}

// fetcher gets a node's files as a stranger does.
type fetcher struct {
	client *http.Client
	base   string
}

func (f fetcher) get(ctx context.Context, path string) (*http.Response, []byte, error) {
	return f.coded(ctx, path, "identity")
}

// coded asks for a file in one coding and takes its bytes as they come.
func (f fetcher) coded(ctx context.Context, path, coding string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+path, http.NoBody)
	if err != nil {
		return nil, nil, fmt.Errorf("fetch %s: %w", path, err)
	}
	req.Header.Set("Accept-Language", languages()[0])
	req.Header.Set("Accept-Encoding", coding)
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("fetch %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, checkBytes+1))
	if err == nil && len(b) > checkBytes {
		err = errors.New("it has more than 64 MiB")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("fetch %s: %w", path, err)
	}
	return resp, b, nil
}

func (f fetcher) manifest(ctx context.Context) (m Manifest, err error) {
	resp, b, err := f.get(ctx, ManifestPath)
	if err != nil {
		return m, err
	}
	if resp.StatusCode != http.StatusOK {
		return m, fmt.Errorf("%w: status %d", ErrNoManifest, resp.StatusCode)
	}
	return ParseManifest(b)
}

// assetPath is how a path of a manifest looks: nothing that leads elsewhere.
var assetPath = regexp.MustCompile(`^/assets/[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// ParseManifest reads a node's list of assets. Errors: ErrNoManifest.
func ParseManifest(b []byte) (m Manifest, err error) {
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%w: it is not JSON", ErrNoManifest)
	}
	if len(m.Assets) > checkMost || len(m.Version) > 100 {
		return m, fmt.Errorf("%w: it is too long", ErrNoManifest)
	}
	m.Version = clean(m.Version)
	seen := map[string]bool{}
	for _, a := range m.Assets {
		if !assetPath.MatchString(a.Path) || len(a.SHA256) != 64 || a.Bytes < 0 || seen[a.Path] {
			return m, fmt.Errorf("%w: it lists what is no asset", ErrNoManifest)
		}
		seen[a.Path] = true
	}
	return m, nil
}

// assets fetches every asset and compares it with the node's own list.
func (c *Check) assets(ctx context.Context, f fetcher, served Manifest) error {
	before := len(c.Findings)
	for _, a := range served.Assets {
		resp, b, err := f.get(ctx, a.Path)
		switch {
		case err != nil:
			return err
		case resp.StatusCode != http.StatusOK:
			c.add(false, "check.web.missing", "Path", a.Path, "Status", resp.StatusCode)
		case hexHash(b) != a.SHA256 || int64(len(b)) != a.Bytes:
			c.add(false, "check.web.differs", "Path", a.Path)
		}
	}
	if len(c.Findings) == before {
		c.add(true, "check.web.consistent", "N", len(served.Assets))
	}
	return nil
}

// compare compares the list with that of this program.
func (c *Check) compare(served, own Manifest) {
	switch {
	case !own.Built():
		c.add(false, "check.web.unbuilt")
		return
	case served.Version != own.Version:
		c.add(false, "check.web.version", "Theirs", served.Version, "Own", own.Version)
		return
	}
	c.Compared = true
	hashes := map[string]string{}
	for _, a := range own.Assets {
		hashes[a.Path] = a.SHA256
	}
	good := true
	for _, a := range served.Assets {
		switch {
		case hashes[a.Path] == "":
			good = false
			c.add(false, "check.web.foreign", "Path", a.Path)
		case hashes[a.Path] != a.SHA256:
			good = false
			c.add(false, "check.web.changed", "Path", a.Path)
		}
		delete(hashes, a.Path)
	}
	for path := range hashes {
		good = false
		c.add(false, "check.web.lacks", "Path", path)
	}
	if good {
		c.add(true, "check.web.same", "Version", own.Version)
	}
}

// compressed compares the form that browsers ask for: a node could keep its
// plain files honest, which browsers never see.
func (c *Check) compressed(ctx context.Context, f fetcher, own *assets) error {
	for _, path := range slices.Sorted(maps.Keys(own.files)) {
		file := own.files[path]
		if file.brotli == 0 {
			continue
		}
		resp, b, err := f.coded(ctx, path, "br")
		if err != nil {
			return err
		}
		want, err := fs.ReadFile(file.from, file.name+".br")
		if err != nil {
			return fmt.Errorf("read own asset: %w", err)
		}
		plain := resp.Header.Get("Content-Encoding") == "" && hexHash(b) == file.sha256
		if resp.StatusCode == http.StatusOK && !plain && !bytes.Equal(b, want) {
			c.add(false, "check.web.changed", "Path", path+" (br)")
		}
	}
	return nil
}

// shell compares the page itself and its headers with what this program would
// serve, and the service worker with the listed one.
func (c *Check) shell(ctx context.Context, f fetcher, own *Portal, served Manifest) error {
	resp, page, err := f.get(ctx, "/my")
	if err != nil {
		return err
	}
	want, err := own.render("/my")
	if err != nil {
		return err
	}
	good := true
	for _, name := range []string{
		"Content-Security-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Embedder-Policy", "Cross-Origin-Resource-Policy",
		"Permissions-Policy", "Referrer-Policy", "X-Content-Type-Options",
	} {
		if resp.Header.Get(name) != want.Header().Get(name) {
			good = false
			c.add(false, "check.web.header", "Name", name)
		}
	}
	if good {
		c.add(true, "check.web.headers")
	}
	if c.Compared {
		same := string(page) == want.String()
		c.add(same, map[bool]string{true: "check.web.shell", false: "check.web.shellDiffers"}[same])
	}
	return c.worker(ctx, f, served)
}

func (c *Check) worker(ctx context.Context, f fetcher, served Manifest) error {
	i := slices.IndexFunc(served.Assets, func(a Asset) bool { return logical(a.Path) == "sw.js" })
	if i < 0 {
		return nil
	}
	resp, b, err := f.get(ctx, "/sw.js")
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || hexHash(b) != served.Assets[i].SHA256 {
		c.add(false, "check.web.worker")
	}
	return nil
}

// rendered is an answer in memory.
type rendered struct {
	header http.Header
	bytes.Buffer
}

func (r *rendered) Header() http.Header { return r.header }
func (r *rendered) WriteHeader(int)     {}

// render is what this portal answers to a visitor who prefers the first
// language.
func (p *Portal) render(path string) (*rendered, error) {
	r, err := http.NewRequest(http.MethodGet, p.base+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.RequestURI = path
	r.Header.Set("Accept-Language", languages()[0])
	w := &rendered{header: http.Header{}}
	p.ServeHTTP(w, r)
	return w, nil
}
