package webtest

import (
	"context"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"
)

// Push hands a message to the service worker of the page's origin, as the
// browser does when a push server sent one.
func (tab *Tab) Push(message string) {
	tab.t.Helper()
	var origin string
	tab.Eval("location.origin", &origin)
	ctx, cancel := context.WithTimeout(tab.ctx, wait)
	defer cancel()
	found := make(chan serviceworker.RegistrationID, 1)
	err := chromedp.Listen(ctx, func(ev any) {
		e, ok := ev.(*serviceworker.EventWorkerRegistrationUpdated)
		if !ok {
			return
		}
		for _, r := range e.Registrations {
			if !r.IsDeleted && strings.HasPrefix(r.ScopeURL, origin+"/") {
				select {
				case found <- r.RegistrationID:
				default:
				}
			}
		}
	})
	if err != nil {
		tab.t.Fatalf("push: %v", err)
	}
	tab.do("service workers", call(serviceworker.Enable, cdp.Empty{}))
	select {
	case id := <-found:
		tab.do("push", call(serviceworker.DeliverPushMessage,
			serviceworker.DeliverPushMessageParams{Origin: origin, RegistrationID: id, Data: message}))
		tab.do("service workers", call(serviceworker.Disable, cdp.Empty{})) // the next call hears of them anew
	case <-ctx.Done():
		tab.t.Fatalf("push: %s has no service worker", origin)
	}
}
