package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/identity"
	gs1door "primum/internal/door/gs1"
	servicesdoor "primum/internal/door/services"
	"primum/internal/node"
	"primum/internal/wire"
)

// completeWait is how long a person waits for the Tab key where only a node
// knows the names. Without its answer nothing is offered.
const completeWait = time.Second

// live offers for the first argument what list finds.
func live(list func(ctx context.Context, prefix string) ([]string, error)) completer {
	return func(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(c.Context(), completeWait)
		defer cancel()
		all, err := list(ctx, prefix)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var fits []string
		for _, s := range all {
			if strings.HasPrefix(s, prefix) {
				fits = append(fits, calm(s))
			}
		}
		if len(fits) == 1 && strings.HasSuffix(fits[0], "/") {
			return fits, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
		return fits, cobra.ShellCompDirectiveNoFileComp
	}
}

// read reads one answer of a node.
func (p *publisher) read(ctx context.Context, path string, into any) error {
	resp, err := p.Do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	return readJSON(resp, into)
}

func (a *app) completeTokens(at *nodeDirFlags) completer {
	return live(func(ctx context.Context, _ string) (names []string, err error) {
		dir, err := at.dir(a)
		if err != nil {
			return nil, err
		}
		all, err := node.Tokens(ctx, dir)
		for _, t := range all {
			names = append(names, t.Name)
		}
		return names, err
	})
}

func (a *app) completeServices(f *publisherFlags) completer {
	return live(func(ctx context.Context, _ string) (names []string, err error) {
		p, err := a.reader(f.node, &f.at)
		if err != nil {
			return nil, err
		}
		var l servicesdoor.List
		if err := p.read(ctx, wire.ServiceListPath, &l); err != nil {
			return nil, err
		}
		for _, s := range l.Services {
			var named struct{ Name string }
			if json.Unmarshal(s.Service, &named) == nil {
				names = append(names, named.Name)
			}
		}
		return names, nil
	})
}

// completeLinks offers the first names that begin as what is typed.
func (a *app) completeLinks(f *publisherFlags) completer {
	return live(func(ctx context.Context, prefix string) (names []string, err error) {
		p, err := a.publisher(f)
		if err != nil {
			return nil, err
		}
		var l gs1door.Listed
		if err := p.read(ctx, gs1door.LinksPath+"?"+url.Values{"limit": {"100"}, "after": {prefix}}.Encode(), &l); err != nil {
			return nil, err
		}
		for _, it := range l.Items {
			names = append(names, it.Anchor)
		}
		return names, nil
	})
}

// completeOpenly offers SERVICE, SERVICE/THING and, where depth is 3,
// SERVICE/THING/PROPERTY, one part at a time.
func (a *app) completeOpenly(f *publisherFlags, depth int) completer {
	return live(func(ctx context.Context, prefix string) (names []string, err error) {
		p, err := a.openReader(f)
		if err != nil {
			return nil, err
		}
		parts := strings.Split(prefix, "/")
		above := strings.Join(parts[:len(parts)-1], "/")
		switch len(parts) {
		case 1:
			var out struct{ Services []struct{ Name string } }
			err = p.read(ctx, "/open", &out)
			for _, s := range out.Services {
				names = append(names, s.Name)
				if depth == 3 {
					names[len(names)-1] += "/"
				}
			}
		case 2:
			var out struct{ List []struct{ Name string } }
			err = p.read(ctx, openPath("", above, ""), &out)
			for _, t := range out.List {
				names = append(names, above+"/"+t.Name)
			}
		case depth:
			var out map[string]json.RawMessage
			err = p.read(ctx, openPath("", parts[0], parts[1])+"/properties", &out)
			for name := range out {
				names = append(names, above+"/"+name)
			}
		}
		return names, err
	})
}

// completeLabels asks the own node; it offers nothing while another process
// holds the keys.
func (a *app) completeLabels() completer {
	return live(func(ctx context.Context, _ string) (names []string, err error) {
		v, err := a.peek()
		if err != nil {
			return nil, err
		}
		defer func() { _ = v.Close() }()
		o, err := v.Options(a.transport)
		if err != nil {
			return nil, err
		}
		who, err := identity.ParseAddress(o.Keys.Address)
		if err != nil {
			return nil, err
		}
		o.Calls.Clock, o.Calls.Rand = a.clock, a.rand
		home := client.Node{
			Calls: o.Calls.WithDefaults(), Authority: who.Authority,
			By: client.Key{ID: identity.ClientKeyID(who, o.Keys.Client), Signer: o.Keys.Signer},
		}
		var all wire.Labels
		if err := home.JSON(ctx, home.By, http.MethodGet, who.BaseURL()+wire.LabelsPath, nil, &all); err != nil {
			return nil, err
		}
		for _, l := range all.Labels {
			names = append(names, l.Label+"\t"+l.Name)
		}
		return names, nil
	})
}
