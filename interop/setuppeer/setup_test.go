package setuppeer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// quickstart are the arguments of this world's operator.
func (w *world) quickstart(more ...string) []string {
	return append([]string{
		"quickstart", domain, "--address", "127.0.0.1", "--ca", w.ca, "--email", "me@example.test", "--dns", w.dns,
		"--config", filepath.Join(w.dir, "node.jsonc"), "--data", filepath.Join(w.dir, "data"),
		"--listen", fmt.Sprintf("127.0.0.1:%d", w.tls), "--http", fmt.Sprintf("127.0.0.1:%d", w.http),
	}, more...)
}

func (w *world) check(want int, more ...string) string {
	w.t.Helper()
	return w.run(want, append([]string{
		"check", domain, "--dns", w.dns, "--private", "--records", filepath.Join(w.dir, domain+".zone"),
		"--connect", fmt.Sprintf("443=127.0.0.1:%d", w.tls), "--connect", fmt.Sprintf("80=127.0.0.1:%d", w.http),
	}, more...)...)
}

// serve starts the node and waits until it answers over https.
func (w *world) serve() (stop func()) {
	w.t.Helper()
	c := w.command("serve", "--config", filepath.Join(w.dir, "node.jsonc"), "--json")
	w.start(c)
	w.until("the node answers over https", func() error {
		_, err := w.fetch(w.visitor, "https://"+domain+"/.well-known/primum")
		return err
	})
	return func() {
		if err := c.Process.Signal(os.Interrupt); err != nil {
			w.t.Fatal(err)
		}
		if _, err := c.Process.Wait(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// printed are the records among the lines of quickstart --json.
func printed(t *testing.T, out string) (lines string, records []record) {
	t.Helper()
	for line := range strings.Lines(out) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("no JSON line: %s", line)
		}
		if r.Type != "" {
			records = append(records, r)
			lines += fmt.Sprintf("%s %d IN %s %s\n", r.Name, r.TTL, r.Type, r.Data)
		}
	}
	return lines, records
}

type record struct {
	Name, Type, Data string
	TTL              int
}

// From a domain to a node that strangers find: quickstart, records, the
// certificate, the node, the check, and a visit that begins with a name.
func TestQuickstartToTheFirstVisit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 90*24*time.Hour)
	if out := w.run(2, "quickstart", zone); !strings.Contains(out, "things."+zone) {
		t.Errorf("the apex: %s", out)
	}
	if out := w.run(2, w.quickstart()...); !strings.Contains(out, "--agree") {
		t.Errorf("without the terms: %s", out)
	}
	if out := w.run(0, w.quickstart("--agree")...); !strings.Contains(out, "Not there yet") || !strings.Contains(out, "issue \"") {
		t.Errorf("before the records: %s", out)
	}
	w.check(1)
	lines, records := printed(t, w.run(0, w.quickstart("--agree", "--json")...))
	if len(records) < 7 {
		t.Fatalf("only %d records:\n%s", len(records), lines)
	}
	w.records(lines)
	if out := w.run(0, w.quickstart("--wait")...); !strings.Contains(out, "good until") || !strings.Contains(out, "primum serve --config") {
		t.Errorf("with the records: %s", out)
	}
	w.dig(records)
	stop := w.serve()
	if out := w.check(0); strings.Contains(out, "✗") || strings.Count(out, "✓") < len(records)+8 {
		t.Errorf("check:\n%s", out)
	}
	w.discover()
	first := w.serialOf()
	w.records(strings.ReplaceAll(lines, " 0 0 443 ", " 0 0 8443 "))
	if out := w.check(1); !strings.Contains(out, "✗") || !strings.Contains(out, "→ It should say:  directory._wot._tcp."+domain) {
		t.Errorf("check of a wrong record:\n%s", out)
	}
	stop()
	if out := w.check(1); !strings.Contains(out, "nobody listens") || !strings.Contains(out, "→ Start the node") {
		t.Errorf("check without a node:\n%s", out)
	}
	w.serve()
	if again := w.serialOf(); again != first {
		t.Errorf("a new certificate %s after a start, had %s", again, first)
	}
}

