package network

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"primum/internal/wire"

	"primum/oath"
)

const (
	maxNoticePages = 8
	maxThings      = 200
	maxThingPages  = 16 // notices of things that are read
)

// readNotice: found, notice, login-wall, letters, language.
func readNotice(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	a, p, err := findNotice(ctx, r)
	if err != nil {
		return oath.Observation{}, err
	}
	facts := map[string]oath.Value{"found": oath.Yes(a.Status == http.StatusOK || a.Status != 0 && loginWall(a)), "login-wall": oath.Yes(loginWall(a)), "notice": oath.Text(a.URL), "letters": oath.Number(p.letters)}
	if p.language != "" {
		facts["language"] = oath.Text(p.language)
	}
	if a.Status == 0 {
		front, err := frontPage(ctx, r)
		if err != nil {
			return oath.Observation{}, err
		}
		return oath.Observation{Facts: facts, Evidence: []oath.Evidence{front.Evidence("the front page, which links to no notice")}}, nil
	}
	return oath.Observation{Facts: facts, Evidence: []oath.Evidence{a.Evidence("the notice, asked for without an account")}}, nil
}

// notice finds the notice about what a domain collects: its policies, where it
// is a node; else the page that the front page calls its privacy policy. An
// answer of status 0 means that there is none.
func findNotice(ctx context.Context, r *oath.Run) (oath.Answer, page, error) {
	if r.Target.Node != nil {
		a, p, err := policies(ctx, r)
		if err != nil || a.Status != 0 {
			return a, p, err
		}
	}
	front, err := frontPage(ctx, r)
	if err != nil {
		return oath.Answer{}, page{}, err
	}
	for _, at := range noticeLinks(front) {
		a, err := r.Fetch(ctx, oath.Ask{URL: at, Header: map[string]string{"Accept": "text/html, text/plain, */*;q=0.5"}})
		if err := stop(ctx, err); err != nil {
			return oath.Answer{}, page{}, err
		}
		if err == nil && (a.Status == http.StatusOK || loginWall(a)) {
			return a, readPage(a), nil
		}
	}
	return oath.Answer{}, page{}, nil
}

// policies reads the node's own policies as one notice.
func policies(ctx context.Context, r *oath.Run) (oath.Answer, page, error) {
	a, err := r.Fetch(ctx, oath.Ask{URL: r.Target.Base + wire.PoliciesPath, Header: map[string]string{"Accept": "application/json"}, Stay: true})
	if err := stop(ctx, err); err != nil {
		return oath.Answer{}, page{}, err
	}
	var list wire.FactList
	if err != nil || a.Status != http.StatusOK || a.JSON(&list) != nil {
		return oath.Answer{}, page{}, nil
	}
	var p page
	var last oath.Answer
	var languages []string
	for _, f := range list.Facts[:min(len(list.Facts), maxNoticePages)] {
		if !f.Now || !strings.HasPrefix(f.Ref, "/") {
			continue
		}
		doc, err := r.Fetch(ctx, oath.Ask{URL: r.Target.Base + f.Ref, Stay: true})
		if err := stop(ctx, err); err != nil {
			return oath.Answer{}, page{}, err
		}
		var policy wire.Policy
		if err != nil || doc.Status != http.StatusOK || doc.JSON(&policy) != nil {
			continue
		}
		last = doc
		for language, t := range policy.Texts {
			if !slices.Contains(languages, language) {
				languages = append(languages, language)
			}
			p.letters += utf8.RuneCountInString(t.Title) + utf8.RuneCountInString(t.Body)
			p.text += strings.ToLower(t.Title + " " + t.Body + " ")
		}
	}
	slices.Sort(languages)
	p.language = strings.Join(languages, ", ")
	return last, p, nil
}

// noticeWords are what people call a privacy notice, in ten languages.
func noticeWords() []string {
	return []string{
		"privacy", "datenschutz", "confidentialit", "privacidad", "privacidade", "конфиденциальн", "隐私", "خصوصي", "गोपनीयता", "faragha",
		"data protection", "protección de datos", "proteção de dados", "protection des données",
	}
}

// noticeLinks are the links of a page to its notice, those first that say so
// by their relation (RFC 6903 §4).
func noticeLinks(front oath.Answer) (found []string) {
	var byName []string
	for _, l := range readPage(front).links {
		at, ok := absolute(front, l.href)
		if !ok {
			continue
		}
		if l.is("privacy-policy") {
			found = append(found, at)
			continue
		}
		said := strings.ToLower(l.text + " " + l.href)
		for _, w := range noticeWords() {
			if strings.Contains(said, w) {
				byName = append(byName, at)
				break
			}
		}
	}
	found = append(found, byName...)
	return found[:min(len(found), maxNoticePages)]
}

