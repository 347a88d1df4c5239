package node

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/internal/directory"
	"primum/internal/operator"
)

// linksmartVar names LinkSmart's thing-directory, built by hand: `go build
// -mod=vendor` in a clone of github.com/linksmart/thing-directory.
const linksmartVar = "PRIMUM_LINKSMART"

// linksmartConf lets it validate what it is given, as ours does.
const linksmartConf = `{"validation": {"jsonSchemas": [%q]}, "storage": {"type": "leveldb", "dsn": %q},
"http": {"publicEndpoint": "http://127.0.0.1:%[3]s", "bindAddr": "127.0.0.1", "bindPort": %[3]s}}`

// startLinksmart runs LinkSmart's directory until the benchmark ends. Its schema
// stands beside the program, in wot/ of the clone.
func startLinksmart(b *testing.B) (address string, pid int) {
	b.Helper()
	bin := os.Getenv(linksmartVar)
	if bin == "" {
		b.Skipf("no %s: the thing-directory of LinkSmart, built from its source", linksmartVar)
	}
	dir, port := b.TempDir(), freePort(b)
	schema := filepath.Join(filepath.Dir(bin), "wot", "wot_td_schema.json")
	conf := filepath.Join(dir, "conf.json")
	if err := os.WriteFile(conf, fmt.Appendf(nil, linksmartConf, schema, filepath.Join(dir, "data"), port), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), bin, "-conf", conf) // it writes a line per request to its standard error
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	startPeer(b, cmd, "127.0.0.1:"+port)
	return "127.0.0.1:" + port, cmd.Process.Pid
}

// worked is the processor time that a process has used.
func worked(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip("no /proc here: processor time is not measured")
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // proc(5): the name may have spaces
	f := strings.Fields(rest)
	user, err := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err := errorOf(err, err2); err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on Linux
}

// description is the i-th of many Thing Descriptions, about 1.3 KB. One in 100
// has a property "co2", one in 100 each of the types.
func description(i int, id string) []byte {
	number := func(title, unit string, most int) map[string]any {
		return map[string]any{
			"title": title, "type": "number", "unit": unit, "minimum": 0, "maximum": most, "readOnly": true,
			"forms": []any{map[string]any{"href": fmt.Sprintf("https://lan.example/%d/%s", i, title), "op": []string{"readproperty"}, "contentType": "application/json"}},
		}
	}
	properties := map[string]any{
		"temperature": number("temperature", "°C", 50+i%100), "humidity": number("humidity", "%", 100), "battery": number("battery", "%", 100),
		"voltage": number("voltage", "V", 5), "linkquality": number("linkquality", "lqi", 255),
	}
	if i%100 == 17 {
		properties["co2"] = number("co2", "ppm", 5000)
	}
	td := map[string]any{
		"@context": "https://www.w3.org/2019/wot/td/v1", "@type": fmt.Sprintf("Type%d", i%100), "title": fmt.Sprintf("Sensor %d", i),
		"securityDefinitions": map[string]any{"none": map[string]any{"scheme": "nosec"}}, "security": []string{"none"}, "properties": properties,
	}
	if id != "" {
		td["id"] = id
	}
	b, err := json.Marshal(td)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	return b
}

func thingPath(i int) string { return fmt.Sprintf("/things/urn:example:bench:%d", i) }

// token is the publisher's of the node in dir, which has started.
func token(b *testing.B, dir string) string {
	b.Helper()
	t, err := os.ReadFile(filepath.Join(dir, operator.TokenFile))
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(string(t))
}

// thingsOf is a Thing Description directory under load.
type thingsOf struct {
	*hits
	host, token string
	pid         int
	took, cpu   [2]time.Duration // creating, reading
}

// put makes the things that turn reads.
func (d *thingsOf) put(n int) {
	d.run(n, http.StatusCreated, func(i int) []byte {
		return bodyRequest(http.MethodPut, d.host, thingPath(i), d.token, description(i, fmt.Sprintf("urn:example:bench:%d", i)))
	})
}

// turn creates and reads so many.
func (d *thingsOf) turn(n int) {
	before := worked(d.b, d.pid)
	d.took[0] += d.run(n, http.StatusCreated, func(i int) []byte {
		return bodyRequest(http.MethodPost, d.host, "/things", d.token, description(i, ""))
	})
	between := worked(d.b, d.pid)
	d.took[1] += d.run(n, http.StatusOK, func(i int) []byte { return getRequest(d.host, thingPath(i*7919%1000)) })
	d.cpu[0] += between - before
	d.cpu[1] += worked(d.b, d.pid) - between
}

