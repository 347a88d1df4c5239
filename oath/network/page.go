package network

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html"

	"primum/oath"
)

const (
	maxTags  = 20_000 // of one page
	maxLinks = 500
)

// page is what a check reads of a page: it renders nothing.
type page struct {
	language string
	letters  int
	password bool // a field for one
	links    []link
	text     string // visible text in small letters, cut at maxPage
}

type link struct{ rel, href, text string }

// readPage reads HTML within bounds; whatever it is, there is an answer.
func readPage(a oath.Answer) page {
	p := page{language: a.Header.Get("Content-Language"), links: linkHeader(a.Header.Values("Link"))}
	z := html.NewTokenizer(bytes.NewReader(a.Body))
	z.SetMaxBuf(maxPage)
	var text strings.Builder
	skip, open := 0, -1 // inside script or style; index of the link whose text comes
	for range maxTags {
		switch z.Next() {
		case html.ErrorToken:
			p.finish(text.String())
			return p
		case html.TextToken:
			if skip == 0 {
				words := strings.Join(strings.Fields(string(z.Text())), " ")
				text.WriteString(words + " ")
				if open >= 0 && len(p.links[open].text) < 200 {
					p.links[open].text += words + " "
				}
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if t.Data == "script" || t.Data == "style" {
				skip++
			}
			if p.tag(t); t.Data == "a" && len(p.links) > 0 {
				open = len(p.links) - 1
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			switch string(name) {
			case "script", "style":
				skip = max(0, skip-1)
			case "a":
				open = -1
			}
		}
	}
	p.finish(text.String())
	return p
}

func (p *page) finish(text string) {
	for _, r := range text {
		if r > ' ' {
			p.letters++
		}
	}
	p.text = strings.ToLower(text)
}

func (p *page) tag(t html.Token) {
	attr := func(name string) string {
		for _, a := range t.Attr {
			if a.Key == name {
				return a.Val
			}
		}
		return ""
	}
	switch t.Data {
	case "html":
		if l := attr("lang"); l != "" {
			p.language = l
		}
	case "input":
		p.password = p.password || strings.EqualFold(attr("type"), "password")
	case "a", "link":
		if len(p.links) < maxLinks {
			p.links = append(p.links, link{rel: strings.ToLower(attr("rel")), href: attr("href"), text: attr("title") + " "})
		}
	}
}

var (
	linkParts = regexp.MustCompile(`<([^<>"]+)>([^<]*)`)
	relPart   = regexp.MustCompile(`(?i)rel="?([a-z0-9 ._-]{1,100})"?`)
)

// linkHeader reads Link headers as far as a check needs them (RFC 8288 §3).
func linkHeader(values []string) (all []link) {
	for _, v := range values[:min(len(values), 8)] {
		for _, m := range linkParts.FindAllStringSubmatch(v, 32) {
			l := link{href: m[1]}
			if rel := relPart.FindStringSubmatch(m[2]); rel != nil {
				l.rel = strings.ToLower(rel[1])
			}
			all = append(all, l)
		}
	}
	return all
}

func (l link) is(rel string) bool { return slices.Contains(strings.Fields(l.rel), rel) }

// loginWall tells whether an answer asks who one is instead of answering.
func loginWall(a oath.Answer) bool {
	if a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden || a.Status == http.StatusProxyAuthRequired {
		return true
	}
	u, err := url.Parse(a.URL)
	if err != nil || len(a.Hops) == 0 {
		return false
	}
	for _, part := range strings.FieldsFunc(strings.ToLower(u.Path), func(r rune) bool { return strings.ContainsRune("/.-_", r) }) {
		if slices.Contains([]string{"login", "signin", "logon", "auth", "sso"}, part) {
			return true
		}
	}
	return strings.Contains(strings.ToLower(u.Path), "sign-in")
}

// absolute resolves a link of a page.
func absolute(a oath.Answer, href string) (string, bool) {
	base, err := url.Parse(a.URL)
	if err != nil {
		return "", false
	}
	u, err := base.Parse(strings.TrimSpace(href))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return "", false
	}
	u.Fragment = ""
	return u.String(), true
}

var maxAge = regexp.MustCompile(`(?i)(?:^|;)\s*max-age\s*=\s*"?([0-9]{1,12})`)

// hstsDays reads Strict-Transport-Security (RFC 6797 §6.1); 0 where there is
// none, or where it did not come over TLS.
func hstsDays(a oath.Answer) int64 {
	m := maxAge.FindStringSubmatch(a.Header.Get("Strict-Transport-Security"))
	if m == nil || a.TLS == nil {
		return 0
	}
	seconds, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0
	}
	return seconds / int64((24 * time.Hour).Seconds())
}

// front is the front page, as a browser of no language asks for it.
func frontPage(ctx context.Context, r *oath.Run) (oath.Answer, error) {
	return r.Fetch(ctx, oath.Ask{URL: r.Target.Base + "/", Header: map[string]string{"Accept": "text/html, */*;q=0.5"}})
}

// openFrontPage: local, status, login-wall, hsts-days.
func openFrontPage(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	a, err := frontPage(ctx, r)
	if err != nil {
		return oath.Observation{}, err
	}
	return oath.Observation{
		Facts: map[string]oath.Value{
			"local": oath.Yes(r.Target.Local), "status": oath.Number(a.Status), "login-wall": oath.Yes(loginWall(a)), "hsts-days": oath.Number(hstsDays(a)),
		},
		Evidence: []oath.Evidence{a.Evidence("the front page, asked for without an account")},
	}, nil
}
