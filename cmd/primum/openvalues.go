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
	"time"

	"github.com/spf13/cobra"

	"primum/internal/open"
	"primum/internal/wire"
	"primum/thing"
)

func openCommand(a *app) *cobra.Command {
	return a.group("open", "openly",
		openPublishCommand(a), openThingCommand(a), openSendCommand(a), openImportCommand(a),
		openListCommand(a), openGetCommand(a), openRemoveCommand(a))
}

// openlySaid says in words what a command about open services failed at.
func (a *app) openlySaid(to *publisher, err error) error {
	var p *wire.Problem
	switch {
	case !errors.As(err, &p):
		return err
	case p.Status == http.StatusNotFound && p.Named(wire.ProbNotFound):
		if to.token == "" {
			return a.said(exitFailed, "openly.nothere", "Node", to.Node)
		}
		return a.said(exitFailed, "openly.unknown")
	case p.Pointer != "":
		return a.said(exitFailed, "openly.refused", "Place", p.Pointer, "Why", p.Detail)
	}
	return err
}

// openly sends what is published, and reads the answer into out, if that is not
// nil.
func (a *app) openly(ctx context.Context, to *publisher, method, path string, body []byte, out any) (status int, err error) {
	kind := ""
	if body != nil {
		kind = "application/json"
	}
	resp, err := to.Do(ctx, method, path, kind, bytes.NewReader(body))
	if err != nil {
		return 0, a.openlySaid(to, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if out != nil {
		if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(out); err != nil {
			return 0, fmt.Errorf("read the node's answer: %w", err)
		}
	}
	return resp.StatusCode, nil
}

// openName reads SERVICE or SERVICE/THING.
func openName(s string) (service, name string, err error) {
	n, err := thing.ParseName(s)
	if err != nil {
		return "", "", usage(err)
	}
	return n.Thing, n.Affordance, nil
}

// openThing reads SERVICE/THING.
func (a *app) openThing(s string) (service, name string, err error) {
	if service, name, err = openName(s); err == nil && name == "" {
		err = a.said(exitUsage, "openly.whichthing", "Name", s)
	}
	return service, name, err
}

func openPath(begin, service, name string) string {
	path := begin + "/open/" + url.PathEscape(service)
	if name != "" {
		path += "/" + url.PathEscape(name)
	}
	return path
}

func openPublishCommand(a *app) *cobra.Command {
	var p publisherFlags
	var s open.Service
	c := a.command("publish SERVICE", "openly-publish", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s.Name = args[0]
		if s.Title == "" {
			s.Title = s.Name
		}
		if err := s.Check(); err != nil {
			return usage(err)
		}
		to, err := a.publisher(&p)
		if err != nil {
			return err
		}
		body, err := json.Marshal(s)
		if err != nil {
			return err
		}
		status, err := a.openly(cmd.Context(), to, http.MethodPut, openPath("/v1", s.Name, ""), body, nil)
		if err != nil {
			return err
		}
		return a.published(status, to.Base+openPath("", s.Name, ""))
	})
	f := c.Flags()
	f.StringVar(&s.Title, "title", "", a.words.Get("flag.openly-title"))
	f.StringVar(&s.Text, "description", "", a.words.Get("flag.openly-description"))
	f.StringVar(&s.License, "license", "", a.words.Get("flag.openly-license"))
	f.StringVar(&s.Contact, "contact", "", a.words.Get("flag.openly-contact"))
	f.IntVar(&s.KeepDays, "keep-days", open.DefaultKeep, a.words.Get("flag.openly-keep"))
	p.add(a, c)
	return c
}

// published says where something is now.
func (a *app) published(status int, where string) error {
	if a.json {
		a.line(map[string]any{"url": where, "created": status == http.StatusCreated})
		return nil
	}
	if status == http.StatusCreated {
		a.say("openly.created", "URL", where)
		return nil
	}
	a.say("openly.changed", "URL", where)
	return nil
}

func openThingCommand(a *app) *cobra.Command {
	var p publisherFlags
	var key string
	c := a.command("thing SERVICE/THING FILE", "openly-thing", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		service, name, err := a.openThing(args[0])
		if err != nil {
			return err
		}
		body, err := readFact(args[1], thing.MaxDescription)
		if err != nil {
			return err
		}
		if _, err := open.ReadDescription(body); err != nil {
			return a.said(exitFailed, "openly.badfile", "File", args[1], "Why", err.Error())
		}
		to, err := a.publisher(&p)
		if err != nil {
			return err
		}
		path := openPath("/v1", service, name)
		if key != "" {
			path += "?" + url.Values{"key": {key}}.Encode()
		}
		status, err := a.openly(cmd.Context(), to, http.MethodPut, path, body, nil)
		if err != nil {
			return err
		}
		return a.published(status, to.Base+openPath("", service, name))
	})
	c.Flags().StringVar(&key, "key", "", a.words.Get("flag.openly-key"))
	p.add(a, c)
	return c
}

