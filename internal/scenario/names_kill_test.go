package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/internal/node"
)

// scribe publishes one thing after the other, each until the node has answered,
// which may be another process of it by then.
type scribe struct {
	what    string
	request func(i int) (method, path, kind, body string)
	there   func(i int) // fails the test if the i-th is lost or torn
	acked   int
}

// TestKillWhilePublishing: a node is killed again and again while links, Thing
// Descriptions and open values are published, each in its own file. Whatever was
// acknowledged is answered afterwards, once.
func TestKillWhilePublishing(t *testing.T) {
	t.Parallel()
	rnd := chance(t)
	dir := filepath.Join(t.TempDir(), "node")
	run := func() (p *process, ready nodeReady) {
		p = start(t, "node", nodeRole{Authority: "h.localhost", Dir: dir, LedgerEvery: node.Duration(time.Hour)}, nil, "ready")
		p.said("ready", &ready)
		return p, ready
	}
	p, ready := run()
	w := &namesWorld{t: t, token: publisherToken(t, dir), hc: plainClient(t), base: "http://" + ready.Authority}
	publishNames(w)
	all := w.scribes()
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for _, s := range all {
		work.Go(func() { w.write(ctx, s) })
	}
	for range kills() / 4 {
		time.AfterFunc(time.Duration(rnd.IntN(700))*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
		p.gone()
		p, _ = run()
	}
	stop()
	work.Wait()
	for _, s := range all {
		for i := range s.acked {
			s.there(i)
		}
		t.Logf("%d %s", s.acked, s.what)
		if s.acked < kills()/4 {
			t.Errorf("too little happened: %d %s", s.acked, s.what)
		}
	}
}

// write publishes until ctx ends.
func (w *namesWorld) write(ctx context.Context, s *scribe) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		method, path, kind, body := s.request(s.acked)
		status, err := w.send(ctx, method, path, kind, body)
		switch {
		case err == nil && status < 300:
			s.acked++
		case err == nil && status < 500:
			w.t.Errorf("%s: answered %d", s.what, status)
			return
		default: // it is killed, or starts
			<-tick.C
		}
	}
}

func (w *namesWorld) send(ctx context.Context, method, path, kind, body string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, w.base+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Authorization", "Bearer "+w.token)
	resp, err := w.hc.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, err
}

func (w *namesWorld) scribes() []*scribe {
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	moment := func(i int) time.Time { return begin.Add(time.Duration(i) * time.Second) }
	return []*scribe{
		{
			what: "links",
			request: func(i int) (method, path, kind, body string) {
				return http.MethodPost, "/v1/linkset", "text/csv", linkOf(fmt.Sprintf("01/%s/10/L%d", gtin, i), fmt.Sprintf("https://example.com/%d", i))
			},
			there: func(i int) {
				path := fmt.Sprintf("/01/%s/10/L%d", gtin, i)
				status, h, _ := w.ask(http.MethodGet, path, nil, nil)
				if want := fmt.Sprintf("https://example.com/%d", i); status != http.StatusTemporaryRedirect || h.Get("Location") != want {
					w.t.Errorf("%s: %d to %q, want %s", path, status, h.Get("Location"), want)
				}
			},
		},
		{
			what: "Thing Descriptions",
			request: func(i int) (method, path, kind, body string) {
				id := fmt.Sprintf("urn:example:kill:%d", i)
				return http.MethodPut, "/things/" + id, "application/td+json", strings.Replace(goodTD(""), `"title"`, `"id":"`+id+`","title"`, 1)
			},
			there: func(i int) {
				status, _, body := w.ask(http.MethodGet, fmt.Sprintf("/things/urn:example:kill:%d", i), nil, nil)
				var td struct{ ID string }
				if err := json.Unmarshal(body, &td); err != nil || status != http.StatusOK || td.ID != fmt.Sprintf("urn:example:kill:%d", i) {
					w.t.Errorf("thing %d: %d %.200s", i, status, body)
				}
			},
		},
		{
			what: "open values",
			request: func(i int) (method, path, kind, body string) {
				b := fmt.Sprintf(`{"values":[{"thing":"roof","property":"pm25","at":%q,"value":%d}]}`, moment(i).Format(time.RFC3339), i)
				return http.MethodPost, "/v1/open/air", "application/json", b
			},
			there: func(i int) {
				at := moment(i).Format(time.RFC3339)
				_, _, body := w.ask(http.MethodGet, "/open/air/roof/properties/pm25/history?from="+at+"&to="+moment(i+1).Format(time.RFC3339), nil, nil)
				var page struct {
					Values []struct {
						At    time.Time
						Value json.RawMessage
					}
				}
				if err := json.Unmarshal(body, &page); err != nil || len(page.Values) == 0 || len(page.Values) > 2 ||
					!page.Values[0].At.Equal(moment(i)) || !bytes.Equal(page.Values[0].Value, fmt.Append(nil, i)) {
					w.t.Errorf("value of %s: %.300s", at, body)
				}
			},
		},
	}
}

// linkOf is a table of one link, as a publisher sends it.
func linkOf(anchor, href string) string {
	return "anchor,itemDescription,linkType,href,title,default\n" + anchor + ",A product,gs1:pip," + href + ",About it,true\n"
}
