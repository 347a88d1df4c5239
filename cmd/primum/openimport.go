package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"primum/internal/open"
)

func openImportCommand(a *app) *cobra.Command {
	var p publisherFlags
	c := a.command("import SERVICE/THING FILE", "openly-import", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) (err error) {
		service, name, err := a.openThing(args[0])
		if err != nil {
			return err
		}
		file, err := os.Open(args[1])
		if err != nil {
			return fmt.Errorf("open table: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		to, err := a.publisher(&p)
		if err != nil {
			return err
		}
		i := &tableImport{a: a, to: to, service: service, thing: name}
		if err := i.run(cmd.Context(), file); err != nil {
			return err
		}
		return a.fed(i.sum)
	})
	p.add(a, c)
	return c
}

// tableImport sends a table whose first column is "at" and whose others are
// named by properties; an empty cell is no value.
type tableImport struct {
	a              *app
	to             *publisher
	service, thing string
	batch          []open.Sample
	first          int // index of the batch's first value
	sum            open.Added
}

func (i *tableImport) run(ctx context.Context, file *os.File) error {
	rows := csv.NewReader(file)
	columns, err := rows.Read()
	if err != nil || len(columns) < 2 || columns[0] != "at" || len(columns) > open.MaxBatch {
		return i.a.said(exitFailed, "openly.badtable")
	}
	moved, done := i.a.bar("progress.openly", file)
	defer done()
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return i.flush(ctx)
		}
		if err != nil {
			return fmt.Errorf("read table: %w", err)
		}
		if len(i.batch)+len(columns) > open.MaxBatch {
			if err := i.flush(ctx); err != nil {
				return err
			}
			moved(rows.InputOffset())
		}
		if err := i.add(columns, row); err != nil {
			line, _ := rows.FieldPos(0)
			return i.a.said(exitFailed, "openly.badtime", "Line", line)
		}
	}
}

func (i *tableImport) add(columns, row []string) error {
	at, err := time.Parse(time.RFC3339, row[0])
	if err != nil {
		return err
	}
	for k, cell := range row[1:] {
		if cell != "" {
			i.batch = append(i.batch, open.Sample{Thing: i.thing, Property: columns[k+1], At: at, Value: jsonOr(cell)})
		}
	}
	return nil
}

func (i *tableImport) flush(ctx context.Context) error {
	if len(i.batch) == 0 {
		return nil
	}
	added, err := i.a.feed(ctx, i.to, i.service, i.batch)
	if err != nil {
		return err
	}
	i.sum.Kept, i.sum.Known = i.sum.Kept+added.Kept, i.sum.Known+added.Known
	for _, r := range added.Refused {
		i.sum.Refused = append(i.sum.Refused, open.Refused{Index: i.first + r.Index, Reason: r.Reason})
	}
	i.first, i.batch = i.first+len(i.batch), i.batch[:0]
	return nil
}

// bar shows on a terminal how much of a file has been read.
func (a *app) bar(id string, file *os.File) (moved func(int64), done func()) {
	st, err := file.Stat()
	if err != nil || !a.errTTY || a.json || st.Size() == 0 {
		return func(int64) {}, func() {}
	}
	p := mpb.New(mpb.WithOutput(a.errOut), mpb.WithWidth(min(a.width(), 100)))
	bar := p.New(st.Size(), mpb.BarStyle(), mpb.PrependDecorators(decor.Name(a.words.Get(id)+" ")),
		mpb.AppendDecorators(decor.Percentage()), mpb.BarRemoveOnComplete())
	return bar.SetCurrent, func() { bar.Abort(true); p.Wait() }
}
