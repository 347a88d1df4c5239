package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/grant"
	"primum/identity"
	servicesdoor "primum/internal/door/services"
	"primum/internal/wire"
)

func serviceCommand(a *app) *cobra.Command {
	return a.group("service", "service", servicePublishCommand(a), serviceListCommand(a), serviceRemoveCommand(a), serviceExampleCommand(a))
}

func servicePublishCommand(a *app) *cobra.Command {
	var f publisherFlags
	c := a.command("publish FILE", "service-publish", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		b, err := a.serviceText(args[0])
		if err != nil {
			return err
		}
		s, err := grant.ParseService(b)
		if err != nil {
			return usage(err)
		}
		p, err := a.publisher(&f)
		if err != nil {
			return err
		}
		resp, err := p.Do(cmd.Context(), http.MethodPut, wire.ServiceListPath+"/"+s.Name, "application/json", bytes.NewReader(b))
		if err != nil {
			return err
		}
		var done servicesdoor.Published
		if err := readJSON(resp, &done); err != nil {
			return err
		}
		switch {
		case a.json:
			a.line(done)
		case !done.Added:
			a.say("service.same", "Name", s.Name)
		default:
			a.say("service.published", "Name", s.Name, "URL", p.Base+wire.ServicePages+"/"+s.Name, "Ref", done.Ref)
		}
		return nil
	})
	f.add(a, c)
	return c
}

// serviceText reads a description from a file, or ("-") from standard input.
func (a *app) serviceText(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(a.in, grant.MaxService+1))
	}
	return readFact(file, grant.MaxService)
}

func serviceRemoveCommand(a *app) *cobra.Command {
	var f publisherFlags
	c := a.command("remove NAME", "service-remove", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if !grant.IsServiceName(args[0]) {
			return a.said(exitUsage, "service.name", "Name", args[0])
		}
		p, err := a.publisher(&f)
		if err != nil {
			return err
		}
		resp, err := p.Do(cmd.Context(), http.MethodDelete, wire.ServiceListPath+"/"+args[0], "", nil)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		a.removed(args[0], "service.removed", "Name", args[0])
		return nil
	})
	c.ValidArgsFunction = a.completeServices(&f)
	f.add(a, c)
	return c
}

func serviceListCommand(a *app) *cobra.Command {
	var domain string
	var at nodeDirFlags
	c := a.command("list", "service-list", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		p, err := a.reader(domain, &at)
		if err != nil {
			return err
		}
		shown := 0
		for after := ""; ; {
			var l servicesdoor.List
			resp, err := p.Do(cmd.Context(), http.MethodGet, wire.ServiceListPath+"?after="+url.QueryEscape(after), "", nil)
			if err == nil {
				err = readJSON(resp, &l)
			}
			if err != nil {
				return err
			}
			for _, s := range l.Services {
				a.showService(p, s)
			}
			shown += len(l.Services)
			if after = l.Next; after == "" {
				break
			}
		}
		if shown == 0 {
			a.say("service.none")
		}
		return nil
	})
	c.Flags().StringVar(&domain, "node", "", a.words.Get("flag.service-node"))
	at.add(a, c)
	return c
}

// showService says one service of a list.
func (a *app) showService(p *publisher, l servicesdoor.Listed) {
	if a.json {
		a.line(l)
		return
	}
	s, err := grant.ParseService(l.Service)
	if err != nil {
		return // one that a newer program wrote
	}
	text, _ := s.Text(a.words.Language())
	a.say("service.line", "Name", p.Node+"/"+s.Name, "Title", text.Title, "Index", l.Index)
	if len(s.Asks) > 0 {
		a.say("service.by", "Provider", s.Provider.String())
	}
	for _, ask := range s.Asks {
		a.showAsk(ask)
	}
}

func (a *app) showAsk(ask grant.ServiceAsk) {
	for _, w := range ask.Wants {
		a.say("requests.want", "What", wantText(w), "May", a.may(w.Actions), "Fine", a.fine(w.Precision))
	}
	a.say("requests.why", "Why", purposeText(ask.Purpose), "Notice", ask.Notice(a.words.Language()).Text)
	if c := ask.Conditionality; c != nil {
		a.say("requests.condition", "Price", c.Price, "Benefit", c.Benefit)
	}
}

// showKept says what stays with the provider.
func (a *app) showKept(ask grant.ServiceAsk) {
	if ask.Retention > 0 {
		a.say("service.kept", "Span", a.span(ask.Retention))
	}
	if ask.DeletesWithin > 0 {
		a.say("service.deletes", "Span", a.span(ask.DeletesWithin))
	}
}

