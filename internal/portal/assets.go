package portal

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

//go:embed all:web/dist
var dist embed.FS

//go:embed page.css
var ownFiles embed.FS

// pageStyle is the style of the pages without script.
const pageStyle = "page.css"

const (
	assetsPath = "/assets/"
	// ManifestPath is where the hashes of all assets are.
	ManifestPath = "/.well-known/primum-assets.json"
	// manifestFile is written by the build, beside the folder assets.
	manifestFile = "manifest.json"
	immutable    = "public, max-age=31536000, immutable"
)

// Manifest lists what the pages are made of, so that everybody can compare
// what a node serves with what was released (`primum check DOMAIN --web`).
type Manifest struct {
	Version string  `json:"version"`
	Assets  []Asset `json:"assets"`
}

// Asset is one file: its path on the server, its SHA-256 in hexadecimal, and
// its size uncompressed.
type Asset struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// assets are the files and their logical names: "my.js" for
// "/assets/my.HASH.js".
type assets struct {
	files    map[string]*file // by path
	paths    map[string]string
	manifest Manifest
	json     []byte
	built    bool
	broken   error // why the build is not used
}

// file is one asset. It stays where it is until somebody asks for it: the
// engine alone has ten megabytes. Its gzip is made on first need.
type file struct {
	kind         string
	from         fs.FS
	name         string
	size         int64
	sha256       string
	brotli       int64 // size of name+".br", 0: there is none
	compressible bool

	gzipOnce sync.Once
	gzip     []byte
}

