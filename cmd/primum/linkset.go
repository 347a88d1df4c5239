package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	gs1door "primum/internal/door/gs1"
	"primum/internal/linkset"
	"primum/internal/wire"
)

func linksetCommand(a *app) *cobra.Command {
	return a.group("linkset", "linkset",
		linksetAddCommand(a), linksetListCommand(a), linksetRemoveCommand(a), linksetImportCommand(a), linksetExportCommand(a),
		linksetDelegateCommand(a), linksetDelegatedCommand(a), linksetUndelegateCommand(a))
}

// linkFlags are what is said of one link.
type linkFlags struct {
	title, what, media string
	langs, contexts    []string
	isDefault, noQuery bool
}

func (f *linkFlags) add(a *app, c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.title, "title", "", a.words.Get("flag.link-title"))
	s.StringVar(&f.what, "description", "", a.words.Get("flag.link-description"))
	s.StringSliceVar(&f.langs, "lang", nil, a.words.Get("flag.link-lang"))
	s.StringVar(&f.media, "media", "", a.words.Get("flag.link-media"))
	s.StringSliceVar(&f.contexts, "context", nil, a.words.Get("flag.link-context"))
	s.BoolVar(&f.isDefault, "default", false, a.words.Get("flag.link-default"))
	s.BoolVar(&f.noQuery, "no-query", false, a.words.Get("flag.link-noquery"))
}

// document is the linkset of one link.
func (f *linkFlags) document(name, linkType, href string) ([]byte, error) {
	target := map[string]any{"href": href, "title": f.title}
	if len(f.langs) > 0 {
		target["hreflang"] = f.langs
	}
	if len(f.contexts) > 0 {
		target["context"] = f.contexts
	}
	if f.media != "" {
		target["type"] = f.media
	}
	if f.noQuery {
		target["fwqs"] = false
	}
	links := map[string]any{"anchor": name, "itemDescription": f.what, linkType: []any{target}}
	if f.isDefault {
		links[linkset.DefaultLink] = []any{map[string]any{"href": href, "title": f.title}}
	}
	return json.Marshal(map[string]any{"linkset": []any{links}})
}

func linksetAddCommand(a *app) *cobra.Command {
	var p publisherFlags
	var f linkFlags
	c := a.command("add NAME TYPE URL", "linkset-add", cobra.ExactArgs(3), func(cmd *cobra.Command, args []string) error {
		body, err := f.document(args[0], args[1], args[2])
		if err != nil {
			return err
		}
		var sum linkset.Sum
		if err := a.publish(cmd.Context(), &p, http.MethodPost, gs1door.LinksPath, body, &sum); err != nil {
			return err
		}
		if a.json {
			a.line(sum)
			return nil
		}
		a.say("linkset.added", "Added", sum.Added, "Changed", sum.Changed)
		return nil
	})
	f.add(a, c)
	p.add(a, c)
	return c
}

// publish sends a document to the node and reads its answer.
func (a *app) publish(ctx context.Context, p *publisherFlags, method, path string, body []byte, out any) error {
	node, err := a.publisher(p)
	if err != nil {
		return err
	}
	kind := ""
	if body != nil {
		kind = "application/json"
	}
	return a.publishTo(ctx, node, method, path, kind, body, out)
}

func (a *app) publishTo(ctx context.Context, node *publisher, method, path, kind string, body []byte, out any) error {
	resp, err := node.Do(ctx, method, path, kind, bytes.NewReader(body))
	if err != nil {
		return a.linksetSaid(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 256<<20)).Decode(out); err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	return nil
}

// linksetSaid says where the node found what it can't keep.
func (a *app) linksetSaid(err error) error {
	var p *wire.Problem
	if !errors.As(err, &p) {
		return err
	}
	switch {
	case p.Status == http.StatusNotFound:
		return a.said(exitFailed, "linkset.unknown")
	case p.Pointer != "":
		return a.said(exitFailed, "linkset.refused", "Place", p.Pointer, "Why", p.Detail)
	}
	return err
}

func linksetListCommand(a *app) *cobra.Command {
	var p publisherFlags
	c := a.command("list [NAME]", "linkset-list", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		node, err := a.publisher(&p)
		if err != nil {
			return err
		}
		query := url.Values{}
		if len(args) == 1 {
			query.Set("anchor", args[0])
		}
		n := 0
		err = a.eachListed(cmd.Context(), node, query, func(it gs1door.ListedItem) error {
			n++
			a.showItem(it)
			return nil
		})
		if err == nil && n == 0 && !a.json {
			a.say("linkset.none")
		}
		return err
	})
	c.ValidArgsFunction = a.completeLinks(&p)
	p.add(a, c)
	return c
}