// A node that starts before its certificate gets it itself.
func TestNodeGetsItsCertificate(t *testing.T) {
	t.Parallel()
	for name, port80 := range map[string]string{"by port 80 or 443": "", "by port 443 alone": "off"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 90*24*time.Hour)
			args := w.quickstart("--agree", "--json")
			if port80 != "" {
				args = append(args, "--http", port80)
			}
			lines, _ := printed(t, w.run(0, args...))
			w.records(lines)
			w.serve()
			if port80 != "" {
				return
			}
			resp, err := w.visitor.Get("http://" + domain + "/01/04012345999990/21/7?x=%2F")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusPermanentRedirect || to != "https://"+domain+"/01/04012345999990/21/7?x=%2F" ||
				resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("status %d to %s, %v", resp.StatusCode, to, resp.Header)
			}
		})
	}
}

// serialOf is of the certificate that the node shows.
func (w *world) serialOf() string {
	w.t.Helper()
	resp, err := w.visitor.Get("https://" + domain + "/.well-known/primum")
	if err != nil {
		w.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.TLS.PeerCertificates[0].SerialNumber.String()
}

// dig asks the name server for every printed record with the stock tool.
func (w *world) dig(records []record) {
	w.t.Helper()
	for _, r := range records {
		if err := w.digs(r.Type, r.Name, r.Data); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) digs(kind, name, want string) error {
	host, port, _ := strings.Cut(w.dns, ":")
	out, err := exec.Command("dig", "@"+host, "-p", port, "+short", "+tries=3", name, kind).CombinedOutput()
	if err != nil {
		return fmt.Errorf("dig %s %s: %w: %s", name, kind, err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.TrimSpace(line) == want {
			return nil
		}
	}
	return fmt.Errorf("dig %s %s: %q, want %q", name, kind, out, want)
}

// discover goes from the zone to the directory of things as W3C WoT Discovery
// says, with what dig answers.
func (w *world) discover() {
	w.t.Helper()
	short := func(kind, name string) string {
		host, port, _ := strings.Cut(w.dns, ":")
		out, err := exec.Command("dig", "@"+host, "-p", port, "+short", name, kind).Output()
		if err != nil {
			w.t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	instance := short("PTR", "_directory._sub._wot._tcp."+domain)
	srv := strings.Fields(short("SRV", instance))
	if len(srv) != 4 || srv[2] != "443" {
		w.t.Fatalf("SRV %q", srv)
	}
	var path, scheme string
	for _, text := range strings.Fields(short("TXT", instance)) {
		key, value, _ := strings.Cut(strings.Trim(text, `"`), "=")
		switch key {
		case "td":
			path = value
		case "scheme":
			scheme = value
		}
	}
	base := scheme + "://" + strings.TrimSuffix(srv[3], ".")
	td, err := w.fetch(w.visitor, base+path)
	if err != nil || !strings.Contains(td, "ThingDirectory") {
		w.t.Errorf("the directory's own description: %v: %.300s", err, td)
	}
	w.publish(base)
	things, err := w.fetch(w.visitor, base+"/things")
	if err != nil || !strings.Contains(things, "River gauge") {
		w.t.Errorf("a thing of the directory: %v: %.300s", err, things)
	}
}

// publish puts a thing into the directory, as the operator on the machine.
func (w *world) publish(base string) {
	w.t.Helper()
	token, err := os.ReadFile(filepath.Join(w.dir, "data", "publisher.token"))
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, base+"/things", strings.NewReader(gauge))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/td+json")
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := w.visitor.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusCreated {
		w.t.Errorf("publish a thing: status %d", resp.StatusCode)
	}
}

const gauge = `{"@context": "https://www.w3.org/2022/wot/td/v1.1", "title": "River gauge", "security": "nosec_sc",
	"securityDefinitions": {"nosec_sc": {"scheme": "nosec"}},
	"properties": {"level": {"type": "number", "unit": "m", "forms": [{"href": "https://things.example.test/level"}]}}}`
