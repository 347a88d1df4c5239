package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// bundled is one output of esbuild.
type bundled struct {
	name string // logical: "my.js"
	path string // "/assets/my.HASH.js"
	body []byte
}

func (t tree) options() api.BuildOptions {
	return api.BuildOptions{
		AbsWorkingDir: t.web,
		Bundle:        true, MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		Format: api.FormatESModule, Target: api.ES2022, Charset: api.CharsetUTF8,
		LegalComments: api.LegalCommentsEndOfFile,
		Tsconfig:      filepath.Join(t.web, "tsconfig.json"),
		Outdir:        filepath.Join(t.dist(), "assets"),
		EntryNames:    "[name].[hash]", ChunkNames: "[name].[hash]",
		Plugins: []api.Plugin{t.wasmExec()}, Metafile: true, LogLevel: api.LogLevelWarning,
	}
}

// wasmExec lets "go:wasm_exec" stand for the file that comes with Go.
func (t tree) wasmExec() api.Plugin {
	return api.Plugin{Name: "wasm_exec", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `^go:wasm_exec$`}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: filepath.Join(t.goroot, "lib", "wasm", "wasm_exec.js"), SideEffects: api.SideEffectsTrue}, nil
		})
	}}
}

// pages bundles the scripts of pages, which may share chunks and load some later.
func (t tree) pages() ([]bundled, error) {
	var in []string
	for _, name := range []string{"my", "link"} {
		path := filepath.Join(t.web, "src", name+".ts")
		if _, err := os.Stat(path); err == nil {
			in = append(in, path)
		}
	}
	if len(in) == 0 {
		return nil, nil
	}
	o := t.options()
	o.EntryPoints = in
	o.Splitting = true
	return t.run(o)
}

// alone bundles a script that imports nothing at run time, with constants.
func (t tree) alone(name string, constants map[string]string) ([]bundled, error) {
	path := filepath.Join(t.web, "src", name+".ts")
	if _, err := os.Stat(path); err != nil {
		return nil, nil
	}
	o := t.options()
	o.EntryPoints = []string{path}
	o.Format = api.FormatIIFE
	o.Define = constants
	return t.run(o)
}

// style bundles css/*.css into one: base*.css first, the others by name.
func (t tree) style() ([]bundled, error) {
	sheets, err := filepath.Glob(filepath.Join(t.web, "css", "*.css"))
	if err != nil || len(sheets) == 0 {
		return nil, err
	}
	base := func(path string) bool { return strings.HasPrefix(filepath.Base(path), "base") }
	slices.SortStableFunc(sheets, func(a, b string) int {
		switch {
		case base(a) == base(b):
			return strings.Compare(a, b)
		case base(a):
			return -1
		}
		return 1
	})
	var all strings.Builder
	for _, s := range sheets {
		fmt.Fprintf(&all, "@import %q;\n", s)
	}
	o := t.options()
	o.Stdin = &api.StdinOptions{Contents: all.String(), ResolveDir: t.web, Sourcefile: "style.css", Loader: api.LoaderCSS}
	o.EntryNames = "style.[hash]"
	// Browsers of the last years know light-dark() and nesting.
	o.Target = api.ESNext
	return t.run(o)
}

func (t tree) run(o api.BuildOptions) ([]bundled, error) {
	r := api.Build(o)
	if len(r.Errors) > 0 {
		return nil, fmt.Errorf("bundle %s: %d errors", strings.Join(append(o.EntryPoints, o.EntryNames), " "), len(r.Errors))
	}
	var all []bundled
	for _, f := range r.OutputFiles {
		file := filepath.Base(f.Path)
		parts := strings.Split(file, ".")
		all = append(all, bundled{
			name: parts[0] + "." + parts[len(parts)-1], path: "/assets/" + file, body: f.Contents,
		})
	}
	return all, t.licences(all, r.Metafile)
}