// eachListed pages through the node's links.
func (a *app) eachListed(ctx context.Context, node *publisher, query url.Values, do func(gs1door.ListedItem) error) error {
	query.Set("limit", "1000")
	for {
		var page gs1door.Listed
		if err := a.publishTo(ctx, node, http.MethodGet, gs1door.LinksPath+"?"+query.Encode(), "", nil, &page); err != nil {
			return err
		}
		for _, it := range page.Items {
			if err := do(it); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Set("after", page.Next)
	}
}

func (a *app) showItem(it gs1door.ListedItem) {
	if a.json {
		a.line(it)
		return
	}
	a.say("linkset.item", "Name", it.Anchor, "What", it.Description)
	for _, e := range it.Entries {
		mark := " "
		if e.Default {
			mark = "*"
		}
		a.say("linkset.entry", "Mark", mark, "ID", e.ID, "Type", e.LinkType, "Langs", strings.Join(e.Langs, " "), "Media", e.Type, "URL", e.Href)
	}
}

func linksetRemoveCommand(a *app) *cobra.Command {
	var p publisherFlags
	var all bool
	c := a.command("remove NAME [ID]", "linkset-remove", cobra.RangeArgs(1, 2), func(cmd *cobra.Command, args []string) error {
		query := url.Values{"anchor": {args[0]}}
		switch {
		case len(args) == 2 && !all:
			query.Set("id", args[1])
		case len(args) == 1 && all:
		default:
			return a.said(exitUsage, "linkset.which")
		}
		var sum linkset.Sum
		if err := a.publish(cmd.Context(), &p, http.MethodDelete, gs1door.LinksPath+"?"+query.Encode(), nil, &sum); err != nil {
			return err
		}
		if a.json {
			a.line(sum)
			return nil
		}
		a.say("linkset.removed", "N", sum.Removed)
		return nil
	})
	c.ValidArgsFunction = a.completeLinks(&p)
	c.Flags().BoolVar(&all, "all", false, a.words.Get("flag.link-all"))
	p.add(a, c)
	return c
}

func linksetDelegateCommand(a *app) *cobra.Command {
	var p publisherFlags
	c := a.command("delegate NAMES URL", "linkset-delegate", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		body, err := json.Marshal(map[string]string{"subject": args[0], "handledBy": args[1]})
		if err != nil {
			return err
		}
		if err := a.publish(cmd.Context(), &p, http.MethodPost, gs1door.DelegationsPath, body, nil); err != nil {
			return err
		}
		if a.json {
			a.line(map[string]string{"subject": args[0], "handledBy": args[1]})
			return nil
		}
		a.say("linkset.delegated", "Names", args[0], "URL", args[1])
		return nil
	})
	p.add(a, c)
	return c
}

func linksetDelegatedCommand(a *app) *cobra.Command {
	var p publisherFlags
	c := a.command("delegated", "linkset-delegated", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		var out struct {
			Delegations []linkset.Delegation `json:"delegations"`
		}
		if err := a.publish(cmd.Context(), &p, http.MethodGet, gs1door.DelegationsPath, nil, &out); err != nil {
			return err
		}
		for _, d := range out.Delegations {
			if a.json {
				a.line(d)
				continue
			}
			a.say("linkset.delegation", "Names", d.Subject, "URL", d.HandledBy, "When", a.when(d.Changed))
		}
		if len(out.Delegations) == 0 && !a.json {
			a.say("linkset.nodelegation")
		}
		return nil
	})
	p.add(a, c)
	return c
}

func linksetUndelegateCommand(a *app) *cobra.Command {
	var p publisherFlags
	c := a.command("undelegate NAMES", "linkset-undelegate", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		query := url.Values{"subject": {args[0]}}
		if err := a.publish(cmd.Context(), &p, http.MethodDelete, gs1door.DelegationsPath+"?"+query.Encode(), nil, nil); err != nil {
			return err
		}
		a.removed(args[0], "linkset.undelegated", "Names", args[0])
		return nil
	})
	p.add(a, c)
	return c
}
