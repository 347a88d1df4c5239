package webtest

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// markName is a selector like @name, which stands for [data-test="name"].
var markName = regexp.MustCompile(`@([A-Za-z0-9_-]+)`)

// selector writes out the marks of a selector: "@row @stop", "@row:nth-child(2)".
func selector(sel string) string { return markName.ReplaceAllString(sel, `[data-test="$1"]`) }

// finder is the part of every question about elements: all matches in the
// page and its open shadow roots, those that show, and the point to click.
const finder = `(() => {
	const all = (root, sel) => [...root.querySelectorAll(sel),
		...[...root.querySelectorAll("*")].filter(e => e.shadowRoot).flatMap(e => all(e.shadowRoot, sel))];
	const shows = e => e.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true}) && e.getClientRects().length > 0
		&& e.getClientRects()[0].width > 0 && e.getClientRects()[0].height > 0;
	const words = e => (e instanceof HTMLInputElement || e instanceof HTMLTextAreaElement || e instanceof HTMLSelectElement ? e.value : e.innerText ?? e.textContent ?? "");
	const under = (x, y) => {
		let e = document.elementFromPoint(x, y);
		while (e?.shadowRoot) { const in_ = e.shadowRoot.elementFromPoint(x, y); if (!in_ || in_ === e) break; e = in_; }
		return e;
	};
	const within = (e, outer) => { for (; e; e = e.parentNode ?? e.host) if (e === outer) return true; return false; };
	const point = (sel) => {
		const found = all(document, sel), e = found.find(shows);
		if (!e) return {why: found.length + " in the page, none shows"};
		if (e.disabled || e.getAttribute("aria-disabled") === "true") return {why: "it is disabled"};
		e.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
		const r = e.getClientRects()[0], x = r.left + r.width / 2, y = r.top + r.height / 2, hit = under(x, y);
		const label = hit?.closest?.("label");
		if (!hit || !(within(hit, e) || label?.control === e)) return {why: "covered by " + (hit ? hit.outerHTML.slice(0, 120) : "nothing: outside of the window")};
		return {x, y};
	};
	return `

// ask evaluates an expression with the finder's words.
func ask[T any](tab *Tab, expression string, args ...any) (T, error) {
	quoted := make([]any, len(args))
	for i, a := range args {
		b, err := json.Marshal(a)
		if err != nil {
			var zero T
			return zero, err
		}
		quoted[i] = string(b)
	}
	return tryEval[T](tab, finder+fmt.Sprintf(expression, quoted...)+"})()")
}

type spot struct {
	X, Y float64
	Why  string
}

// spotOf waits until the element shows, is enabled, uncovered and at rest.
func (tab *Tab) spotOf(sel string) spot {
	tab.t.Helper()
	var last, now spot
	tab.poll(sel+" to click", func() (bool, string) {
		p, err := ask[spot](tab, "point(%s)", selector(sel))
		last, now = now, p
		return err == nil && p.Why == "" && p == last, fmt.Sprint(p.Why, " ", err)
	})
	return now
}

// Click clicks the middle of the first element that shows, with the mouse, once
// it is enabled, uncovered and at rest.
func (tab *Tab) Click(sel string) {
	tab.t.Helper()
	p := tab.spotOf(sel)
	tab.do("click "+sel, chromedp.MouseClickXY(p.X, p.Y))
}

// Drag pulls the element's middle by dx, dy CSS pixels with the mouse.
func (tab *Tab) Drag(sel string, dx, dy float64) {
	tab.t.Helper()
	p := tab.spotOf(sel)
	tab.do("drag "+sel, chromedp.DragAndDropXY(p.X, p.Y, p.X+dx, p.Y+dy, 8))
}

// Type clicks a field, takes out what stands in it, and types the text.
func (tab *Tab) Type(sel, text string) {
	tab.t.Helper()
	tab.Click(sel)
	if _, err := ask[bool](tab, "(all(document, %s).find(shows).select?.(), true)", selector(sel)); err != nil {
		tab.t.Fatalf("type into %s: %v", sel, err)
	}
	if text == "" {
		tab.Press("Backspace")
		return
	}
	tab.do("type into "+sel, call(input.InsertText, input.InsertTextParams{Text: text}))
}

// Set gives a field, slider, check box or list a value as its control would, with
// its input and change events.
func (tab *Tab) Set(sel, value string) {
	tab.t.Helper()
	tab.WaitVisible(sel)
	_, err := ask[bool](tab, `((e, v) => {
		if (e.type === "checkbox") e.checked = v === "true"; else e.value = v;
		for (const n of ["input", "change"]) e.dispatchEvent(new Event(n, {bubbles: true, composed: true}));
		return true;
	})(all(document, %s).find(shows), %s)`, selector(sel), value)
	if err != nil {
		tab.t.Fatalf("set %s: %v", sel, err)
	}
}