// BenchmarkThings creates and reads Thing Descriptions over HTTP, in turns, beside
// LinkSmart's thing-directory: 32 clients, both validate. Ours answers after
// fsync, LinkSmart leaves that to the system. Bar: ratios ≥ 3.
func BenchmarkThings(b *testing.B) {
	const turns, each, clients = 4, 1000, 32
	their, pid := startLinksmart(b)
	dir := filepath.Join(b.TempDir(), "node")
	c := startChild(b, dir)
	ours := &thingsOf{hits: newHits(b, c.authority, clients), host: c.authority, token: token(b, dir), pid: c.cmd.Process.Pid}
	theirs := &thingsOf{hits: newHits(b, their, clients), host: their, token: "none", pid: pid}
	ours.put(1000)
	theirs.put(1000)
	for b.Loop() {
		for range turns {
			theirs.turn(each)
			ours.turn(each)
		}
	}
	n := float64(b.N * turns * each)
	for k, what := range []string{"create", "read"} {
		b.ReportMetric(n/ours.took[k].Seconds(), what+"/s")
		b.ReportMetric(n/theirs.took[k].Seconds(), "linksmart-"+what+"/s")
		b.ReportMetric(theirs.took[k].Seconds()/ours.took[k].Seconds(), what+"-ratio")
		b.ReportMetric(float64(ours.cpu[k].Microseconds())/n, what+"-cpu-us")
		b.ReportMetric(theirs.cpu[k].Seconds()/max(ours.cpu[k].Seconds(), 0.01), what+"-cpu-ratio")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkThingSearch asks a node with 10,000 Thing Descriptions for filters by
// id, title, type and name of a property, whole over HTTP, one after the other;
// shown is the median of the slowest kind. Bar: 10 ms. scan-ms is a filter that
// no index answers.
func BenchmarkThingSearch(b *testing.B) {
	const things, asked = 10_000, 50
	dir := filepath.Join(b.TempDir(), "node")
	fillThings(b, dir, things)
	c := startChild(b, dir)
	hc := c.client()
	for b.Loop() {
		worst := 0.0
		for _, f := range []struct {
			filter string
			found  int
		}{
			{`@.id=='urn:example:bench:4711'`, 1}, {`@.title=='Sensor 4711'`, 1}, {`@['@type']=='Type17'`, things / 100}, {`@.properties.co2`, things / 100},
		} {
			ms := c.searches(hc, f.filter, f.found, asked)
			b.Logf("%s: %.2f ms", f.filter, ms)
			worst = max(worst, ms)
		}
		b.ReportMetric(worst, "search-ms")
		b.ReportMetric(c.searches(hc, `@.properties.temperature.maximum==149`, things/100, 3), "scan-ms")
	}
	b.ReportMetric(0, "ns/op")
}

// fillThings gives the node of dir, which does not run, so many descriptions.
func fillThings(b *testing.B, dir string, n int) {
	b.Helper()
	d, err := directory.Open(b.Context(), publicRooms(b, dir), directory.Options{})
	if err != nil {
		b.Fatal(err)
	}
	var all sync.WaitGroup
	for part := range 64 {
		all.Go(func() {
			for i := part; i < n; i += 64 {
				id := fmt.Sprintf("urn:example:bench:%d", i)
				if _, _, err := d.Put(b.Context(), directory.Viewer{Publisher: true}, id, description(i, id), directory.Change{}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkNodeOfManyThings starts a node in a process of its own on 100,000
// Thing Descriptions: resident memory, before and after 20,000 were read.
func BenchmarkNodeOfManyThings(b *testing.B) {
	const things, asked = 100_000, 20_000
	dir := filepath.Join(b.TempDir(), "node")
	fillThings(b, dir, things)
	for b.Loop() {
		c := startChild(b, dir)
		b.ReportMetric(float64(c.firstAnswer(c.client()))/1e6, "first-answer-ms")
		b.ReportMetric(float64(c.resident())/1e6, "resident-MB")
		newHits(b, c.authority, 32).run(asked, http.StatusOK, func(i int) []byte { return getRequest(c.authority, thingPath(i*7919%things)) })
		b.ReportMetric(float64(c.resident())/1e6, "asked-MB")
	}
	b.ReportMetric(0, "ns/op")
}

// searches asks n times and returns the median in milliseconds.
func (c *child) searches(hc *http.Client, filter string, found, n int) float64 {
	c.t.Helper()
	took := make([]time.Duration, n)
	for i := range took {
		began := time.Now()
		resp, err := hc.Get("http://" + c.authority + "/search/jsonpath?query=" + url.QueryEscape("$[?"+filter+"]"))
		if err != nil {
			c.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		took[i] = time.Since(began)
		var all []json.RawMessage
		if err := errorOf(err, json.Unmarshal(body, &all)); err != nil || len(all) != found {
			c.t.Fatalf("%s finds %d things, want %d: %s, %v", filter, len(all), found, resp.Status, err)
		}
	}
	slices.Sort(took)
	return float64(took[n/2].Microseconds()) / 1000
}
