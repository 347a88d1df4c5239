package main

import (
	"context"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progressAfter is how long something may take without a word.
const progressAfter = 2 * time.Second

// progress does something that may take long, and says so on a terminal.
func (a *app) progress(ctx context.Context, id string, do func(context.Context) error) error {
	if !a.errTTY || a.json {
		return do(ctx)
	}
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	t := time.NewTimer(progressAfter)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
	}
	p := mpb.New(mpb.WithOutput(a.errOut), mpb.WithWidth(1))
	bar := p.New(0, mpb.SpinnerStyle(), mpb.AppendDecorators(
		decor.Name(" "+a.words.Get(id)+" "), decor.Elapsed(decor.ET_STYLE_MMSS),
	))
	err := <-done
	bar.Abort(true)
	p.Wait()
	return err
}
