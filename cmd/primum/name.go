package main

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"primum/thing/id"
)

// namedJSON is `primum name --json`.
type namedJSON struct {
	Name      string    `json:"name"`
	Kind      id.Kind   `json:"kind,omitempty"`
	Written   string    `json:"written,omitempty"`
	Canonical string    `json:"canonical,omitempty"`
	Host      string    `json:"host,omitempty"`
	Serial    bool      `json:"serial,omitempty"`
	Parts     []id.Part `json:"parts,omitempty"`
	Forms     []id.Form `json:"forms,omitempty"`
	Refused   *badName  `json:"refused,omitempty"`
}

type badName struct {
	Offset int      `json:"offset"`
	Part   string   `json:"part"`
	Fault  id.Fault `json:"fault"`
	Reason string   `json:"reason"`
}

func nameCommand(a *app) *cobra.Command {
	var prefix int
	c := a.command("name NAME", "name", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		name := strings.TrimSpace(args[0])
		got, err := id.Parse(name)
		if err == nil && cmd.Flags().Changed("prefix") {
			if got, err = got.WithPrefix(prefix); err != nil {
				return a.said(exitUsage, "name.prefix", "N", prefix)
			}
		}
		if err != nil {
			return a.refusedName(name, err)
		}
		if a.json {
			a.line(describeName(name, got))
			return nil
		}
		a.showName(name, got)
		return nil
	})
	c.Flags().IntVar(&prefix, "prefix", 0, a.words.Get("flag.name-prefix"))
	return c
}

func describeName(name string, n id.ID) namedJSON {
	key, _ := n.Key()
	return namedJSON{
		Name: name, Kind: n.Kind(), Written: n.Written(), Canonical: n.String(), Host: n.Host(),
		Serial: key.Serial(), Parts: n.Parts(), Forms: n.Forms(),
	}
}

// showName says what a name is, its parts, whom it concerns, and every form.
func (a *app) showName(name string, n id.ID) {
	a.say("name.is", "Name", visible(name), "Kind", a.words.Get("name.kind."+string(n.Kind())), "Form", a.words.Get("name.form."+n.Written()))
	for _, p := range n.Parts() {
		a.say("name.line", "Label", pad(a.partLabel(p), 32), "Value", a.partValue(p))
	}
	if key, ok := n.Key(); ok {
		level := "name.class"
		if key.Serial() {
			level = "name.serial"
		}
		a.say(level)
	}
	a.say("name.forms")
	for _, f := range n.Forms() {
		a.say("name.line", "Label", pad(a.words.Get("name.form."+f.Name), 32), "Value", visible(f.Text))
	}
}

func (a *app) partLabel(p id.Part) string {
	label := a.words.Get("name.part." + p.Name)
	if p.Code == "" {
		return label
	}
	return label + " (" + p.Code + ") " + p.Title
}

func (a *app) partValue(p id.Part) string {
	if p.Name == "range" {
		return a.words.Get("name.range." + p.Value)
	}
	return visible(p.Value)
}

// visible draws FNC1, which no terminal shows.
func visible(s string) string { return strings.ReplaceAll(s, "\x1d", "␝") }

// refusedName shows where a name is wrong, and why.
func (a *app) refusedName(name string, err error) error {
	bad, ok := errors.AsType[*id.Error](err)
	if !ok {
		return err
	}
	if a.json {
		a.line(namedJSON{Name: name, Refused: &badName{bad.Offset, bad.Part, bad.Fault, bad.Reason}})
	}
	line, column := window(visible(name), bad.Offset)
	a.say("name.where", "Line", line, "Mark", strings.Repeat(" ", column)+"^")
	return a.said(exitUsage, "name.refused", "Offset", strconv.Itoa(bad.Offset), "Part", visible(bad.Part),
		"Why", a.words.Get("name.fault."+string(bad.Fault), "Want", bad.Want))
}

// window is what stands around a byte of a long name, and its column there.
func window(name string, offset int) (string, int) {
	before, after := []rune(name[:min(offset, len(name))]), []rune(name[min(offset, len(name)):])
	if utf8.ValidString(name) && len(before) > 40 {
		before = append([]rune("…"), before[len(before)-39:]...)
	}
	if len(after) > 30 {
		after = append(after[:30:30], '…')
	}
	return string(before) + string(after), len(before)
}