// serviceExampleCommand prints a description to begin with.
func serviceExampleCommand(a *app) *cobra.Command {
	return a.command("example ACCOUNT", "service-example", cobra.ExactArgs(1), func(_ *cobra.Command, args []string) error {
		provider, err := identity.ParseAddress(args[0])
		if err != nil {
			return usage(err)
		}
		b, err := json.MarshalIndent(exampleService(provider), "", "  ")
		if err == nil {
			_, err = a.out.Write(append(b, '\n'))
		}
		return err
	})
}

func exampleService(provider identity.Address) grant.Service {
	return grant.Service{
		V: 1, Name: "energy-advice", Provider: provider,
		Texts: map[string]grant.ServiceText{"en": {Title: "Energy advice", Body: "We show you where electricity is lost.\nOnce a month you get a letter."}},
		Asks: []grant.ServiceAsk{{
			Purpose: grant.Purpose{Class: "dpv:OptimisationForConsumer", Label: "energy advice"},
			Wants: []grant.Want{{
				Quantity: "power", Unit: "W", Actions: []string{grant.OpRead, grant.OpObserve},
				Precision: grant.Precision{Every: grant.Day / 24, Stat: grant.Mean, Round: 10},
			}},
			For: 28 * grant.Day, Retention: 30 * grant.Day, DeletesWithin: 7 * grant.Day,
			Notices:        map[string]string{"en": "We look at hourly means of your electricity. Nobody else sees them."},
			Conditionality: &grant.Conditionality{CoreFunctionWithoutGrant: true, Price: "5 EUR a month", Benefit: "a letter with advice"},
		}},
	}
}

// reader asks a node what everybody may read: one that is named, or the one on
// this machine.
func (a *app) reader(domain string, at *nodeDirFlags) (*publisher, error) {
	if domain == "" {
		return a.readerHere(at)
	}
	authority, err := a.domain(domain)
	if err != nil {
		return nil, err
	}
	return a.toNode(authority, ownHosts(a.env), ""), nil
}

// readerHere asks the node on this machine, as its publisher if its token can
// be read: then also what is the operator's alone.
func (a *app) readerHere(at *nodeDirFlags) (*publisher, error) {
	if p, err := a.publisher(&publisherFlags{at: *at}); err == nil {
		return p, nil
	}
	domain, _, err := a.nodeHere(at)
	if err != nil {
		return nil, err
	}
	return a.publisherAt(domain, "")
}

// readJSON reads an answer to its end.
func readJSON(resp *http.Response, into any) error {
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(b)).Decode(into)
	}
	if err != nil {
		return errors.Join(errors.New("the node's answer can't be read"), err)
	}
	return nil
}

// connectCommand says yes to a service without its having asked.
func connectCommand(a *app) *cobra.Command {
	var f grantFlags
	var with string
	var ask int
	c := a.command("connect SERVICE", "connect", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.connect(cmd, args[0], ask, with, f)
	})
	c.Flags().IntVar(&ask, "ask", 0, a.words.Get("flag.connect-ask"))
	c.Flags().StringVar(&with, "with", "", a.words.Get("flag.with"))
	f.register(a, c)
	_ = c.RegisterFlagCompletionFunc("with", a.completeThings)
	return c
}

func (a *app) connect(cmd *cobra.Command, what string, ask int, with string, f grantFlags) (err error) {
	authority, name, err := client.ParseServiceName(what)
	if err != nil {
		return usage(err)
	}
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	s, err := o.Service(cmd.Context(), authority, name)
	if err != nil {
		return err
	}
	if ask == 0 && len(s.Asks) == 1 {
		ask = 1
	}
	if ask < 1 || ask > len(s.Asks) {
		for _, one := range s.Asks {
			a.showAsk(one)
		}
		return a.said(exitUsage, "connect.which", "N", len(s.Asks))
	}
	text, _ := s.Text(a.words.Language())
	a.say("connect.offer", "Title", text.Title, "Body", strings.ReplaceAll(text.Body, "\n", "\n  "))
	a.showAsk(s.Asks[ask-1])
	a.showKept(s.Asks[ask-1])
	q := s.Request(ask-1, a.words.Language(), a.clock.Now())
	return a.giveUnasked(cmd, o, q, with, f)
}

// giveUnasked says yes to a request that nobody has sent.
func (a *app) giveUnasked(cmd *cobra.Command, o *opened, q grant.Request, with string, f grantFlags) error {
	t, err := a.answering(o, q, with)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), syncPatience)
	defer cancel()
	grantee, err := o.Directory.Lookup(ctx, q.From.String())
	if err != nil {
		return err
	}
	f.fill(cmd, q, a.clock.Now())
	p, err := f.params(a)
	if err != nil {
		return usage(err)
	}
	p.Purpose, p.Service, p.Retention, p.DeletesWithin = q.Purpose, q.Service, q.Retention, q.DeletesWithin
	p.Conditionality, p.Notice = q.Conditionality, q.Notice
	return a.give(cmd.Context(), o, p, f, t, grantee)
}
