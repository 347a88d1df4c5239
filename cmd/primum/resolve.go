package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"primum/client/resolver"
	"primum/internal/local"
	"primum/internal/peer"
	"primum/internal/wire"
	"primum/thing/id"
)

func resolveCommand(a *app) *cobra.Command {
	var via string
	c := a.command("resolve NAME", "resolve", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r := resolver.New(resolver.Options{
			HTTP: stranger(ownHosts(a.env)), DNS: net.DefaultResolver, Via: via, Agent: "primum/" + a.version, Step: a.resolveStep,
			Local: a.ownLocal,
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

// ownLocal tells whether a name may lead to a node of this machine: one of a
// running `primum local`, or one that the person has named.
func (a *app) ownLocal(authority string) bool {
	host, _, _ := strings.Cut(authority, ":")
	_, started := local.NodeDir(authority)
	return started || slices.Contains(ownHosts(a.env), host)
}

// resolveStep shows a step when it is made. What ends the way is said at its
// end.
func (a *app) resolveStep(s resolver.Step) {
	switch {
	case errors.Is(s.Err, resolver.ErrLocal):
		a.say("resolve.step.local", "Asked", s.Asked)
	case s.Err != nil && s.What == resolver.StepDNS:
		a.say("resolve.step.nowhere", "Asked", s.Asked)
	case s.Err != nil:
		a.say("resolve.step.silent", "Asked", s.Asked)
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
	var silent *resolver.SilentError
	switch {
	case errors.As(err, &bad):
		return a.refusedName(name, bad)
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &silent):
		return a.said(exitUnreachable, "resolve.silent", "Name", silent.Host, "Why", a.whySilent(silent.Err))
	case errors.Is(err, resolver.ErrLocal):
		return a.said(exitRefused, "resolve.local", "Name", name)
	case errors.Is(err, resolver.ErrNobody):
		return a.said(exitUsage, "resolve.nobody")
	case errors.Is(err, resolver.ErrReferral):
		return &failure{exitRefused, err}
	case errors.Is(err, resolver.ErrUnreachable):
		return &failure{exitUnreachable, err}
	}
	return err
}

// whySilent says why a host gave no answer.
func (a *app) whySilent(err error) string {
	var dns *net.DNSError
	var network net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return a.words.Get("resolve.why.name")
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return a.words.Get("resolve.why.time")
	case errors.Is(err, syscall.ECONNREFUSED):
		return a.words.Get("resolve.why.refused")
	case errors.Is(err, peer.ErrPrivateAddress):
		return a.words.Get("resolve.why.private")
	case errors.As(err, &certificate):
		return a.words.Get("resolve.why.certificate", "What", certificate.Err.Error())
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner // the innermost: those around it repeat the address
	}
	return err.Error()
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
