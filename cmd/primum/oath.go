package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"primum/internal/node"
	"primum/oath"
)

func oathCommand(a *app) *cobra.Command {
	return a.group("oath", "oath", oathSignCommand(a), oathShowCommand(a), oathCheckCommand(a))
}

func oathSignCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	var without []string
	var contact, supported, until string
	c := a.command("sign", "oath-sign", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		dir, err := at.dir(a)
		if err != nil {
			return err
		}
		d, err := a.draft(without)
		if err != nil {
			return err
		}
		d.Contact = contact
		if supported != "" {
			day, err := time.Parse(time.DateOnly, supported)
			if err != nil {
				return a.said(exitUsage, "oath.day", "Flag", "--supported-until")
			}
			d.Supported = &day
		}
		if until != "" {
			if d.Until, err = time.Parse(time.DateOnly, until); err != nil {
				return a.said(exitUsage, "oath.day", "Flag", "--until")
			}
		}
		_, hash, err := node.Swear(cmd.Context(), dir, d, a.clock.Now())
		if err != nil {
			return a.nodeSaid(err, dir, "")
		}
		if a.json {
			a.line(map[string]any{"sha256": hash, "clauses": len(d.Clauses), "notSworn": len(d.NotSworn), "until": d.Until})
			return nil
		}
		a.say("oath.signed", "N", len(d.Clauses), "Until", d.Until.Format(time.DateOnly), "Hash", hash[:16])
		a.showUnsworn(d)
		return nil
	})
	c.Flags().StringArrayVar(&without, "without", nil, a.words.Get("flag.without"))
	c.Flags().StringVar(&contact, "contact", "", a.words.Get("flag.oath-contact"))
	c.Flags().StringVar(&supported, "supported-until", "", a.words.Get("flag.supported"))
	c.Flags().StringVar(&until, "until", "", a.words.Get("flag.oath-until"))
	at.add(a, c)
	return c
}

// draft is the oath of this program's clauses but those that "O14=why" names.
func (a *app) draft(without []string) (oath.Document, error) {
	left := map[string]string{}
	for _, w := range without {
		id, reason, ok := strings.Cut(w, "=")
		if !ok || reason == "" {
			return oath.Document{}, a.said(exitUsage, "oath.without")
		}
		left[id] = reason
	}
	clauses, err := oath.Clauses()
	if err != nil {
		return oath.Document{}, err
	}
	d, err := oath.Draft("to.be.filled.in", clauses, left, a.clock.Now())
	if err != nil {
		return d, usage(err)
	}
	return d, nil
}

func (a *app) showUnsworn(d oath.Document) {
	for _, n := range d.NotSworn {
		a.say("oath.unsworn", "Clause", n.ID, "Reason", n.Reason)
	}
}

func oathShowCommand(a *app) *cobra.Command {
	var clause string
	c := a.command("show [DOMAIN]", "oath-show", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return a.showClauseFiles(clause)
		}
		return a.showOath(cmd, args[0], clause)
	})
	c.Flags().StringVar(&clause, "clause", "", a.words.Get("flag.clause"))
	_ = c.RegisterFlagCompletionFunc("clause", fixed(clauseIDs()...))
	return c
}

// clauseIDs are the clauses of this program; none where it is broken.
func clauseIDs() (ids []string) {
	clauses, err := oath.Clauses()
	if err != nil {
		return nil
	}
	for _, c := range clauses {
		ids = append(ids, c.ID)
	}
	return ids
}

// showClauseFiles prints the clause files of this program: one, or all titles.
func (a *app) showClauseFiles(only string) error {
	if only != "" {
		b, err := oath.ClauseFile(only)
		if err != nil {
			return usage(err)
		}
		_, err = a.out.Write(b)
		return err
	}
	clauses, err := oath.Clauses()
	if err != nil {
		return err
	}
	for _, c := range clauses {
		if a.json {
			a.line(map[string]any{"clause": c.ID, "title": c.Title, "check": c.SHA256})
			continue
		}
		_, _ = fmt.Fprintf(a.out, "%s  %s\n", c.ID, c.Title)
	}
	a.say("oath.files")
	return nil
}

// showOath prints what a domain swears, after its signature was found good.
func (a *app) showOath(cmd *cobra.Command, domain, only string) error {
	target, err := oath.Meet(cmd.Context(), oath.Config{Domain: domain, Own: ownHosts(a.env), Clock: a.clock, Version: a.version})
	if err != nil {
		return err
	}
	if target.Oath == nil {
		return a.said(exitFailed, "oath.none", "Domain", target.Domain, "Reason", target.NoOath)
	}
	d := *target.Oath
	if a.json {
		a.line(map[string]any{"sha256": target.OathSHA256, "oath": d})
		return nil
	}
	a.say("oath.head", "Domain", d.Domain, "At", a.when(d.At), "Until", d.Until.Format(time.DateOnly), "Hash", target.OathSHA256[:16])
	for _, s := range d.Clauses {
		if only != "" && s.ID != only {
			continue
		}
		_, _ = fmt.Fprintf(a.out, "\n%s  %s\n%s\n", s.ID, shown(s.Title), indented(s.Text))
		if only != "" {
			a.say("oath.remedy", "Remedy", shown(s.Remedy))
			a.showParameters(s)
		}
	}
	if only == "" {
		_, _ = fmt.Fprintln(a.out)
		a.showUnsworn(d)
	}
	return nil
}

func (a *app) showParameters(s oath.Sworn) {
	var names []string
	for name := range s.Parameters {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		_, _ = fmt.Fprintf(a.out, "  %s: %s\n", shown(name), shown(s.Parameters[name]))
	}
}

// shown makes a stranger's text harmless on a terminal.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, s)
}

// indented sets a text in lines of 76 letters below its title.
func indented(s string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(shown(s), "\n\n") {
		if i > 0 {
			b.WriteString("\n\n")
		}
		width := 0
		for _, w := range strings.Fields(paragraph) {
			n := len([]rune(w))
			switch {
			case width == 0:
				b.WriteString("    ")
			case width+n > 76:
				b.WriteString("\n    ")
				width = 0
			default:
				b.WriteString(" ")
			}
			b.WriteString(w)
			width += n + 1
		}
	}
	return b.String()
}
