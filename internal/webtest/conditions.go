package webtest

import (
	"context"
	"net/http"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Throttle slows the page's processor down by a factor; 1 is full speed.
func (tab *Tab) Throttle(factor float64) {
	tab.t.Helper()
	tab.do("throttle", call(emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: factor}))
}

// Offline takes the network from the page and its workers, open connections
// too, or gives it back.
func (tab *Tab) Offline(off bool) {
	tab.t.Helper()
	tab.gate.setOffline(off)
	tab.do("offline", call(network.OverrideNetworkState,
		network.OverrideNetworkStateParams{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}))
}

// Quota bounds what the page's origin may keep, in bytes; below zero it is as
// before.
func (tab *Tab) Quota(bytes float64) {
	tab.t.Helper()
	var origin string
	tab.Eval("location.origin", &origin)
	p := storage.OverrideQuotaForOriginParams{Origin: origin}
	if bytes >= 0 {
		p.QuotaSize = &bytes
	}
	tab.do("quota", call(storage.OverrideQuotaForOrigin, p))
}

// Grant gives the pages of the tab permissions, named as in the Permissions API:
// "notifications", "camera", "clipboard-write", "persistent-storage".
func (tab *Tab) Grant(names ...string) {
	tab.t.Helper()
	tab.permit(browser.PermissionSettingGranted, names)
}

// Deny refuses permissions.
func (tab *Tab) Deny(names ...string) {
	tab.t.Helper()
	tab.permit(browser.PermissionSettingDenied, names)
}

func (tab *Tab) permit(setting browser.PermissionSetting, names []string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, wait)
	defer cancel()
	for _, name := range names {
		_, err := chromedp.CallBrowser(ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: setting,
			BrowserContextID: chromedp.FromContext(tab.ctx).BrowserContextID,
		})
		if err != nil {
			tab.t.Fatalf("permission %s: %v", name, err)
		}
	}
}

// IgnoreCertificates accepts any certificate, for servers with keys of their own.
func (tab *Tab) IgnoreCertificates(ignore bool) {
	tab.t.Helper()
	tab.do("certificates", call(security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: ignore}))
}

// Authenticator is a virtual platform authenticator: it holds passkeys, says
// that the user is there, and has looked at them, without asking.
type Authenticator struct {
	tab *Tab
	id  webauthn.AuthenticatorID
}

// Authenticator adds one with PRF (the extension that unlocks with a passkey).
func (tab *Tab) Authenticator() *Authenticator {
	tab.t.Helper()
	return tab.authenticator(true)
}

// AuthenticatorWithoutPRF adds one that knows passkeys but not PRF.
func (tab *Tab) AuthenticatorWithoutPRF() *Authenticator {
	tab.t.Helper()
	return tab.authenticator(false)
}

func (tab *Tab) authenticator(prf bool) *Authenticator {
	tab.t.Helper()
	tab.do("webauthn", call(webauthn.Enable, webauthn.EnableParams{}))
	ctx, cancel := context.WithTimeout(tab.ctx, wait)
	defer cancel()
	res, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21,
			Transport:      webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true,
			HasPrf: prf, AutomaticPresenceSimulation: true,
		},
	})
	if err != nil {
		tab.t.Fatalf("authenticator: %v", err)
	}
	return &Authenticator{tab: tab, id: res.AuthenticatorID}
}

// Verified says whether the user passes verification from now on.
func (a *Authenticator) Verified(yes bool) {
	a.tab.t.Helper()
	a.tab.do("verified", call(webauthn.SetUserVerified,
		webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: yes}))
}

// Credentials are the passkeys it holds.
func (a *Authenticator) Credentials() []*webauthn.Credential {
	a.tab.t.Helper()
	ctx, cancel := context.WithTimeout(a.tab.ctx, wait)
	defer cancel()
	res, err := chromedp.Call(ctx, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id})
	if err != nil {
		a.tab.t.Fatalf("credentials: %v", err)
	}
	return res.Credentials
}

// Forget removes all passkeys: a device that was lost.
func (a *Authenticator) Forget() {
	a.tab.t.Helper()
	a.tab.do("forget", call(webauthn.ClearCredentials, webauthn.ClearCredentialsParams{AuthenticatorID: a.id}))
}

// Remove takes the authenticator away.
func (a *Authenticator) Remove() {
	a.tab.t.Helper()
	a.tab.do("remove", call(webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: a.id}))
}

// Cookies are the tab's cookies of all sites, those that scripts can't read too.
func (tab *Tab) Cookies() []*http.Cookie {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, wait)
	defer cancel()
	res, err := chromedp.CallBrowser(ctx, storage.GetCookies, storage.GetCookiesParams{BrowserContextID: chromedp.FromContext(tab.ctx).BrowserContextID})
	if err != nil {
		tab.t.Fatalf("cookies: %v", err)
	}
	var all []*http.Cookie
	for _, c := range res.Cookies {
		all = append(all, &http.Cookie{
			Name: c.Name, Value: c.Value, Path: c.Path, Domain: c.Domain, HttpOnly: c.HTTPOnly, Secure: c.Secure, SameSite: sameSite(string(c.SameSite)),
		})
	}
	return all
}

func sameSite(s string) http.SameSite {
	return map[string]http.SameSite{"Strict": http.SameSiteStrictMode, "Lax": http.SameSiteLaxMode, "None": http.SameSiteNoneMode}[s]
}