// Press presses a key, in the element that has the focus: a character, a
// name of the kb package's kind ("Enter", "Tab", "Escape", "ArrowLeft", "Space",
// "Backspace", "Delete", "Home", "End", "PageUp", "PageDown"), or one with
// modifiers in front ("Shift+Tab").
func (tab *Tab) Press(key string) {
	tab.t.Helper()
	parts := strings.Split(key, "+")
	name := parts[len(parts)-1]
	code, ok := keyCodes()[name]
	if !ok {
		code = name
	}
	var mods []chromedp.Modifier
	for _, m := range parts[:len(parts)-1] {
		mods = append(mods, modifiers()[m])
	}
	tab.do("press "+key, pressKey(code, mods))
}

// pressKey sends the events of kb; with modifiers kb's own are kept.
func pressKey(code string, mods []chromedp.Modifier) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, r := range code {
			for _, k := range kb.Encode(r) {
				for _, m := range mods {
					k.Modifiers |= int64(m)
				}
				if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, *k); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func keyCodes() map[string]string {
	return map[string]string{
		"Enter": kb.Enter, "Tab": kb.Tab, "Escape": kb.Escape, "Space": " ", "Backspace": kb.Backspace,
		"Delete": kb.Delete, "Home": kb.Home, "End": kb.End, "PageUp": kb.PageUp, "PageDown": kb.PageDown,
		"ArrowLeft": kb.ArrowLeft, "ArrowRight": kb.ArrowRight, "ArrowUp": kb.ArrowUp, "ArrowDown": kb.ArrowDown,
	}
}

func modifiers() map[string]chromedp.Modifier {
	return map[string]chromedp.Modifier{
		"Shift": chromedp.ModifierShift, "Ctrl": chromedp.ModifierCtrl,
		"Alt": chromedp.ModifierAlt, "Meta": chromedp.ModifierMeta,
	}
}

// WaitVisible waits until an element that matches shows.
func (tab *Tab) WaitVisible(sel string) {
	tab.t.Helper()
	tab.poll(sel+" to show", func() (bool, string) {
		ok, err := ask[bool](tab, "all(document, %s).some(shows)", selector(sel))
		return ok, fmt.Sprint("it does not, ", err)
	})
}

// WaitGone waits until no element that matches shows.
func (tab *Tab) WaitGone(sel string) {
	tab.t.Helper()
	tab.poll(sel+" to go", func() (bool, string) {
		ok, err := ask[bool](tab, "!all(document, %s).some(shows)", selector(sel))
		return ok && err == nil, fmt.Sprint("it still shows, ", err)
	})
}

// WaitText waits until an element that matches shows and has the text in it; of
// a field, in its value.
func (tab *Tab) WaitText(sel, text string) {
	tab.t.Helper()
	tab.poll(fmt.Sprintf("%q in %s", text, sel), func() (bool, string) {
		texts, err := ask[[]string](tab, "all(document, %s).filter(shows).map(words)", selector(sel))
		for _, have := range texts {
			if strings.Contains(have, text) {
				return true, ""
			}
		}
		return false, fmt.Sprintf("there is %.300q %v", texts, err)
	})
}

// Text waits until the element shows and answers its text, or a field's value.
func (tab *Tab) Text(sel string) string {
	tab.t.Helper()
	tab.WaitVisible(sel)
	text, err := ask[string](tab, `words(all(document, %s).find(shows))`, selector(sel))
	if err != nil {
		tab.t.Fatalf("text of %s: %v", sel, err)
	}
	return strings.TrimSpace(text)
}

// Attr is an attribute of the first match; empty without either.
func (tab *Tab) Attr(sel, name string) string {
	tab.t.Helper()
	v, err := ask[string](tab, `all(document, %s)[0]?.getAttribute(%s) ?? ""`, selector(sel), name)
	if err != nil {
		tab.t.Fatalf("%s of %s: %v", name, sel, err)
	}
	return v
}

// Count is how many elements match and show now.
func (tab *Tab) Count(sel string) int {
	tab.t.Helper()
	n, err := ask[int](tab, "all(document, %s).filter(shows).length", selector(sel))
	if err != nil {
		tab.t.Fatalf("count of %s: %v", sel, err)
	}
	return n
}

// Focused is the mark (data-test), or else the tag and id, of the element that
// has the focus.
func (tab *Tab) Focused() string {
	tab.t.Helper()
	s, err := ask[string](tab, `(() => {
		let e = document.activeElement;
		while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
		return e?.dataset?.test ?? (e ? e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") : "");
	})()`)
	if err != nil {
		tab.t.Fatalf("focus: %v", err)
	}
	return s
}

// Hold presses the middle of the first element that shows, as Click does, and
// lets go after while has returned.
func (tab *Tab) Hold(sel string, while func()) {
	tab.t.Helper()
	p := tab.spotOf(sel)
	left := []chromedp.MouseOption{chromedp.ButtonLeft, chromedp.ClickCount(1)}
	tab.do("press "+sel, chromedp.MouseEvent(chromedp.MousePressed, p.X, p.Y, left...))
	while()
	tab.do("release "+sel, chromedp.MouseEvent(chromedp.MouseReleased, p.X, p.Y, left...))
}