// readPublicThings: things, affordances, unnamed, first-unnamed. What a public
// Thing Description offers must be named in the notice, by its name or title.
func readPublicThings(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	things, a, err := publicThings(ctx, r)
	if err != nil {
		return oath.Observation{}, err
	}
	facts := map[string]oath.Value{"things": oath.Number(len(things))}
	if len(things) == 0 {
		return oath.Observation{Facts: facts}, nil
	}
	notice, p, err := findNotice(ctx, r)
	if err != nil {
		return oath.Observation{}, err
	}
	all, unnamed, first := 0, 0, ""
	own := &thingNotices{r: r, said: map[string]string{}}
	for _, td := range things {
		missing := td.notNamedIn(p.text)
		if len(missing) > 0 {
			if missing, err = own.missing(ctx, td); err != nil {
				return oath.Observation{}, err
			}
		}
		all, unnamed = all+len(td.affordances()), unnamed+len(missing)
		if len(missing) > 0 {
			first = cmp.Or(first, fmt.Sprintf("%s of %s", missing[0], td.Title))
		}
	}
	facts["affordances"], facts["unnamed"], facts["first-unnamed"] = oath.Number(all), oath.Number(unnamed), oath.Text(first)
	evidence := append([]oath.Evidence{a.Evidence("things that the domain describes in public")}, own.evidence...)
	if notice.Status != 0 {
		evidence = append(evidence, notice.Evidence("the notice"))
	}
	return oath.Observation{Facts: facts, Evidence: evidence}, nil
}

// thingNotices reads the notices that descriptions of things link to (RFC 6903
// §4), each once.
type thingNotices struct {
	r        *oath.Run
	said     map[string]string // by address: its text
	evidence []oath.Evidence
}

// missing are the affordances of a thing that no notice names to which its
// description links, at the domain itself.
func (n *thingNotices) missing(ctx context.Context, td described) ([]string, error) {
	var text string
	for _, l := range td.Links {
		at := l.Href
		if strings.HasPrefix(at, "/") && !strings.HasPrefix(at, "//") {
			at = n.r.Target.Base + at
		}
		if l.Rel != "privacy-policy" || !strings.HasPrefix(at, n.r.Target.Base+"/") {
			continue
		}
		one, err := n.read(ctx, at)
		if err != nil {
			return nil, err
		}
		text += one + " "
	}
	return td.notNamedIn(text), nil
}

func (n *thingNotices) read(ctx context.Context, at string) (string, error) {
	if text, read := n.said[at]; read || len(n.said) >= maxThingPages {
		return text, nil
	}
	a, err := n.r.Fetch(ctx, oath.Ask{URL: at, Header: map[string]string{"Accept": "text/html, text/plain;q=0.8"}, Stay: true})
	if err := stop(ctx, err); err != nil {
		return "", err
	}
	n.said[at] = ""
	if err == nil && a.Status == http.StatusOK {
		n.said[at] = readPage(a).text
		n.evidence = append(n.evidence, a.Evidence("a thing's own notice, which its description links to"))
	}
	return n.said[at], nil
}

// described is the part of a Thing Description that a check reads.
type described struct {
	Type       json.RawMessage              `json:"@type"`
	Title      string                       `json:"title"`
	Properties map[string]titleOnly         `json:"properties"`
	Actions    map[string]titleOnly         `json:"actions"`
	Events     map[string]titleOnly         `json:"events"`
	Links      []struct{ Href, Rel string } `json:"links"`
}

type titleOnly struct {
	Title string `json:"title"`
}

// affordances are names with their titles.
func (d described) affordances() map[string]string {
	all := map[string]string{}
	for _, kind := range []map[string]titleOnly{d.Properties, d.Actions, d.Events} {
		for name, t := range kind {
			all[name] = t.Title
		}
	}
	return all
}

// notNamedIn are the affordances of which a text, in small letters, says neither
// name nor title, sorted.
func (d described) notNamedIn(text string) (missing []string) {
	for name, title := range d.affordances() {
		if !strings.Contains(text, strings.ToLower(name)) && (title == "" || !strings.Contains(text, strings.ToLower(title))) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// publicThings reads the thing at the entrance, or the list of a directory
// there (W3C WoT Discovery §7).
func publicThings(ctx context.Context, r *oath.Run) ([]described, oath.Answer, error) {
	accept := map[string]string{"Accept": "application/td+json, application/json"}
	a, err := r.Fetch(ctx, oath.Ask{URL: r.Target.Base + wotPath, Header: accept, Stay: true})
	if err := stop(ctx, err); err != nil {
		return nil, a, err
	}
	var one described
	if err != nil || a.Status != http.StatusOK || a.JSON(&one) != nil || one.Title == "" {
		return nil, a, nil
	}
	if !strings.Contains(string(one.Type), "ThingDirectory") {
		return []described{one}, a, nil
	}
	list, err := r.Fetch(ctx, oath.Ask{URL: fmt.Sprintf("%s/things?limit=%d", r.Target.Base, maxThings), Header: accept, Stay: true})
	if err := stop(ctx, err); err != nil {
		return nil, list, err
	}
	var things []described
	if err != nil || list.Status != http.StatusOK || list.JSON(&things) != nil {
		return nil, list, nil
	}
	return things[:min(len(things), maxThings)], list, nil
}