func openSendCommand(a *app) *cobra.Command {
	var p publisherFlags
	var at string
	c := a.command("send SERVICE/THING PROPERTY=VALUE...", "openly-send", cobra.MinimumNArgs(2), func(cmd *cobra.Command, args []string) error {
		service, name, err := a.openThing(args[0])
		if err != nil {
			return err
		}
		var when time.Time
		if at != "" {
			if when, err = time.Parse(time.RFC3339, at); err != nil {
				return usage(err)
			}
		}
		var samples []open.Sample
		for _, pair := range args[1:] {
			property, value, two := strings.Cut(pair, "=")
			if !two {
				return a.said(exitUsage, "openly.pair", "Text", pair)
			}
			samples = append(samples, open.Sample{Thing: name, Property: property, At: when, Value: jsonOr(value)})
		}
		to, err := a.publisher(&p)
		if err != nil {
			return err
		}
		added, err := a.feed(cmd.Context(), to, service, samples)
		if err != nil {
			return err
		}
		return a.fed(added)
	})
	c.Flags().StringVar(&at, "at", "", a.words.Get("flag.openly-at"))
	p.add(a, c)
	return c
}

// jsonOr takes what is JSON as it is, and anything else as text.
func jsonOr(s string) json.RawMessage {
	if json.Valid([]byte(s)) {
		return json.RawMessage(s)
	}
	b, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}

// feed sends values of one request.
func (a *app) feed(ctx context.Context, to *publisher, service string, samples []open.Sample) (added open.Added, err error) {
	body, err := json.Marshal(map[string]any{"values": samples})
	if err != nil {
		return added, err
	}
	_, err = a.openly(ctx, to, http.MethodPost, openPath("/v1", service, ""), body, &added)
	return added, err
}

// fed says what became of values; refused ones are a failure.
func (a *app) fed(added open.Added) error {
	if a.json {
		a.line(added)
	} else {
		a.say("openly.fed", "N", added.Kept, "Known", added.Known)
	}
	if n := len(added.Refused); n > 0 {
		return a.said(exitFailed, "openly.somerefused", "N", n, "First", added.Refused[0].Index+1, "Why", added.Refused[0].Reason)
	}
	return nil
}

func openRemoveCommand(a *app) *cobra.Command {
	var p publisherFlags
	c := a.command("remove SERVICE[/THING]", "openly-remove", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		service, name, err := openName(args[0])
		if err != nil {
			return err
		}
		to, err := a.publisher(&p)
		if err != nil {
			return err
		}
		if _, err := a.openly(cmd.Context(), to, http.MethodDelete, openPath("/v1", service, name), nil, nil); err != nil {
			return err
		}
		a.removed(args[0], "openly.removed", "Name", args[0])
		return nil
	})
	c.ValidArgsFunction = a.completeOpenly(&p, 2)
	p.add(a, c)
	return c
}

// openReader asks any node, without a token.
func (a *app) openReader(p *publisherFlags) (*publisher, error) {
	domain := p.node
	if domain == "" {
		var err error
		if domain, _, err = a.nodeHere(&p.at); err != nil {
			return nil, err
		}
	}
	return a.publisherAt(domain, "")
}
