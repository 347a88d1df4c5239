package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/internal/wire"
)

func testApp(t *testing.T) (*app, *syncBuffer, *syncBuffer) {
	t.Helper()
	var out, errOut syncBuffer
	a, err := newApp(newMachine(t).surroundings(&out, &errOut))
	if err != nil {
		t.Fatal(err)
	}
	a.running = true
	return a, &out, &errOut
}

// Whatever is missing, the receipt never says more than was confirmed (P8).
func TestReceiptSaysOnlyWhatIsConfirmed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
	problem := &wire.Problem{Type: wire.ProblemPrefix + wire.ProbForbidden, Title: "No", Detail: "not you"}
	for name, c := range map[string]struct {
		w        withdrawn
		one, two bool
		code     int
	}{
		"both":                 {withdrawn{info: circle.WithdrawalInfo{LockOne: at, LockTwo: at, Statement: "s"}}, true, true, exitDone},
		"node only":            {withdrawn{info: circle.WithdrawalInfo{LockOne: at}}, true, false, exitUnreachable},
		"thing only":           {withdrawn{info: circle.WithdrawalInfo{LockTwo: at, Statement: "s"}, nodeErr: client.ErrUnreachable}, false, true, exitDone},
		"nobody":               {withdrawn{}, false, false, exitUnreachable},
		"node refuses":         {withdrawn{nodeErr: problem}, false, false, exitRefused},
		"a time, no word":      {withdrawn{info: circle.WithdrawalInfo{LockOne: at, LockTwo: at}}, true, false, exitUnreachable},
		"a word, no time":      {withdrawn{info: circle.WithdrawalInfo{LockOne: at, Statement: "s"}}, true, false, exitUnreachable},
		"could not even try":   {withdrawn{err: circle.ErrUnknown}, false, false, exitFailed},
		"node does not answer": {withdrawn{nodeErr: client.ErrUnreachable}, false, false, exitUnreachable},
	} {
		for _, asJSON := range []bool{false, true} {
			a, out, _ := testApp(t)
			a.json = asJSON
			err := a.receipt(circle.GrantInfo{ID: "g", Grantee: "friend@s.localhost"}, c.w)
			code := exitDone
			if err != nil {
				code = codeOf(err)
			}
			if code != c.code {
				t.Errorf("%s: exit %d, want %d", name, code, c.code)
			}
			if c.w.err != nil {
				continue
			}
			one, two := strings.Contains(out.String(), "delivers nothing more"), strings.Contains(out.String(), "seals nothing more")
			if asJSON {
				line := jsonLines(t, out.String())[0]
				one, two = line["lockOne"] != nil, line["lockTwo"] != nil
				if line["confirmed"] != two {
					t.Errorf("%s: %v", name, line)
				}
			} else if two == strings.Contains(out.String(), "not confirmed by your thing") {
				t.Errorf("%s:\n%s", name, out)
			}
			if one != c.one || two != c.two {
				t.Errorf("%s: locks %v %v, want %v %v\n%s", name, one, two, c.one, c.two, out)
			}
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	refusal := func(name string) error { return &wire.Problem{Type: wire.ProblemPrefix + name, Title: name} }
	for want, errs := range map[int][]error{
		exitFailed:      {errors.New("x"), refusal(wire.ProbMalformed), refusal(wire.ProbConflict), circle.ErrRefused},
		exitUsage:       {usage(errors.New("x"))},
		exitRefused:     {refusal(wire.ProbGrantRequired), refusal(wire.ProbAskLater), refusal(wire.ProbInvite), fmt.Errorf("ask: %w", refusal(wire.ProbForbidden))},
		exitUnreachable: {client.ErrUnreachable, fmt.Errorf("ask: %w", client.ErrUnreachable)},
	} {
		for _, err := range errs {
			if got := codeOf(err); got != want {
				t.Errorf("%v: exit %d, want %d", err, got, want)
			}
		}
	}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
	for words, err := range map[string]error{
		"--invite CODE":            &wire.Problem{Type: wire.ProblemPrefix + wire.ProbInvite},
		"Set this machine's":       &wire.Problem{Type: wire.ProblemPrefix + wire.ProbClockSkew, Now: &now},
		"there is no such account": client.ErrNoAccount,
	} {
		a, _, errOut := testApp(t)
		a.fail(rootCommand(a), err)
		if !strings.Contains(errOut.String(), words) {
			t.Errorf("%v: said %s", err, errOut)
		}
	}
	a, out, errOut := testApp(t)
	root := rootCommand(a)
	a.json = true
	if code := a.fail(root, &wire.Problem{Type: wire.ProblemPrefix + wire.ProbForbidden, Title: "No"}); code != exitRefused {
		t.Errorf("exit %d", code)
	}
	if line := jsonLines(t, out.String())[0]; line["exit"] != float64(exitRefused) || line["problem"] != wire.ProblemPrefix+wire.ProbForbidden {
		t.Errorf("told programs %v and people %s", line, errOut)
	}
	if code := a.fail(root, context.Canceled); code != exitDone {
		t.Errorf("Ctrl-C is exit %d", code)
	}
}

func TestPlotDrawsOverItself(t *testing.T) {
	t.Parallel()
	a, out, _ := testApp(t)
	p := newPlot(a, client.Target{Path: "water/flow"})
	if !strings.Contains(out.String(), "waiting for the first value") {
		t.Errorf("first picture: %s", out)
	}
	for i := range 500 {
		p.value(client.Value{At: time.Unix(int64(i), 0), Value: json.RawMessage(fmt.Sprint(i % 10)), Unit: "L/min"})
	}
	text := p.text()
	if !strings.Contains(text, "water/flow  9 L/min") || strings.Count(text, "\n") < plotHeight {
		t.Errorf("picture:\n%s", text)
	}
	for line := range strings.Lines(text) {
		if len([]rune(line)) > 81 {
			t.Errorf("a line is wider than the terminal: %d", len([]rune(line)))
		}
	}
	if len(p.values) > plotMost {
		t.Errorf("%d values are kept", len(p.values))
	}
	if !strings.Contains(out.String(), "\x1b[") {
		t.Error("pictures do not overwrite each other")
	}
	p.value(client.Value{State: "paused", Reason: "lease"})
	if !strings.Contains(p.text(), "paused: the owner has not been heard") {
		t.Errorf("picture:\n%s", p.text())
	}
	p.value(client.Value{At: time.Unix(501, 0), Value: json.RawMessage(`"ON"`)}) // text has no plot, but a line
	if !strings.Contains(p.text(), "water/flow  ON") {
		t.Errorf("picture:\n%s", p.text())
	}
	p.value(client.Value{State: "ended", Reason: "withdrawn"})
	if !strings.Contains(p.text(), "its owner has ended the grant") {
		t.Errorf("picture:\n%s", p.text())
	}
}

func TestWordsBecomeJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ON": `"ON"`, "21.5": "21.5", "true": "true", `{"x":1}`: `{"x":1}`, `"quoted"`: `"quoted"`, "": `""`, "1 2": `"1 2"`, "\xff": "\"\\ufffd\"",
	} {
		if got := string(jsonOf(in)); got != want {
			t.Errorf("%q became %s, want %s", in, got, want)
		}
	}
}

