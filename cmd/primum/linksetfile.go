package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	gs1door "primum/internal/door/gs1"
	"primum/internal/linkset"
	"primum/internal/wire"
)

// chunkSize is about what one request of an import holds: a few thousand links,
// in a second or so.
const chunkSize = 1 << 20

const (
	formatLinkset = "linkset"
	formatCSV     = "csv"
)

// format is that of a file: as told, or by its name.
func (a *app) format(told, file string) (table bool, err error) {
	switch {
	case told == formatCSV, told == "" && strings.HasSuffix(strings.ToLower(file), ".csv"):
		return true, nil
	case told == formatLinkset, told == "":
		return false, nil
	}
	return false, a.said(exitUsage, "linkset.format", "Format", told)
}

func linksetImportCommand(a *app) *cobra.Command {
	var p publisherFlags
	var told string
	c := a.command("import FILE", "linkset-import", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		table, err := a.format(told, args[0])
		if err != nil {
			return err
		}
		node, err := a.publisher(&p)
		if err != nil {
			return err
		}
		in, size, err := a.input(args[0])
		if err != nil {
			return err
		}
		sum, err := a.importLinks(cmd.Context(), node, in, size, table)
		if err = errors.Join(err, in.Close()); err != nil {
			return err
		}
		if a.json {
			a.line(sum)
			return nil
		}
		a.say("linkset.imported", "Links", sum.Links, "Items", sum.Items, "Added", sum.Added, "Changed", sum.Changed)
		return nil
	})
	c.Flags().StringVar(&told, "format", "", a.words.Get("flag.link-format"))
	_ = c.RegisterFlagCompletionFunc("format", fixed(formatLinkset, formatCSV))
	p.add(a, c)
	return c
}

// input opens a file, or standard input for "-"; its size is 0 where it is not
// known.
func (a *app) input(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(a.in), 0, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// importLinks sends a file in parts. What was sent before an error stays.
func (a *app) importLinks(ctx context.Context, node *publisher, in io.Reader, size int64, table bool) (all linkset.Sum, err error) {
	in, done := a.importProgress(in, size)
	defer done()
	for c, err := range linkset.Chunks(in, table, chunkSize) {
		if err != nil {
			return all, a.said(exitFailed, "linkset.unreadable", "Why", err.Error(), "Links", all.Links)
		}
		var sum linkset.Sum
		if err := a.sendChunk(ctx, node, c, &sum); err != nil {
			var p *wire.Problem
			if errors.As(err, &p) && p.Pointer != "" {
				return all, a.said(exitFailed, "linkset.stopped", "Place", c.Place(p.Pointer), "Why", p.Detail, "Links", all.Links)
			}
			return all, err
		}
		all.Add(sum)
	}
	return all, nil
}

func (a *app) sendChunk(ctx context.Context, node *publisher, c linkset.Chunk, sum *linkset.Sum) error {
	resp, err := node.Do(ctx, http.MethodPost, gs1door.LinksPath, c.Kind, bytes.NewReader(c.Body))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(sum)
}

// importProgress shows on a terminal how much of a file was read.
func (a *app) importProgress(in io.Reader, size int64) (io.Reader, func()) {
	if !a.errTTY || a.json {
		return in, func() {}
	}
	p := mpb.New(mpb.WithOutput(a.errOut), mpb.WithWidth(min(a.width(), 100)))
	bar := p.New(size, mpb.BarStyle(), mpb.PrependDecorators(
		decor.Name(a.words.Get("linkset.importing")+" "), decor.CountersKibiByte("% .1f / % .1f "),
	), mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_MMSS)), mpb.BarRemoveOnComplete())
	return bar.ProxyReader(in), func() {
		bar.Abort(true)
		p.Wait()
	}
}

func linksetExportCommand(a *app) *cobra.Command {
	var p publisherFlags
	var told string
	c := a.command("export [FILE]", "linkset-export", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		file := ""
		if len(args) == 1 {
			file = args[0]
		}
		table, err := a.format(told, file)
		if err != nil {
			return err
		}
		node, err := a.publisher(&p)
		if err != nil {
			return err
		}
		if file == "" {
			return a.exportLinks(cmd.Context(), node, a.out, table)
		}
		return a.progress(cmd.Context(), "linkset.exporting", func(ctx context.Context) error {
			return a.exportTo(ctx, node, file, table)
		})
	})
	c.Flags().StringVar(&told, "format", "", a.words.Get("flag.link-format"))
	_ = c.RegisterFlagCompletionFunc("format", fixed(formatLinkset, formatCSV))
	p.add(a, c)
	return c
}

// exportTo writes a file, whole or not at all: what a former export wrote stays
// until the new one is complete.
func (a *app) exportTo(ctx context.Context, node *publisher, file string, table bool) error {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() { // a pipe, a device
		out, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(a.exportLinks(ctx, node, out, table), out.Close())
	}
	out, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.part")
	if err != nil {
		return err
	}
	err = errors.Join(a.exportLinks(ctx, node, out, table), out.Chmod(0o644), out.Close())
	if err == nil {
		err = os.Rename(out.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return nil
}

func (a *app) exportLinks(ctx context.Context, node *publisher, out io.Writer, table bool) error {
	items := func(yield func(*linkset.Item, error) bool) {
		stopped := errors.New("stopped")
		err := a.eachListed(ctx, node, url.Values{}, func(it gs1door.ListedItem) error {
			if !yield(it.Item(), nil) {
				return stopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(nil, err)
		}
	}
	if table {
		return linkset.WriteCSV(out, items)
	}
	return linkset.WriteJSON(out, node.Base, items)
}
