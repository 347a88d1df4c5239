package main

import (
	"errors"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"primum/client/resolver"
	"primum/internal/wire"
	"primum/thing/id"
)

func resolveCommand(a *app) *cobra.Command {
	var via string
	c := a.command("resolve NAME", "resolve", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r := resolver.New(resolver.Options{
			HTTP: stranger(ownHosts(a.env)), DNS: net.DefaultResolver, Via: via, Agent: "primum/" + a.version, Step: a.resolveStep,
		})
		got, err := r.Resolve(cmd.Context(), args[0])
		if a.json && len(got.Steps) > 0 {
			a.line(got)
		}
		if err != nil {
			return a.resolveFailed(args[0], err)
		}
		return a.resolved(got)
	})
	c.Flags().StringVar(&via, "via", "", a.words.Get("flag.via"))
	return c
}

// resolveStep shows a step when it is made.
func (a *app) resolveStep(s resolver.Step) {
	switch {
	case s.Error != "":
		a.say("resolve.step.failed", "Asked", s.Asked, "Why", s.Error)
	case s.What == resolver.StepAsk:
		a.say("resolve.step.ask", "Asked", s.Asked, "Answer", a.resolveAnswer(s.Answer))
	default:
		a.say("resolve.step."+s.What, "Asked", s.Asked, "Answer", s.Answer)
	}
}

// resolveAnswer is a node's answer in the language of the catalogue: its first
// word is the wire's.
func (a *app) resolveAnswer(answer string) string {
	kind, title, _ := strings.Cut(answer, ": ")
	kind, _, _ = strings.Cut(kind, ",")
	switch kind {
	case wire.AnswerReferral, wire.AnswerUnknown:
		return a.words.Get("resolve." + kind)
	case wire.AnswerFound:
		return strings.TrimSpace(a.words.Get("resolve.found") + " " + title)
	}
	return answer
}

func (a *app) resolveFailed(name string, err error) error {
	var bad *id.Error
	switch {
	case errors.As(err, &bad):
		return a.refusedName(name, bad)
	case errors.Is(err, resolver.ErrNobody):
		return a.said(exitUsage, "resolve.nobody")
	case errors.Is(err, resolver.ErrReferral):
		return &failure{exitRefused, err}
	case errors.Is(err, resolver.ErrUnreachable):
		return &failure{exitUnreachable, err}
	}
	return err
}

// resolved shows where a name led.
func (a *app) resolved(got resolver.Result) error {
	if got.Answer.Answer != wire.AnswerFound {
		return a.said(exitFailed, "resolve.none", "Name", got.Name)
	}
	what := got.Answer.Title
	if what == "" {
		what = got.Answer.ID
	}
	level := "resolve.class"
	if got.Answer.Level == wire.LevelThing {
		level = "resolve.thing"
	}
	a.say(level, "What", what, "Name", got.Answer.ID, "Node", got.Node)
	for _, l := range got.Answer.Links {
		a.say("resolve.link", "Rel", pad(l.Rel, 22), "Href", l.Href, "More", linkMore(l))
	}
	return nil
}

// linkMore is what a link says beside its target, in brackets.
func linkMore(l wire.NamedLink) string {
	var parts []string
	for _, s := range append([]string{l.Title, l.Type}, l.HrefLang...) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + strings.Join(parts, ", ") + ")"
}
