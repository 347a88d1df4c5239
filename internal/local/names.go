package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"primum/client/nethttp"
	"primum/grant"
	"primum/identity"
	"primum/internal/operator"
	"primum/internal/wire"
)

// What everybody finds in this game: a product of which node H has links, one of
// a range that node S answers for, and the weather on a roof.
const (
	product   = "01/04012345123456"
	delegated = "01/0409876*"
	product2  = "01/04098765432101"
	weather   = "weather"
	mast      = "urn:example:weather-mast"
	roof      = "roof"
	pace      = 2 * time.Second // between two values of the roof
)

// publisher changes what a node of this game shows to everybody.
type publisher struct {
	base, token string
	http        *http.Client
}

func (w *world) publisher(r *running, dir string) (*publisher, error) {
	b, err := os.ReadFile(filepath.Join(w.dir, dir, operator.TokenFile))
	if err != nil {
		return nil, fmt.Errorf("read the publisher's token: %w", err)
	}
	return &publisher{
		base: r.node.BaseURL(), token: strings.TrimSpace(string(b)),
		http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: nethttp.Dialer{}.DialContext}},
	}, nil
}

type document map[string]any

// put publishes a document of JSON.
func (p *publisher) put(ctx context.Context, method, path, kind string, d document) error {
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("publish %s: %w", path, err)
	}
	return p.send(ctx, method, path, kind, body)
}

// send publishes what is written already.
func (p *publisher) send(ctx context.Context, method, path, kind string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("publish %s: %w", path, err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", kind)
	resp, err := p.http.Do(req)
	if err != nil {
		return fmt.Errorf("publish %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusBadRequest {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("publish %s: %s: %s", path, resp.Status, said)
	}
	return nil
}

// names publishes what everybody finds, and begins to feed the roof.
func (w *world) names(ctx context.Context) error {
	h, err := w.publisher(w.h, "node-h")
	if err != nil {
		return err
	}
	s, err := w.publisher(w.s, "node-s")
	if err != nil {
		return err
	}
	if err := errors.Join(h.link(ctx, product, "Weather station, type 3"), s.link(ctx, product2, "Water meter, type 7")); err != nil {
		return err
	}
	if err := h.put(ctx, http.MethodPost, "/v1/linkset/delegations", "application/json", document{"subject": delegated, "handledBy": s.base}); err != nil {
		return err
	}
	if err := errors.Join(h.roof(ctx), s.offer(ctx, w.adviser)); err != nil {
		return err
	}
	ctx, w.endFeed = context.WithCancel(context.WithoutCancel(ctx))
	go h.feed(ctx)
	return nil
}

// link gives a product a page and a manual.
func (p *publisher) link(ctx context.Context, key, what string) error {
	table := fmt.Sprintf("anchor,itemDescription,linkType,href,title,hreflang,default\n"+
		"%[1]s,\"%[2]s\",gs1:pip,%[3]s/class/%[1]s,About this product,,true\n"+
		"%[1]s,\"%[2]s\",gs1:instructions,https://example.com/manual/en,Manual,en,\n"+
		"%[1]s,\"%[2]s\",gs1:instructions,https://example.com/manual/de,Anleitung,de,\n", key, what, p.base)
	return p.send(ctx, http.MethodPost, "/v1/linkset", "text/csv", []byte(table))
}

// feed sends a value of the roof at every pace until the context ends.
func (p *publisher) feed(ctx context.Context) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			_ = p.measure(ctx, now) // the next one comes soon
		}
	}
}

// measure sends the roof's temperature of a moment.
func (p *publisher) measure(ctx context.Context, now time.Time) error {
	degrees := 8 + 5*math.Sin(float64(now.Unix())/600)
	return p.put(ctx, http.MethodPost, "/v1/open/"+weather, "application/json", document{"values": []document{
		{"thing": roof, "property": "temperature", "at": now.UTC(), "value": math.Round(degrees*10) / 10},
	}})
}

