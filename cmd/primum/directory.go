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
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"primum/internal/directory"
	wotdoor "primum/internal/door/wot"
	"primum/internal/wire"
	"primum/thing/td"
)

// maxThingsFile bounds a file of descriptions.
const maxThingsFile = 256 << 20

func directoryCommand(a *app) *cobra.Command {
	return a.group("directory", "directory",
		directoryListCommand(a), directoryGetCommand(a), directorySearchCommand(a), directoryAddCommand(a), directoryRemoveCommand(a))
}

// directoryPlace adds the flags of those who only read.
func directoryPlace(a *app, c *cobra.Command, p *publisherFlags) {
	c.Flags().StringVar(&p.node, "node", "", a.words.Get("flag.directory-node"))
	p.at.add(a, c)
}

// described is what is shown of a description in a list.
type described struct {
	ID    string   `json:"id"`
	Title string   `json:"title"`
	Types jsonList `json:"@type"`
}

// jsonList is one text or a list of them.
type jsonList []string

func (l *jsonList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = jsonList{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// show lists descriptions: whole for programs, a line each for people.
func (a *app) showThings(list []json.RawMessage) error {
	for _, raw := range list {
		if a.json {
			a.line(raw)
			continue
		}
		var d described
		if err := json.Unmarshal(raw, &d); err != nil || d.ID == "" {
			_, _ = fmt.Fprintln(a.out, calm(string(raw))) // what a query selected is not always a thing
			continue
		}
		a.say("directory.thing", "ID", d.ID, "Title", d.Title)
	}
	return nil
}

func directoryListCommand(a *app) *cobra.Command {
	var p publisherFlags
	c := a.command("list", "directory-list", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		from, err := a.reader(p.node, &p.at)
		if err != nil {
			return err
		}
		n := 0
		for {
			var page []json.RawMessage
			q := url.Values{"offset": {strconv.Itoa(n)}, "limit": {strconv.Itoa(directory.MaxPage)}}
			if err := a.askDirectory(cmd.Context(), from, http.MethodGet, wotdoor.ThingsPath+"?"+q.Encode(), nil, &page); err != nil {
				return err
			}
			if err := a.showThings(page); err != nil {
				return err
			}
			if n += len(page); len(page) == 0 {
				break
			}
		}
		if n == 0 {
			a.say("directory.none")
		}
		return nil
	})
	directoryPlace(a, c, &p)
	return c
}

func thingPath(id string) string { return wotdoor.ThingsPath + "/" + url.PathEscape(id) }

func directoryGetCommand(a *app) *cobra.Command {
	var p publisherFlags
	c := a.command("get ID", "directory-get", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		from, err := a.reader(p.node, &p.at)
		if err != nil {
			return err
		}
		var thing json.RawMessage
		if err := a.askDirectory(cmd.Context(), from, http.MethodGet, thingPath(args[0]), nil, &thing); err != nil {
			return err
		}
		if a.json {
			a.line(thing)
			return nil
		}
		var b bytes.Buffer
		if err := json.Indent(&b, thing, "", "  "); err != nil {
			return fmt.Errorf("read the node's answer: %w", err)
		}
		_, _ = fmt.Fprintln(a.out, b.String())
		return nil
	})
	directoryPlace(a, c, &p)
	return c
}

func directorySearchCommand(a *app) *cobra.Command {
	var p publisherFlags
	c := a.command("search QUERY", "directory-search", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		from, err := a.reader(p.node, &p.at)
		if err != nil {
			return err
		}
		var found []json.RawMessage
		path := wotdoor.SearchPath + "?" + url.Values{"query": args}.Encode()
		err = a.progress(cmd.Context(), "directory.searching", func(ctx context.Context) error {
			return a.askDirectory(ctx, from, http.MethodGet, path, nil, &found)
		})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			a.say("directory.nothing")
		}
		return a.showThings(found)
	})
	directoryPlace(a, c, &p)
	return c
}

