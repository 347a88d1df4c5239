package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"primum/internal/node"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/ledger"
	"primum/oath"
)

func factCommand(a *app) *cobra.Command {
	add := a.group("add", "fact-add", factPolicyCommand(a, "policy", ledger.TypePolicy), factPolicyCommand(a, "service", ledger.TypeService),
		factNamingCommand(a), factIncidentCommand(a), factDemandCommand(a), factCheckCommand(a))
	return a.group("fact", "fact", add, factListCommand(a))
}

// addFact publishes a document and says where it will stand.
func (a *app) addFact(cmd *cobra.Command, at nodeDirFlags, f store.Fact, err error) error {
	if err != nil {
		return a.factSaid(err)
	}
	dir, err := at.dir(a)
	if err != nil {
		return err
	}
	sha, added, err := node.AddFact(cmd.Context(), dir, f, a.clock.Now())
	switch {
	case errors.Is(err, node.ErrFact):
		return a.factSaid(err)
	case err != nil:
		return a.nodeSaid(err, dir, "")
	case a.json:
		a.line(map[string]any{"t": f.Type, "name": f.Name, "sha256": sha, "ref": wire.FactPath(sha), "added": added})
	case !added:
		a.say("fact.same", "Hash", sha)
	default:
		a.say("fact.added", "Path", wire.FactPath(sha))
	}
	return nil
}

func (a *app) factSaid(err error) error {
	var f *failure
	if errors.As(err, &f) {
		return err
	}
	return &failure{exitUsage, err}
}

// factTexts reads one file per language: the first line is the title. The
// language stands before the ending: rules.de.txt; else it is the given one.
func (a *app) factTexts(files []string, language string) (map[string]wire.Text, error) {
	texts := map[string]wire.Text{}
	for _, file := range files {
		b, err := readFact(file, wire.MaxFact)
		if err != nil {
			return nil, err
		}
		title, body, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n")), "\n")
		if strings.TrimSpace(title) == "" {
			return nil, a.said(exitUsage, "fact.empty", "File", file)
		}
		lang := language
		if parts := strings.Split(filepath.Base(file), "."); len(parts) > 2 && len(parts[len(parts)-2]) == 2 {
			lang = parts[len(parts)-2]
		}
		texts[lang] = wire.Text{Title: strings.TrimSpace(title), Body: strings.TrimSpace(body)}
	}
	return texts, nil
}

func readFact(file string, most int64) ([]byte, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && int64(len(b)) > most {
		err = errors.New(file + ": it is too long")
	}
	return b, err
}

// dayText checks a day as people write it in documents.
func (a *app) dayText(s string) error {
	if _, err := time.Parse(time.DateOnly, s); s != "" && err != nil {
		return a.said(exitUsage, "fact.day", "Text", s)
	}
	return nil
}

func factPolicyCommand(a *app, use string, of ledger.Type) *cobra.Command {
	var at nodeDirFlags
	var name, language, review string
	c := a.command(use+" FILE…", "fact-add-"+use, cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		if name == "" || name == "node" {
			return a.said(exitUsage, "fact.name")
		}
		if err := a.dayText(review); err != nil {
			return err
		}
		texts, err := a.factTexts(args, language)
		if err != nil {
			return err
		}
		f, err := node.PolicyFact(of, wire.Policy{Name: name, Texts: texts, Review: review})
		return a.addFact(cmd, at, f, err)
	})
	c.Flags().StringVar(&name, "name", "", a.words.Get("flag.fact-name"))
	c.Flags().StringVar(&language, "language", "en", a.words.Get("flag.fact-language"))
	c.Flags().StringVar(&review, "review", "", a.words.Get("flag.fact-review"))
	at.add(a, c)
	return c
}

func factIncidentCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	var id, language, began, ended string
	c := a.command("incident FILE…", "fact-add-incident", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		if id == "" {
			return a.said(exitUsage, "fact.name")
		}
		from, err := time.Parse(time.RFC3339, began)
		if err != nil {
			return a.said(exitUsage, "fact.time", "Text", began)
		}
		i := wire.Incident{ID: id, Began: from.UTC()}
		if ended != "" {
			until, err := time.Parse(time.RFC3339, ended)
			if err != nil || until.Before(from) {
				return a.said(exitUsage, "fact.time", "Text", ended)
			}
			until = until.UTC()
			i.Ended = &until
		}
		if i.Texts, err = a.factTexts(args, language); err != nil {
			return err
		}
		f, err := node.IncidentFact(i)
		return a.addFact(cmd, at, f, err)
	})
	c.Flags().StringVar(&id, "name", "", a.words.Get("flag.fact-name"))
	c.Flags().StringVar(&began, "began", "", a.words.Get("flag.fact-began"))
	c.Flags().StringVar(&ended, "ended", "", a.words.Get("flag.fact-ended"))
	c.Flags().StringVar(&language, "language", "en", a.words.Get("flag.fact-language"))
	at.add(a, c)
	return c
}

func factDemandCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	var d wire.LegalDemand
	c := a.command("legal-demand", "fact-add-legal-demand", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		if d.From == "" || d.To < d.From {
			return a.said(exitUsage, "fact.period")
		}
		if err := errors.Join(a.dayText(d.From), a.dayText(d.To)); err != nil {
			return err
		}
		f, err := node.DemandFact(d)
		return a.addFact(cmd, at, f, err)
	})
	fl := c.Flags()
	fl.StringVar(&d.From, "from", "", a.words.Get("flag.fact-from"))
	fl.StringVar(&d.To, "to", "", a.words.Get("flag.fact-to"))
	fl.IntVar(&d.Received, "received", 0, a.words.Get("flag.fact-received"))
	fl.IntVar(&d.Answered, "answered", 0, a.words.Get("flag.fact-answered"))
	fl.IntVar(&d.Refused, "refused", 0, a.words.Get("flag.fact-refused"))
	fl.StringVar(&d.Note, "note", "", a.words.Get("flag.fact-note"))
	at.add(a, c)
	return c
}

func factCheckCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	c := a.command("check FILE", "fact-add-check", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		b, err := readFact(args[0], wire.MaxFact)
		return a.addFact(cmd, at, store.Fact{Type: string(ledger.TypeCheck), Kind: oath.MediaType, Body: b}, err)
	})
	at.add(a, c)
	return c
}

func factListCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	c := a.command("list", "fact-list", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		dir, err := at.dir(a)
		if err != nil {
			return err
		}
		all, waiting, err := node.Facts(cmd.Context(), dir)
		if err != nil {
			return a.nodeSaid(err, dir, "")
		}
		for _, f := range append(waiting, all...) {
			switch {
			case a.json:
				a.line(map[string]any{"n": f.N, "t": f.Type, "name": f.Name, "at": f.At, "sha256": f.SHA256, "index": f.Index, "logged": f.Placed})
			case f.Placed:
				a.say("fact.line", "At", a.when(f.At), "Type", f.Type, "Name", f.Name, "Index", f.Index, "Path", wire.FactPath(f.SHA256))
			default:
				a.say("fact.waits", "At", a.when(f.At), "Type", f.Type, "Name", f.Name)
			}
		}
		return nil
	})
	at.add(a, c)
	return c
}

// operatorUsageCommand is the export of what organisations used.
func operatorUsageCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	var since string
	var events bool
	c := a.command("usage", "operator-usage", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		dir, err := at.dir(a)
		if err != nil {
			return err
		}
		from := a.clock.Now().Add(-31 * 24 * time.Hour)
		if since != "" {
			if from, err = time.Parse(time.DateOnly, since); err != nil {
				return a.said(exitUsage, "fact.day", "Text", since)
			}
		}
		// The hour that goes on is left out: its sums would be sent again.
		to := a.clock.Now().UTC().Truncate(time.Hour)
		if events {
			return a.nodeSaid(node.WriteUsageEvents(cmd.Context(), dir, from, to, a.out), dir, "")
		}
		sums := 0
		err = node.Usage(cmd.Context(), dir, from, to, func(u store.Usage) error {
			sums++
			if a.json {
				a.line(map[string]any{"hour": u.Hour, "domain": u.Domain, "meter": u.Meter, "n": u.N})
			} else {
				a.say("usage.line", "Hour", a.when(u.Hour), "Domain", u.Domain, "Meter", u.Meter, "Count", u.N)
			}
			return nil
		})
		if err == nil && sums == 0 && !a.json {
			a.say("usage.none")
		}
		return a.nodeSaid(err, dir, "")
	})
	c.Flags().StringVar(&since, "since", "", a.words.Get("flag.usage-since"))
	c.Flags().BoolVar(&events, "cloudevents", false, a.words.Get("flag.cloudevents"))
	at.add(a, c)
	return c
}
