package person

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"primum/client"
	"primum/internal/wire"
	"primum/oath"
	"primum/oath/trace"
)

// maxPages bounds an export of a test person, who has little.
const maxPages = 50

// takeItAlong (O11): another test person, with a public page of theirs, takes
// everything along.
//
// Facts: pages, kinds (what there is in it), has-identity, has-page, same (a
// second export holds the same kinds).
func (c *Cast) takeItAlong(ctx context.Context, _ oath.Args) (oath.Observation, error) {
	o := oath.Observation{Facts: facts{}}
	h, err := c.newHuman(ctx)
	if err != nil {
		return o, err
	}
	c.leaver = h
	if c.trace, err = trace.NewCanary(); err != nil {
		return o, err
	}
	c.page, err = trace.NewCanary()
	if err != nil {
		return o, err
	}
	c.page = strings.NewReplacer("_", "a", "-", "b").Replace(c.page[:22])
	notice := wire.Notice{Title: "Weather", Language: "en", About: c.trace, Items: []wire.NoticeItem{{What: "temperature", Every: "1h"}}}
	if err := h.calls.JSON(ctx, h.node(phone).By, http.MethodPut, c.run.Target.Base+"/v1/notices/"+c.page, notice, nil); err != nil {
		return o, fmt.Errorf("publish a page: %w", err)
	}
	if c.export, err = c.exportOf(ctx, h, &o); err != nil {
		return o, err
	}
	text, err := json.Marshal(c.export.Holds)
	if err != nil {
		return o, fmt.Errorf("read the export: %w", err)
	}
	o.Facts["kinds"] = oath.Number(len(c.export.Holds))
	o.Facts["has-identity"] = oath.Yes(bytes.Contains(text, []byte(h.doc.Compact())))
	o.Facts["has-page"] = oath.Yes(bytes.Contains(text, []byte(c.trace)))
	o.Facts["format"] = oath.Text(printable([]byte(c.export.Format)))
	o.Evidence = append(o.Evidence, oath.Evidence{What: "What a person got who asked for everything.", At: c.clock.Now(), Bytes: cut(text), Replay: c.again("O11")})
	return o, nil
}

// exportOf reads all pages of an export.
func (c *Cast) exportOf(ctx context.Context, h *human, o *oath.Observation) (whole wire.NodeExport, err error) {
	after := ""
	for page := range maxPages {
		path := "/v1/rights/export"
		if after != "" {
			path += "?after=" + url.QueryEscape(after)
		}
		resp, err := c.ask(ctx, h, h.node(phone).By, http.MethodGet, path, nil, "")
		switch {
		case err != nil:
			return whole, fmt.Errorf("export: %w", err)
		case resp.Status == http.StatusNotFound && page == 0:
			return whole, oath.Unshown("the node has no export")
		case resp.Status != http.StatusOK:
			return whole, fmt.Errorf("export: status %d", resp.Status)
		}
		var e wire.NodeExport
		if err := json.Unmarshal(resp.Body, &e); err != nil {
			return whole, fmt.Errorf("read the export: %w", err)
		}
		o.Facts["pages"] = oath.Number(page + 1)
		if page == 0 {
			whole = e
		} else {
			for kind, rows := range e.Holds {
				whole.Holds[kind] = append(whole.Holds[kind], rows...)
			}
		}
		if after = e.More; after == "" {
			break
		}
	}
	whole.More = ""
	return whole, nil
}

// beGone (O11): that person has everything erased, and then others look for it.
//
// Facts: erased, declared (how long until nothing of it is on a disk), remains
// (kinds that stay, with a reason each), reasonless; found (places that still
// show something of the person), found-where, looked (places).
func (c *Cast) beGone(ctx context.Context, args oath.Args) (oath.Observation, error) {
	o := oath.Observation{Facts: facts{}}
	h := c.leaver
	if h == nil || h.closed {
		return o, oath.Unshown("there is nobody who could leave")
	}
	most := args.Duration("wait", 10*time.Second)
	at := c.clock.Now().UTC().Truncate(time.Second)
	body, err := json.Marshal(wire.CloseAccount{At: at, Signature: ed25519.Sign(h.key, wire.CloseAccountBytes(h.address.String(), at))})
	if err != nil {
		return o, fmt.Errorf("ask to be erased: %w", err)
	}
	resp, err := c.ask(ctx, h, h.node(phone).By, http.MethodPost, "/v1/rights/erasure", body, "application/json")
	if err != nil {
		return o, fmt.Errorf("ask to be erased: %w", err)
	}
	var e wire.Erased
	ok := resp.Status/100 == 2 && json.Unmarshal(resp.Body, &e) == nil
	o.Facts["erased"], h.closed = oath.Yes(ok), ok
	o.Evidence = append(o.Evidence, c.evidence("The answer to a person who wants to be erased.", trace.Crossing{At: c.clock.Now(), Where: "POST /v1/rights/erasure", Status: resp.Status, Bytes: resp.Body}, c.again("O11")))
	if !ok {
		return o, nil
	}
	reasonless := 0
	for _, r := range e.Remains {
		if r.Why == "" || r.Until == "" {
			reasonless++
		}
	}
	declared := max(0, e.By.Sub(c.clock.Now()))
	o.Facts["declared"], o.Facts["remains"], o.Facts["reasonless"] = oath.Duration(declared.Round(time.Second)), oath.Number(len(e.Remains)), oath.Number(reasonless)
	if declared > most {
		return o, oath.Unshown(fmt.Sprintf("the node says that all is gone in %v, which this check does not wait for", declared.Round(time.Second)))
	}
	c.pause(ctx, declared)
	c.lookForTraces(ctx, &o, h)
	return o, nil
}

// lookForTraces looks as a stranger in all places that showed the person, and in
// all public pages.
func (c *Cast) lookForTraces(ctx context.Context, o *oath.Observation, h *human) {
	t := trace.NewTape(c.net, c.clock)
	stranger := &human{tape: t, calls: client.Calls{Transport: t, Clock: c.clock}}
	places := []string{
		"/v1/identity/" + h.address.User, "/v1/notices/" + c.page, "/v1/keep/" + h.address.User,
		wire.WebFingerPath + "?resource=" + url.QueryEscape("acct:"+h.address.String()),
		"/n/" + c.page, "/notice/" + c.page,
	}
	for _, path := range places {
		_, _ = c.ask(ctx, stranger, client.Key{}, http.MethodGet, path, nil, "") // the tape has what came
	}
	c.readEverything(ctx, t)
	traces := []trace.Sought{
		{What: "a text of the person's page", Needle: trace.NeedleOf([]byte(c.trace))},
		{What: "the person's identity document", Needle: trace.NeedleOf([]byte(h.doc.Compact()))},
		{What: "the person's client key", Needle: trace.NeedleOf(pub(h.machines[0].key))},
		{What: "the person's identity key", Needle: trace.NeedleOf(pub(h.key))},
	}
	looked, found := 0, 0
	for _, x := range t.Since(0) {
		if x.Way != trace.Answered {
			continue
		}
		looked++
		for _, s := range traces {
			if s.In(x.Bytes) == "" {
				continue
			}
			if found++; found == 1 {
				o.Facts["found-where"] = oath.Text(s.What + " in " + x.Where)
				o.Evidence = append(o.Evidence, c.evidence("After the erasure, "+s.What+" is still shown.", x, "curl "+c.run.Target.Base+pathOnly(x.Where)))
			}
		}
	}
	o.Facts["looked"], o.Facts["found"] = oath.Number(looked), oath.Number(found)
}

func pathOnly(where string) string {
	_, path, _ := strings.Cut(where, " ")
	return path
}
