package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestVersionsThatDebianOrders(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"v1.2.3": "1.2.3", "v1.2-3-gabcdef0": "1.2+3+gabcdef0", "v1.2-dirty": "1.2+dirty", "abcdef0": "0~abcdef0", "": "0~", "7e51a0b": "0~7e51a0b", "v2": "2",
	} {
		if got := DebianVersion(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func example(t *testing.T) pack {
	t.Helper()
	program := filepath.Join(t.TempDir(), "primum")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho odd\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return pack{arch: "amd64", version: "v1.2-3-gabcdef0", program: program, completion: program, root: "../..", at: time.Unix(1e9, 0).UTC()}
}

func TestSamePackageOfTheSameFiles(t *testing.T) {
	t.Parallel()
	p := example(t)
	one, err := p.deb()
	if err != nil {
		t.Fatal(err)
	}
	two, err := p.deb()
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("two packages differ: %v", err)
	}
	p.program = "none"
	if _, err := p.deb(); err == nil {
		t.Error("a package without its program")
	}
}

// What Debian's own tool reads is what was put in.
func TestDebianReadsThePackage(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("no dpkg-deb here")
	}
	b, err := example(t).deb()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "primum.deb")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, wants := range map[string][]string{
		"-I": {"Package: primum", "Version: 1.2+3+gabcdef0", "Architecture: amd64", "postinst", "Depends: ca-certificates"},
		"-c": {"-rwxr-xr-x root/root", "./usr/bin/primum", "./lib/systemd/system/primum.service", "2001-09-09", "./usr/share/doc/primum/operators.md"},
	} {
		out, err := exec.Command("dpkg-deb", what, file).CombinedOutput()
		if err != nil {
			t.Fatalf("dpkg-deb %s: %v\n%s", what, err, out)
		}
		for _, want := range wants {
			if !strings.Contains(string(out), want) {
				t.Errorf("dpkg-deb %s does not say %q:\n%s", what, want, out)
			}
		}
	}
	dir := t.TempDir()
	if out, err := exec.Command("dpkg-deb", "-x", file, dir).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb -x: %v\n%s", err, out)
	}
	if out, err := exec.Command(filepath.Join(dir, "usr", "bin", "primum")).Output(); err != nil || string(out) != "odd\n" {
		t.Errorf("the program: %q, %v", out, err)
	}
}

// systemd itself reads the unit and has nothing to say against it.
func TestUnit(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze here")
	}
	b, err := os.ReadFile("../../packaging/primum.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "primum.service")
	if err := os.WriteFile(unit, bytes.ReplaceAll(b, []byte("/usr/bin/primum"), []byte("/bin/true")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput()
	if text := string(out); err != nil || strings.Contains(text, "primum.service") {
		t.Errorf("systemd-analyze: %v\n%s", err, text)
	}
}
