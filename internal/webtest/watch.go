package webtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// binding is what the isolated world calls with a policy violation.
const binding = "primumViolation"

// violations runs before every page's own scripts, in a world of its own.
const violations = `document.addEventListener("securitypolicyviolation", e => ` + binding + `(
	e.effectiveDirective + " refused " + (e.blockedURI || "something") + " " + (e.sample || "") + " at " + (e.sourceFile || e.documentURI) + ":" + e.lineNumber))`

// watch collects what went wrong in the pages and workers of a tab.
type watch struct {
	mu       sync.Mutex
	problems []string
	may      []string
}

func (w *watch) add(format string, a ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf(format, a...)
	expected := func(s string) bool { return strings.Contains(text, s) }
	if !slices.ContainsFunc(w.may, expected) && !slices.Contains(w.problems, text) {
		w.problems = append(w.problems, text)
	}
}

func (w *watch) expect(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.may = append(w.may, text)
}

func (w *watch) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = nil
}

func (w *watch) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.problems)
}

// see takes an event of a page or worker. It runs on the goroutine that reads
// the browser's messages, so it only notes.
func (w *watch) see(ev any) {
	switch e := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			w.add("console: %s", printed(e.Args))
		}
	case *runtime.EventExceptionThrown:
		w.add("exception: %s", thrown(e.ExceptionDetails))
	case *runtime.EventBindingCalled:
		if e.Name == binding {
			w.add("policy: %s", e.Payload)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			w.add("console: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		w.issue(e.Issue)
	case *page.EventJavascriptDialogOpening:
		w.add("dialog: %s", e.Message)
	case *inspector.EventTargetCrashed:
		w.add("the page crashed")
	}
}

// seeWorker is see for a worker. That it is stopped is said like a crash, and
// is none: a service worker is stopped whenever the browser likes.
func (w *watch) seeWorker(ev any) {
	if _, ok := ev.(*inspector.EventTargetCrashed); !ok {
		w.see(ev)
	}
}

func (w *watch) issue(i *audits.InspectorIssue) {
	if i.Details == nil {
		return
	}
	if c := i.Details.ContentSecurityPolicyIssueDetails; c != nil {
		w.add("policy: %s refused %s (%s)", c.ViolatedDirective, c.BlockedURL, c.ContentSecurityPolicyViolationType)
	}
	if m := i.Details.MixedContentIssueDetails; m != nil {
		w.add("mixed content: %s", m.InsecureURL)
	}
}

func printed(args []*runtime.RemoteObject) string {
	var parts []string
	for _, a := range args {
		var s string
		switch {
		case json.Unmarshal(a.Value, &s) == nil:
			parts = append(parts, s)
		case len(a.Value) > 0:
			parts = append(parts, string(a.Value))
		default:
			parts = append(parts, a.Description)
		}
	}
	return strings.Join(parts, " ")
}

func thrown(d *runtime.ExceptionDetails) string {
	text := d.Text
	if d.Exception != nil && d.Exception.Description != "" {
		text += " " + d.Exception.Description
	}
	return fmt.Sprintf("%s (%s:%d)", text, d.URL, d.LineNumber+1)
}
