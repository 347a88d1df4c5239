package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"primum/internal/open"
)

// openPlace is where open services are, without the flags of a publisher's
// token.
func openPlace(a *app, c *cobra.Command, p *publisherFlags) {
	c.Flags().StringVar(&p.node, "node", "", a.words.Get("flag.openly-node"))
	p.at.add(a, c)
}

func openListCommand(a *app) *cobra.Command {
	var p publisherFlags
	c := a.command("list [SERVICE]", "openly-list", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		from, err := a.openReader(&p)
		if err != nil {
			return err
		}
		path := "/open"
		if len(args) == 1 {
			path = openPath("", args[0], "")
		}
		var out struct {
			Services []struct {
				Name, Title string
				Things      int64
			} `json:"services"`
			List []struct{ Name, Title, Key string } `json:"list"`
		}
		var whole json.RawMessage
		if _, err := a.openly(cmd.Context(), from, http.MethodGet, path, nil, &whole); err != nil {
			return err
		}
		if a.json {
			a.line(whole)
			return nil
		}
		if err := json.Unmarshal(whole, &out); err != nil {
			return fmt.Errorf("read the node's answer: %w", err)
		}
		for _, s := range out.Services {
			a.say("openly.service", "Name", pad(s.Name, 20), "Title", s.Title, "N", s.Things)
		}
		for _, t := range out.List {
			a.say("openly.thing", "Name", pad(args[0]+"/"+t.Name, 32), "Title", t.Title, "Key", t.Key)
		}
		if len(out.Services)+len(out.List) == 0 {
			a.say("openly.none")
		}
		return nil
	})
	openPlace(a, c, &p)
	return c
}

// getFlags say what of a history is asked.
type getFlags struct {
	since, to, window string
	csv               bool
}

func openGetCommand(a *app) *cobra.Command {
	var p publisherFlags
	var f getFlags
	c := a.command("get SERVICE/THING[/PROPERTY]", "openly-get", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		from, err := a.openReader(&p)
		if err != nil {
			return err
		}
		whole, property := args[0], ""
		if parts := strings.SplitN(args[0], "/", 3); len(parts) == 3 {
			whole, property = parts[0]+"/"+parts[1], parts[2]
		}
		service, name, err := a.openThing(whole)
		if err != nil {
			return err
		}
		path := openPath("", service, name) + "/properties"
		if property == "" {
			return a.showNewest(cmd.Context(), from, path)
		}
		path += "/" + url.PathEscape(property) + "/history"
		if f.csv {
			return a.copyTable(cmd.Context(), from, path, f)
		}
		return a.showPast(cmd.Context(), from, path, f)
	})
	c.ValidArgsFunction = a.completeOpenly(&p, 3)
	openPlace(a, c, &p)
	s := c.Flags()
	s.StringVar(&f.since, "since", "24h", a.words.Get("flag.openly-since"))
	s.StringVar(&f.to, "to", "", a.words.Get("flag.openly-to"))
	s.StringVar(&f.window, "window", "", a.words.Get("flag.openly-window"))
	s.BoolVar(&f.csv, "csv", false, a.words.Get("flag.openly-csv"))
	return c
}

func (f getFlags) query(more ...string) string {
	q := url.Values{"from": {f.since}, "limit": {"10000"}}
	if f.to != "" {
		q.Set("to", f.to)
	}
	if f.window != "" {
		q.Set("window", f.window)
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return "?" + q.Encode()
}

func (a *app) showNewest(ctx context.Context, from *publisher, path string) error {
	var values map[string]json.RawMessage
	if _, err := a.openly(ctx, from, http.MethodGet, path, nil, &values); err != nil {
		return err
	}
	if a.json {
		a.line(values)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		a.say("openly.value", "Name", pad(name, 24), "Value", string(values[name]))
	}
	return nil
}

// past is one page of a history.
type past struct {
	Unit   string            `json:"unit"`
	Values []json.RawMessage `json:"values"`
	Next   string            `json:"next"`
}

// showPast prints values, page after page.
func (a *app) showPast(ctx context.Context, from *publisher, path string, f getFlags) error {
	for path += f.query(); path != ""; {
		var page past
		if _, err := a.openly(ctx, from, http.MethodGet, path, nil, &page); err != nil {
			return err
		}
		for _, raw := range page.Values {
			if a.json {
				a.line(raw)
				continue
			}
			if err := a.showMoment(raw, page.Unit); err != nil {
				return err
			}
		}
		next, ok := strings.CutPrefix(page.Next, from.Base)
		if page.Next != "" && !ok {
			return errors.New("the node leads to another one for the rest of the values")
		}
		path = next
	}
	return nil
}

func (a *app) showMoment(raw json.RawMessage, unit string) error {
	var v struct {
		open.Window
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	if v.Value != nil {
		a.say("openly.moment", "At", a.when(v.At), "Value", string(v.Value), "Unit", unit)
		return nil
	}
	a.say("openly.window", "At", a.when(v.At), "Mean", v.Mean, "Min", v.Min, "Max", v.Max, "Unit", unit, "N", v.N)
	return nil
}

// copyTable prints the first 10,000 rows as CSV, as the node gives them.
func (a *app) copyTable(ctx context.Context, from *publisher, path string, f getFlags) error {
	resp, err := from.Do(ctx, http.MethodGet, path+f.query("format", "csv"), "", http.NoBody)
	if err != nil {
		return a.openlySaid(from, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(a.out, io.LimitReader(resp.Body, 64<<20)); err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	if resp.Header.Get("Link") != "" {
		a.hint("openly.more")
	}
	return nil
}