// mast puts a description into the directory of things.
func (p *publisher) mast(ctx context.Context) error {
	return p.put(ctx, http.MethodPut, "/things/"+mast, "application/td+json", document{
		"@context": "https://www.w3.org/2022/wot/td/v1.1", "id": mast, "title": "Weather mast", "security": "open",
		"securityDefinitions": document{"open": document{"scheme": "nosec"}},
		"links":               []document{{"rel": "item", "href": p.base + "/open/" + weather + "/" + roof, "type": "application/td+json"}},
	})
}

// roof makes the open service and its thing, with the values of the last hour.
func (p *publisher) roof(ctx context.Context) error {
	err := p.put(ctx, http.MethodPut, "/v1/open/"+weather, "application/json", document{
		"title": "Weather on the roof", "titles": document{"de": "Wetter auf dem Dach", "ar": "الطقس على السطح"},
		"license": "https://creativecommons.org/publicdomain/zero/1.0/",
	})
	if err != nil {
		return err
	}
	err = p.put(ctx, http.MethodPut, "/v1/open/"+weather+"/"+roof+"?key="+product+"/21/7", "application/td+json", document{
		"@context": "https://www.w3.org/2022/wot/td/v1.1", "title": "Thermometer on the roof",
		"titles":     document{"de": "Thermometer auf dem Dach", "ar": "مقياس الحرارة على السطح"},
		"properties": document{"temperature": document{"title": "Temperature", "titles": document{"de": "Temperatur", "ar": "درجة الحرارة"}, "type": "number", "unit": "°C", "readOnly": true}},
	})
	if err != nil {
		return err
	}
	if err := p.mast(ctx); err != nil {
		return err
	}
	for now, at := time.Now(), time.Now().Add(-time.Hour); at.Before(now); at = at.Add(time.Minute) {
		if err := p.measure(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

// offer lists, at node S, what the adviser does and what it needs for that.
func (p *publisher) offer(ctx context.Context, adviser string) error {
	provider, err := identity.ParseAddress(adviser)
	if err != nil {
		return err
	}
	purpose, err := grant.FindPurpose("energy advice")
	if err != nil {
		return err
	}
	s := grant.Service{
		V: 1, Name: "water-advice", Provider: provider,
		Texts: map[string]grant.ServiceText{
			"en": {Title: "Water advice", Body: "Tells you within a day when a tap drips or a pipe leaks."},
			"de": {Title: "Wasserberatung", Body: "Sagt innerhalb eines Tages, wenn ein Hahn tropft oder ein Rohr leckt."},
			"ar": {Title: "نصائح حول المياه", Body: "ينبّهك خلال يوم واحد إلى صنبور يقطر أو أنبوب يتسرّب."},
		},
		Asks: []grant.ServiceAsk{{
			Purpose: purpose, For: grant.Duration(90 * 24 * time.Hour), Retention: grant.Duration(30 * 24 * time.Hour),
			Wants: []grant.Want{{Quantity: "flow", Unit: "L/min", Actions: []string{"observeproperty", "readproperty"}, Precision: grant.Precision{Every: grant.Duration(15 * time.Minute), Stat: grant.Mean}}},
			Notices: map[string]string{
				"en": "We look for water that runs at night, keep 30 days, and give nothing to others.",
				"de": "Wir suchen nach Wasser, das nachts läuft, behalten 30 Tage und geben nichts weiter.",
				"ar": "نبحث عن مياه تجري ليلًا، ونحتفظ بثلاثين يومًا، ولا نعطي شيئًا لغيرنا.",
			},
			Conditionality: &grant.Conditionality{CoreFunctionWithoutGrant: false, Benefit: "a warning by message"},
		}},
	}
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the service: %w", err)
	}
	return p.send(ctx, http.MethodPut, wire.ServiceListPath+"/"+s.Name, "application/json", body)
}
