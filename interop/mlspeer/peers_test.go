package mlspeer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"primum/mls"
)

// tsName is ts-mls on Node.js; its driver is ts/peer.mjs.
const tsName = "ts-mls"

// peerVar makes this test binary serve as the peer that it names.
const peerVar = "PRIMUM_MLS_PEER"

func TestMain(m *testing.M) {
	if name := os.Getenv(peerVar); name != "" {
		if err := Serve(name, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// kinds are the implementations.
func kinds() []string { return []string{OursName, GoName, tsName} }

const (
	classic = uint16(mls.X25519AES128GCMSHA256Ed25519)
	hybrid  = uint16(mls.MLKEM768X25519AES128GCMSHA256Ed25519)
)

// fleet is two processes of each implementation: a member that was saved in
// the first is restored in the second.
type fleet map[string][2]*Process

func startFleet(t *testing.T, kinds ...string) fleet {
	t.Helper()
	f := fleet{}
	for _, kind := range kinds {
		f[kind] = [2]*Process{startPeer(t, kind), startPeer(t, kind)}
	}
	return f
}

func startPeer(t *testing.T, kind string) *Process {
	t.Helper()
	var cmd *exec.Cmd
	if kind == tsName {
		installTS(t)
		cmd = exec.Command("node", "peer.mjs")
		cmd.Dir = "ts"
	} else {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd = exec.Command(self)
		cmd.Env = append(os.Environ(), peerVar+"="+kind)
	}
	p, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("peer %s ended badly: %v: %s", kind, err, p.said)
		}
	})
	return p
}

// versions says what really ran.
func (f fleet) versions(t *testing.T) string {
	t.Helper()
	var out []string
	for _, kind := range kinds() {
		if f[kind][0] == nil {
			continue
		}
		r, err := f[kind][0].Call(Request{Op: OpHello})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, kind+" "+r.Version)
	}
	return strings.Join(out, ", ")
}

// missing skips, or fails where PRIMUM_NEED_ALL=1 demands everything.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("PRIMUM_NEED_ALL") == "1" {
		t.Fatal(what + " (and PRIMUM_NEED_ALL=1)")
	}
	t.Skip(what)
}

// installTS installs what ts/package-lock.json pins, once per lock file.
func installTS(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" is not on this machine: ts-mls was not met")
		}
	}
	lock, err := os.ReadFile("ts/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	stamp := filepath.Join("ts", "node_modules", ".primum-lock")
	if done, err := os.ReadFile(stamp); err == nil && bytes.Equal(done, lock) {
		return
	}
	cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = "ts"
	if out, err := cmd.CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("npm ci (no network?): ts-mls was not met: %v: %s", err, out))
	}
	if err := os.WriteFile(stamp, lock, 0o644); err != nil {
		t.Fatal(err)
	}
}