// Dist is what was built into this program: manifest.json and assets/. It is
// empty where the pages were not built.
func Dist() (fs.FS, error) {
	f, err := dist.Open("web/dist/pages.zip")
	if errors.Is(err, fs.ErrNotExist) {
		return fs.Sub(dist, "web/dist")
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	at, ok := f.(io.ReaderAt) // as embedded files are
	if !ok {
		return nil, errors.New("the built pages can't be read at a place")
	}
	return zip.NewReader(at, st.Size())
}

// OwnManifest lists the assets in this program; its list of built assets is
// empty when the program was made without them.
func OwnManifest(version string) (Manifest, error) {
	a, err := loadAssets(nil, version)
	if err != nil {
		return Manifest{}, err
	}
	return a.manifest, nil
}

// Built tells whether a manifest has more than the style of the public pages.
func (m Manifest) Built() bool { return len(m.Assets) > 1 }

func loadAssets(from fs.FS, version string) (*assets, error) {
	if from == nil {
		var err error
		if from, err = Dist(); err != nil {
			return nil, err
		}
	}
	a := &assets{files: map[string]*file{}, paths: map[string]string{}}
	b, err := fs.ReadFile(from, manifestFile)
	switch {
	case errors.Is(err, fs.ErrNotExist): // not built
	case err != nil:
		return nil, fmt.Errorf("read assets: %w", err)
	default:
		// A build that is not whole is none: the node works without pages.
		if a.broken = a.load(from, b); a.broken != nil {
			*a = assets{files: map[string]*file{}, paths: map[string]string{}, broken: a.broken}
		}
	}
	a.manifest.Version = version
	if err := a.addPageStyle(); err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	a.json, err = json.Marshal(a.manifest)
	return a, err
}

// load takes what the manifest lists, each with the size it names. That the
// hashes are right, too, is for a test of the build, and for whoever checks.
func (a *assets) load(from fs.FS, manifest []byte) error {
	if err := json.Unmarshal(manifest, &a.manifest); err != nil {
		return err
	}
	for _, listed := range a.manifest.Assets {
		name, ok := strings.CutPrefix(listed.Path, "/")
		if !ok || !strings.HasPrefix(listed.Path, assetsPath) {
			return fmt.Errorf("%q is not below %s", listed.Path, assetsPath)
		}
		info, err := fs.Stat(from, name)
		if err != nil {
			return err
		}
		if info.Size() != listed.Bytes {
			return fmt.Errorf("%s has another size than the manifest says: build again (make web)", name)
		}
		f := &file{from: from, name: name, size: info.Size(), sha256: listed.SHA256}
		if br, err := fs.Stat(from, name+".br"); err == nil {
			f.brotli = br.Size()
		}
		a.add(listed.Path, f)
	}
	a.built = true
	return nil
}

// addPageStyle adds the style of the pages without script.
func (a *assets) addPageStyle() error {
	b, err := ownFiles.ReadFile(pageStyle)
	if err != nil {
		return err
	}
	sum := hexHash(b)
	where := assetsPath + "page." + sum[:10] + ".css"
	a.add(where, &file{from: ownFiles, name: pageStyle, size: int64(len(b)), sha256: sum})
	a.manifest.Assets = append(a.manifest.Assets, Asset{Path: where, SHA256: sum, Bytes: int64(len(b))})
	return nil
}

func (a *assets) add(where string, f *file) {
	f.kind = typeOf(where)
	f.compressible = !strings.HasPrefix(f.kind, "image/png") && !strings.HasPrefix(f.kind, "font/")
	a.files[where] = f
	a.paths[logical(where)] = where
}

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// typeOf names the type without asking the machine's table, which differs.
func typeOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".wasm":
		return "application/wasm"
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".woff2":
		return "font/woff2"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// hashed matches the hash in the name of an asset.
var hashed = regexp.MustCompile(`\.[0-9A-Za-z_-]{6,64}(\.[0-9a-z]+)$`)

// logical is a path's name without folder and hash.
func logical(where string) string {
	return hashed.ReplaceAllString(path.Base(where), "$1")
}

func (p *Portal) getAsset(w http.ResponseWriter, r *http.Request) {
	f := p.assets.files[assetsPath+r.PathValue("name")]
	if f == nil {
		p.missing(w, r)
		return
	}
	w.Header().Set("Cache-Control", immutable)
	f.serve(w, r)
}

// getServiceWorker answers under a name that stays: a browser looks for a new
// one there.
func (p *Portal) getServiceWorker(w http.ResponseWriter, r *http.Request) {
	f := p.assets.files[p.assets.paths["sw.js"]]
	if f == nil {
		p.missing(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Service-Worker-Allowed", "/")
	f.serve(w, r)
}

func (p *Portal) getManifest(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(p.assets.json)
}

// serve answers with the smallest form that the browser takes.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", `W/"`+f.sha256+`"`) // the same in every coding
	if r.Header.Get("If-None-Match") == h.Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	accepted := r.Header.Get("Accept-Encoding")
	switch {
	case f.brotli > 0 && accepts(accepted, "br"):
		h.Set("Content-Encoding", "br")
		f.copy(w, f.name+".br", f.brotli)
	case f.compressible && accepts(accepted, "gzip"):
		b := f.zipped()
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b)
	default:
		f.copy(w, f.name, f.size)
	}
}

func (f *file) copy(w http.ResponseWriter, name string, size int64) {
	in, err := f.from.Open(name)
	if err != nil {
		w.Header().Del("Content-Encoding")
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	defer func() { _ = in.Close() }()
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	_, _ = io.Copy(w, in)
}

// accepts reads an Accept-Encoding header (RFC 9110 §12.5.3) as far as the
// programs that use one differ: a coding stands in it, and not with q=0.
func accepts(header, coding string) bool {
	for _, part := range strings.Split(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			v, err := strconv.ParseFloat(q, 64)
			return !ok || err == nil && v > 0
		}
	}
	return false
}

func (f *file) zipped() []byte {
	f.gzipOnce.Do(func() {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if in, err := f.from.Open(f.name); err == nil {
			_, _ = io.Copy(z, in) // a buffer takes everything
			_ = in.Close()
		}
		_ = z.Close()
		f.gzip = b.Bytes()
	})
	return f.gzip
}
