package setuppeer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	zone    = "example.test"
	domain  = "things.example.test"
	patient = 60 * time.Second // for what waits for another program
)

// world is a name server and a certificate authority, for one node.
type world struct {
	t       *testing.T
	dir     string
	dns     string // host:port of NSD
	nsd     *exec.Cmd
	serial  int
	ca      string // the directory's URL
	roots   string // a PEM file: of the directory, and of its certificates
	pool    *x509.CertPool
	http    int // where Pebble visits instead of 80 and 443
	tls     int
	primum  string
	visitor *http.Client // goes to the node whatever the address
}

// programs are built once.
var programs = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "setuppeer"); err != nil {
		return "", err
	}
	for _, b := range []struct{ from, pkg, name string }{
		{"../..", "./cmd/primum", "primum"},
		{".", "github.com/letsencrypt/pebble/v2/cmd/pebble", "pebble"},
	} {
		c := exec.Command("go", "build", "-o", filepath.Join(dir, b.name), b.pkg)
		c.Dir, c.Env = b.from, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", b.pkg, err, out)
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := programs(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// newWorld starts both servers. lives is how long the certificates are good.
func newWorld(t *testing.T, lives time.Duration) *world {
	t.Helper()
	nsd, errNSD := exec.LookPath("nsd")
	if _, err := exec.LookPath("dig"); err != nil || errNSD != nil {
		missing(t, "no nsd or no dig here; tools/setup installs them")
	}
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir(), primum: filepath.Join(built, "primum")}
	ports := freePorts(t, 5)
	w.dns, w.http, w.tls = fmt.Sprintf("127.0.0.1:%d", ports[0]), ports[1], ports[2]
	w.startNSD(nsd, ports[0])
	w.startPebble(filepath.Join(built, "pebble"), ports[3], ports[4], lives)
	w.visitor = w.client()
	return w
}

// missing skips, or fails where PRIMUM_NEED_ALL=1 demands everything.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("PRIMUM_NEED_ALL") == "1" {
		t.Fatal(what + " (and PRIMUM_NEED_ALL=1)")
	}
	t.Skip(what)
}

// freePorts are ports that the kernel calls free, for other programs.
func freePorts(t *testing.T, n int) (out []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out
}

func (w *world) file(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// start runs a program until the test ends; what it said is shown if the test
// failed.
func (w *world) start(c *exec.Cmd) {
	w.t.Helper()
	var said bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = w.dir, &said, &said
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		if w.t.Failed() {
			w.t.Logf("%s said:\n%s", filepath.Base(c.Path), said.String())
		}
	})
}

func (w *world) startNSD(nsd string, port int) {
	w.t.Helper()
	w.records("")
	conf := w.file("nsd.conf", fmt.Sprintf(`server:
  ip-address: 127.0.0.1@%d
  server-count: 1
  username: ""
  chroot: ""
  database: ""
  zonesdir: %q
  pidfile: %q
  xfrdfile: %q
  zonelistfile: %q
  xfrdir: %q
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: %s
  zonefile: zone
`, port, w.dir, w.dir+"/nsd.pid", w.dir+"/xfrd", w.dir+"/zonelist", w.dir, zone))
	w.nsd = exec.Command(nsd, "-d", "-c", conf)
	w.start(w.nsd)
	w.until("the name server answers", func() error {
		c, err := net.Dial("tcp", w.dns)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}

// records puts lines into the zone, and lets the name server read it.
func (w *world) records(lines string) {
	w.t.Helper()
	w.serial++
	w.file("zone", fmt.Sprintf("$ORIGIN %s.\n@ 60 IN SOA ns hostmaster %d 60 60 600 1\n@ 60 IN NS ns\nns 60 IN A 127.0.0.1\n%s", zone, w.serial, lines))
	if w.nsd != nil {
		// NSD looks at the time of the file, in seconds.
		later := time.Now().Add(time.Duration(w.serial) * time.Minute)
		if err := errors.Join(os.Chtimes(filepath.Join(w.dir, "zone"), later, later), w.nsd.Process.Signal(syscall.SIGHUP)); err != nil {
			w.t.Fatal(err)
		}
		w.until("the zone is read", func() error {
			return w.digs("SOA", zone, fmt.Sprintf("ns.%s. hostmaster.%s. %d 60 60 600 1", zone, zone, w.serial))
		})
	}
}

func (w *world) startPebble(pebble string, port, management int, lives time.Duration) {
	w.t.Helper()
	w.pool = x509.NewCertPool()
	cert, key := w.selfSigned()
	conf, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": fmt.Sprintf("127.0.0.1:%d", port), "managementListenAddress": fmt.Sprintf("127.0.0.1:%d", management),
		"certificate": cert, "privateKey": key, "httpPort": w.http, "tlsPort": w.tls, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "the test's", "validityPeriod": int(lives.Seconds())}},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	c := exec.Command(pebble, "-config", w.file("pebble.json", string(conf)), "-dnsserver", w.dns)
	c.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
	w.start(c)
	w.ca = fmt.Sprintf("https://127.0.0.1:%d/dir", port)
	w.until("the authority answers", func() error {
		root, err := w.fetch(w.client(), fmt.Sprintf("https://127.0.0.1:%d/roots/0", management))
		if err != nil {
			return err
		}
		own, err := os.ReadFile(cert)
		if err != nil || !w.pool.AppendCertsFromPEM([]byte(root)) {
			return errors.Join(err, errors.New("no root"))
		}
		w.roots = w.file("roots.pem", string(own)+root)
		return nil
	})
}

// selfSigned is for Pebble's own pages.
func (w *world) selfSigned() (cert, key string) {
	w.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		w.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		w.t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	w.pool.AppendCertsFromPEM(text)
	return w.file("own.pem", string(text)), w.file("own.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// client is a stranger's, who knows the roots, and whose name service leads
// the domain to the node.
func (w *world) client() *http.Client {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		switch addr {
		case domain + ":443":
			addr = fmt.Sprintf("127.0.0.1:%d", w.tls)
		case domain + ":80":
			addr = fmt.Sprintf("127.0.0.1:%d", w.http)
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	return &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: w.pool}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (w *world) fetch(c *http.Client, url string) (string, error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, b)
	}
	return string(b), err
}

// until tries again until there is no error; it asks another program, which
// gives no sign.
func (w *world) until(what string, try func() error) {
	w.t.Helper()
	err := try()
	for end := time.Now().Add(patient); err != nil && time.Now().Before(end); err = try() {
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

// command is primum on a machine that trusts the authority.
func (w *world) command(args ...string) *exec.Cmd {
	c := exec.Command(w.primum, args...)
	c.Dir = w.dir
	c.Env = append(os.Environ(), "SSL_CERT_FILE="+w.roots, "PRIMUM_HOME="+w.dir+"/home", "LC_ALL=C", "NO_COLOR=1")
	return c
}

// run is primum to its end.
func (w *world) run(want int, args ...string) string {
	w.t.Helper()
	out, err := w.command(args...).CombinedOutput()
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		w.t.Fatal(err)
	}
	if code != want {
		w.t.Fatalf("primum %s: exit %d, want %d\n%s", strings.Join(args, " "), code, want, out)
	}
	return string(out)
}