func directoryAddCommand(a *app) *cobra.Command {
	var p publisherFlags
	var visibility string
	c := a.command("add FILE...", "directory-add", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		if visibility != "" && !slices.Contains(visibilities(), visibility) {
			return a.said(exitUsage, "directory.visibility", "What", visibility)
		}
		to, err := a.publisher(&p)
		if err != nil {
			return err
		}
		return a.progress(cmd.Context(), "directory.adding", func(ctx context.Context) error {
			for _, file := range args {
				if err := a.addFile(ctx, to, file, visibility); err != nil {
					return err
				}
			}
			return nil
		})
	})
	c.Flags().StringVar(&visibility, "visibility", "", a.words.Get("flag.directory-visibility"))
	_ = c.RegisterFlagCompletionFunc("visibility", fixed(visibilities()...))
	p.add(a, c)
	return c
}

func visibilities() []string {
	return []string{string(directory.Public), string(directory.Grantees), string(directory.Private)}
}

// addFile adds the descriptions of a file: one, a list, or one after the other.
func (a *app) addFile(ctx context.Context, to *publisher, file, visibility string) error {
	in := a.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return a.said(exitFailed, "directory.unreadable", "File", file)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	dec := json.NewDecoder(io.LimitReader(in, maxThingsFile))
	for n := 0; ; {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return a.said(exitFailed, "directory.nojson", "File", file, "N", n+1)
		}
		list := []json.RawMessage{raw}
		if raw[0] == '[' {
			if err := json.Unmarshal(raw, &list); err != nil {
				return fmt.Errorf("read %s: %w", file, err)
			}
		}
		for _, one := range list {
			if n++; ctx.Err() != nil {
				return ctx.Err()
			}
			if err := a.addThing(ctx, to, one, visibility); err != nil {
				var p *wire.Problem
				if errors.As(err, &p) && p.Pointer+p.Detail != "" {
					return a.said(exitFailed, "directory.refused", "File", file, "N", n, "Place", p.Pointer, "Why", p.Detail)
				}
				return err
			}
		}
	}
}

// addThing puts a description under its id; one without gets one.
func (a *app) addThing(ctx context.Context, to *publisher, one json.RawMessage, visibility string) error {
	var d described
	_ = json.Unmarshal(one, &d) // the node says what is wrong with it
	method, path := http.MethodPost, wotdoor.ThingsPath
	if d.ID != "" {
		method, path = http.MethodPut, thingPath(d.ID)
	}
	if visibility != "" {
		path += "?" + url.Values{"visibility": {visibility}}.Encode()
	}
	resp, err := to.Do(ctx, method, path, td.MediaType, bytes.NewReader(one))
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if at, err := url.PathUnescape(resp.Header.Get("Location")); err == nil && d.ID == "" {
		d.ID = at[min(len(at), len(wotdoor.ThingsPath)+1):]
	}
	if a.json {
		a.line(map[string]any{"id": d.ID, "created": resp.StatusCode == http.StatusCreated})
		return nil
	}
	if resp.StatusCode == http.StatusCreated {
		a.say("directory.added", "ID", d.ID)
	} else {
		a.say("directory.changed", "ID", d.ID)
	}
	return nil
}

func directoryRemoveCommand(a *app) *cobra.Command {
	var p publisherFlags
	c := a.command("remove ID", "directory-remove", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		to, err := a.publisher(&p)
		if err != nil {
			return err
		}
		if err := a.askDirectory(cmd.Context(), to, http.MethodDelete, thingPath(args[0]), nil, nil); err != nil {
			return err
		}
		a.removed(args[0], "directory.removed", "ID", args[0])
		return nil
	})
	p.add(a, c)
	return c
}

// askDirectory asks the directory; out is nil where no answer is read.
func (a *app) askDirectory(ctx context.Context, at *publisher, method, path string, body io.Reader, out any) error {
	resp, err := at.Do(ctx, method, path, "", body)
	var p *wire.Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return a.said(exitFailed, "directory.unknown")
	}
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxThingsFile)).Decode(out); err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	return nil
}