func FuzzJSONOf(f *testing.F) {
	f.Add("ON")
	f.Add("21.5")
	f.Add("{")
	f.Fuzz(func(t *testing.T, s string) {
		if !json.Valid(jsonOf(s)) {
			t.Errorf("%q became no JSON", s)
		}
	})
}

func TestGrantFlags(t *testing.T) {
	t.Parallel()
	a, _, _ := testApp(t)
	flow := client.Target{Path: "water/flow", Thing: "water", Name: "flow", Own: true, Ops: []string{"readproperty", "observeproperty"}}
	lamp := client.Target{Path: "lamp/state", Thing: "lamp", Name: "state", Own: true, Ops: []string{"readproperty", "writeproperty"}}
	p, err := grantFlags{stat: "mean", place: -1}.precision()
	if err != nil || p.Every != grant.Duration(time.Minute) || p.Stat != grant.Mean || p.Place != nil {
		t.Errorf("default precision %+v, %v", p, err)
	}
	p, err = grantFlags{change: true, place: 10, round: 0.5, delay: "1h"}.precision()
	if err != nil || !p.Change || *p.Place != 10 || p.Round != 0.5 || p.Delay != grant.Duration(time.Hour) {
		t.Errorf("precision %+v, %v", p, err)
	}
	for name, f := range map[string]grantFlags{"every": {every: "never", place: -1}, "round": {round: -1, place: -1}, "delay": {delay: "x", place: -1}} {
		if _, err := f.precision(); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	ops, err := grantFlags{may: "read,write"}.operations(a, lamp)
	if err != nil || len(ops) != 2 {
		t.Errorf("operations %v, %v", ops, err)
	}
	if _, err := (grantFlags{may: "write"}).operations(a, flow); err == nil || codeOf(err) != exitFailed {
		t.Errorf("writing what can't be written: %v", err)
	}
	if _, err := (grantFlags{may: "eat"}).operations(a, flow); err == nil || codeOf(err) != exitUsage {
		t.Errorf("an unknown right: %v", err)
	}
	if s := sharedAffordance(lamp, "", []string{"writeproperty"}, p); s.Precision != (grant.Precision{}) || s.Title != "lamp" {
		t.Errorf("a mere command has a precision: %+v", s)
	}
}
