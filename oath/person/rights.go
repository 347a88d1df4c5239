package person

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"primum/client"
	"primum/internal/wire"
	"primum/oath"
	"primum/oath/trace"
)

// use is one exercised right, as the node answered.
type use struct {
	path   string
	status int
	header map[string]string
	body   []byte
	took   time.Duration
}

// useRights (O10): the person uses rights, again and again, with as many ordinary
// reads in between.
//
// Facts: used, done, failed-at; priced, hurdles (a riddle or a page in between),
// queued (to come back later), first-hurdle; p95-right, p95-read, slow (more than
// twice the reads, and more than the floor); catalogue (the list of meters is
// public), rights-metered.
func (c *Cast) useRights(ctx context.Context, args oath.Args) (oath.Observation, error) {
	times, floor := int(args.Number("times", 20)), args.Duration("floor", 250*time.Millisecond)
	o := oath.Observation{Facts: facts{}}
	var all []use
	var right, read time.Duration
	slow := true
	for try := 0; slow && try < attempts; try++ { // a line may be bad for a moment
		var more []use
		var err error
		if more, right, read, err = c.useMany(ctx, len(all), times); err != nil {
			return o, err
		}
		all, slow = append(all, more...), right > 2*read && right > floor
	}
	if all[0].status == http.StatusNotFound {
		return o, oath.Unshown("the node has no such operation: " + all[0].path)
	}
	c.noteUses(&o, all)
	o.Facts["p95-right"], o.Facts["p95-read"], o.Facts["slow"] = oath.Duration(shortOf(right)), oath.Duration(shortOf(read)), oath.Yes(slow)
	o.Evidence = append(o.Evidence, c.note(fmt.Sprintf("%d rights were used: of 100, 95 took at most %v; of ordinary reads, %v.", len(all), shortOf(right), shortOf(read)), c.again("O10")))
	c.noteMeters(ctx, &o)
	return o, nil
}

// attempts bounds how often times are measured before rights count as slow.
const attempts = 3

// useMany uses rights, from the n-th use on, with an ordinary read after each.
func (c *Cast) useMany(ctx context.Context, n, times int) (all []use, right, read time.Duration, err error) {
	var rights, reads []time.Duration
	for i := range times {
		u, err := c.useOne(ctx, n+i)
		if err != nil {
			return nil, 0, 0, err
		}
		start := c.clock.Now()
		if _, err := c.ask(ctx, c.owner, c.owner.node(phone).By, http.MethodGet, "/v1/grants", nil, ""); err != nil {
			return nil, 0, 0, err
		}
		all, rights, reads = append(all, u), append(rights, u.took), append(reads, c.clock.Now().Sub(start))
	}
	return all, p95(rights), p95(reads), nil
}

// useOne uses the next right in turn. Objections and complaints are few: people
// have to read them.
func (c *Cast) useOne(ctx context.Context, i int) (use, error) {
	turn := []string{"/v1/rights/access", "/v1/rights/export", "/v1/rights", "/v1/seen?days=1&day=" + c.clock.Now().UTC().Format(wire.SeenDayForm)}
	method, path, body := http.MethodGet, turn[i%len(turn)], []byte(nil)
	kind := ""
	if i == 5 || i == 11 {
		method, path, kind = http.MethodPost, map[int]string{5: "/v1/rights/objection", 11: "/v1/rights/complaint"}[i], "application/json"
		plea := wire.Plea{About: c.owner.address.String(), Text: "I would like to know why my things are shown as they are. No hurry."}
		var err error
		if body, err = json.Marshal(plea); err != nil {
			return use{}, fmt.Errorf("write a plea: %w", err)
		}
	}
	start := c.clock.Now()
	resp, err := c.ask(ctx, c.owner, c.owner.node(phone).By, method, path, body, kind)
	if err != nil {
		return use{}, fmt.Errorf("use a right: %w", err)
	}
	return use{path: method + " " + path, status: resp.Status, header: resp.Header, body: resp.Body, took: c.clock.Now().Sub(start)}, nil
}

func p95(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[max(0, len(sorted)*95/100-1+len(sorted)%2)]
}

func (c *Cast) noteUses(o *oath.Observation, all []use) {
	var done, priced, hurdles, queued int
	first := func(u use, what string) {
		if _, known := o.Facts["first-hurdle"]; known {
			return
		}
		o.Facts["first-hurdle"] = oath.Text(fmt.Sprintf("%s: %s (status %d)", u.path, what, u.status))
		o.Evidence = append(o.Evidence, c.evidence(u.path+": "+what, trace.Crossing{At: c.clock.Now(), Where: u.path, Status: u.status, Bytes: u.body}, c.again("O10")))
	}
	for _, u := range all {
		switch what := u.hurdle(); {
		case u.status == http.StatusPaymentRequired || what == "a price":
			priced++
			first(u, "a price")
		case u.status == http.StatusTooManyRequests || u.status == http.StatusServiceUnavailable || u.status == http.StatusAccepted || u.header["retry-after"] != "":
			queued++
			first(u, "to come back later")
		case what != "":
			hurdles++
			first(u, what)
		case u.status/100 == 2:
			done++
		default:
			first(u, "refused")
		}
	}
	o.Facts["used"], o.Facts["done"], o.Facts["priced"] = oath.Number(len(all)), oath.Number(done), oath.Number(priced)
	o.Facts["hurdles"], o.Facts["queued"] = oath.Number(hurdles), oath.Number(queued)
	o.Facts["refused"] = oath.Number(len(all) - done - priced - hurdles - queued)
}

// hurdle names what stands between a person and the answer, from its words.
func (u use) hurdle() string {
	said := strings.ToLower(string(u.body[:min(len(u.body), 64<<10)]) + trace.HeaderText(u.header))
	holds := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(said, w) })
	}
	switch {
	case u.status/100 == 2 && bytes.HasPrefix(bytes.TrimSpace(u.body), []byte("{")):
		return "" // what was asked for; its words are the person's
	case holds("captcha", "are you human", "turnstile"):
		return "a riddle"
	case holds("payment", "price", "invoice", "checkout", "fee of"):
		return "a price"
	case holds("<html", "<!doctype"):
		return "a page in between"
	}
	return ""
}

// noteMeters looks whether the public list of meters counts rights.
func (c *Cast) noteMeters(ctx context.Context, o *oath.Observation) {
	resp, err := c.ask(ctx, c.owner, client.Key{}, http.MethodGet, wire.MeterCataloguePath, nil, "")
	var m wire.MeterCatalogue
	known := err == nil && resp.Status == http.StatusOK && json.Unmarshal(resp.Body, &m) == nil
	o.Facts["catalogue"] = oath.Yes(known)
	if !known {
		return
	}
	metered := !slices.Contains(m.Never, "rights") || !slices.Contains(m.Never, "persons")
	for _, meter := range m.Meters {
		metered = metered || strings.Contains(meter.ID, "right") || strings.Contains(meter.ID, "export") || strings.Contains(meter.ID, "withdraw")
	}
	o.Facts["rights-metered"] = oath.Yes(metered)
	if metered {
		o.Evidence = append(o.Evidence, c.evidence("The list of meters counts rights or persons.", trace.Crossing{At: c.clock.Now(), Where: "GET " + wire.MeterCataloguePath, Status: resp.Status, Bytes: resp.Body}, "curl "+c.run.Target.Base+wire.MeterCataloguePath))
	}
}
