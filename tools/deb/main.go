// Command deb writes a Debian package of a built program, byte for byte the
// same for the same input.
//
//	go run ./deb -arch amd64 -version v1.2 -program ../dist/primum-linux-amd64 -root .. -o ../dist/primum_amd64.deb
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	p := pack{}
	flag.StringVar(&p.arch, "arch", "amd64", "Debian's name of the architecture")
	flag.StringVar(&p.version, "version", "", "of the program, as git describes it")
	flag.StringVar(&p.program, "program", "", "FILE of the built program")
	flag.StringVar(&p.completion, "completion", "", "FILE with the completion for bash")
	flag.StringVar(&p.root, "root", "..", "DIRECTORY of the sources")
	out := flag.String("o", "", "FILE to write")
	at := flag.Int64("at", 0, "seconds since 1970 that every file in it bears")
	flag.Parse()
	p.at = time.Unix(*at, 0).UTC()
	b, err := p.deb()
	if err == nil {
		err = os.WriteFile(*out, b, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "deb:", err)
		os.Exit(1)
	}
}

// pack is what goes into a package.
type pack struct {
	arch, version, program, completion, root string
	at                                       time.Time
}

// file is one of the package.
type file struct {
	name string // without a slash before it
	mode fs.FileMode
	body []byte
}

// content are the files that are installed.
func (p pack) content() (out []file, err error) {
	for _, f := range []struct {
		name, from string
		mode       fs.FileMode
	}{
		{"usr/bin/primum", p.program, 0o755},
		{"usr/share/bash-completion/completions/primum", p.completion, 0o644},
		{"lib/systemd/system/primum.service", filepath.Join(p.root, "packaging", "primum.service"), 0o644},
		{"usr/share/doc/primum/operators.md", filepath.Join(p.root, "docs", "operators.md"), 0o644},
		{"usr/share/doc/primum/changelog.md", filepath.Join(p.root, "CHANGELOG.md"), 0o644},
		{"usr/share/doc/primum/copyright", filepath.Join(p.root, "NOTICE"), 0o644},
	} {
		b, readErr := os.ReadFile(f.from)
		err = errors.Join(err, readErr)
		out = append(out, file{f.name, f.mode, b})
	}
	slices.SortFunc(out, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return out, err
}

// deb is the whole package (deb(5)).
func (p pack) deb() ([]byte, error) {
	content, err := p.content()
	if err != nil {
		return nil, err
	}
	control, err := p.control(content)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("!<arch>\n")
	p.member(&out, "debian-binary", []byte("2.0\n"))
	for _, part := range []struct {
		name  string
		files []file
	}{{"control.tar.gz", control}, {"data.tar.gz", content}} {
		b, err := p.tar(part.files)
		if err != nil {
			return nil, err
		}
		p.member(&out, part.name, b)
	}
	return out.Bytes(), nil
}

// member adds a file to an archive of ar(5).
func (p pack) member(w *bytes.Buffer, name string, b []byte) {
	fmt.Fprintf(w, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, p.at.Unix(), 0, 0, "100644", len(b))
	w.Write(b)
	if len(b)%2 == 1 {
		w.WriteByte('\n')
	}
}

// tar holds the files and the directories above them.
func (p pack) tar(files []file) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	made := map[string]bool{}
	for _, f := range files {
		for _, dir := range above(f.name) {
			if !made[dir] {
				made[dir] = true
				if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: p.at, Uname: "root", Gname: "root"}); err != nil {
					return nil, err
				}
			}
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: "./" + f.name, Mode: int64(f.mode), Size: int64(len(f.body)), ModTime: p.at, Uname: "root", Gname: "root"}
		if err := t.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := t.Write(f.body); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// above are the directories over a file, the outermost first.
func above(name string) (out []string) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		out = append([]string{"./" + dir + "/"}, out...)
	}
	return append([]string{"./"}, out...)
}

// control are the files that tell of the package (deb-control(5)).
func (p pack) control(content []file) ([]file, error) {
	var sums strings.Builder
	size := 0
	for _, f := range content {
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.body), f.name) // what dpkg --verify reads; against accidents only
		size += len(f.body)
	}
	out := []file{
		{"control", 0o644, fmt.Appendf(nil, description, DebianVersion(p.version), p.arch, (size+1023)/1024)},
		{"md5sums", 0o644, []byte(sums.String())},
	}
	for _, name := range []string{"postinst", "postrm", "prerm"} {
		f, err := os.Open(filepath.Join(p.root, "packaging", "debian", name))
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		out = append(out, file{name, 0o755, b})
	}
	return out, nil
}

const description = `Package: primum
Version: %s
Architecture: %s
Maintainer: Primum <primum@localhost>
Installed-Size: %d
Depends: ca-certificates, passwd
Section: net
Priority: optional
Description: node, edge and command line of Primum
 One value of a thing for one person, at the precision its owner chose, until
 the day its owner chose; end-to-end encrypted. This package runs a node for a
 domain: primum quickstart sets it up.
`

// DebianVersion makes a version that Debian orders (deb-version(7)) of what git
// describes: v1.2-3-gabcdef becomes 1.2+3+gabcdef.
func DebianVersion(s string) string {
	s = strings.TrimPrefix(s, "v")
	s = regexp.MustCompile(`[^A-Za-z0-9.~]+`).ReplaceAllString(s, "+")
	if !regexp.MustCompile(`^[0-9]+([.+]|$)`).MatchString(s) { // a commit without a tag before it
		s = "0~" + s
	}
	return s
}
