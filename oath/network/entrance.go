package network

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"primum/oath"
)

// Where machines find an entrance on any domain.
const (
	wotPath     = "/.well-known/wot"         // W3C WoT Discovery §6.1
	gs1Path     = "/.well-known/gs1resolver" // GS1-Conformant Resolver
	apisPath    = "/.well-known/api-catalog" // RFC 9727
	linksetType = "application/linkset+json" // RFC 9264
)

// readEntrance: found, own-names, entrance, linkset.
func readEntrance(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	e := &entrances{r: r, foreign: r.Target.Lie}
	if r.Target.Node != nil {
		e.found++
	}
	if r.Target.Lie != "" {
		e.found++
		e.evidence = append(e.evidence, oath.Evidence{
			What: "the entrance of a node that names another domain", At: r.Clock.Now(), Answer: r.Target.Lie,
			Replay: "curl -s " + oath.Quote(r.Target.Base+"/.well-known/primum"),
		})
	}
	if err := e.wot(ctx); err != nil {
		return oath.Observation{}, err
	}
	if err := e.gs1(ctx); err != nil {
		return oath.Observation{}, err
	}
	linkset, err := e.linkset(ctx)
	if err != nil {
		return oath.Observation{}, err
	}
	return oath.Observation{
		Facts: map[string]oath.Value{
			"found": oath.Number(e.found), "own-names": oath.Yes(e.foreign == ""), "entrance": oath.Text(e.foreign), "linkset": oath.Yes(linkset),
		},
		Evidence: e.evidence,
	}, nil
}

// entrances collects what a domain's entrances say.
type entrances struct {
	r        *oath.Run
	found    int
	foreign  string // the first that names other hosts
	evidence []oath.Evidence
}

// ask reads a JSON object at a path; ok is false where there is none. The
// error is for a check that can't go on.
func (e *entrances) ask(ctx context.Context, path string) (a oath.Answer, members map[string]json.RawMessage, err error) {
	a, err = e.r.Fetch(ctx, oath.Ask{URL: e.r.Target.Base + path, Header: map[string]string{"Accept": "application/json, application/td+json"}})
	if err != nil {
		return a, nil, stop(ctx, err)
	}
	if a.Status != http.StatusOK || a.JSON(&members) != nil {
		return a, nil, nil
	}
	return a, members, nil
}

func (e *entrances) wot(ctx context.Context) error {
	a, td, err := e.ask(ctx, wotPath)
	if err != nil || td["@context"] == nil || td["title"] == nil {
		return err
	}
	e.found++
	e.evidence = append(e.evidence, a.Evidence("the Thing Description at the entrance"))
	var base string
	if json.Unmarshal(td["base"], &base) == nil {
		e.judge(wotPath, base, a)
	}
	return nil
}

func (e *entrances) gs1(ctx context.Context) error {
	a, file, err := e.ask(ctx, gs1Path)
	var root string
	if err != nil || json.Unmarshal(file["resolverRoot"], &root) != nil {
		return err
	}
	e.found++
	e.evidence = append(e.evidence, a.Evidence("the resolver description file"))
	e.judge(gs1Path, root, a)
	return nil
}

// judge compares the host that an entrance names with the one that was asked.
func (e *entrances) judge(path, named string, a oath.Answer) {
	u, err := url.Parse(named)
	if err != nil || u.Host == "" {
		return
	}
	host, own := strings.ToLower(u.Hostname()), strings.ToLower(e.r.Target.Host)
	if host != own && !strings.HasSuffix(host, "."+own) && e.foreign == "" {
		e.foreign = e.r.Target.Base + path
	}
}

// linkset tells whether the front page leads to a link set, or is one for who
// asks for it, or whether there is one where RFC 9727 has it.
func (e *entrances) linkset(ctx context.Context) (bool, error) {
	a, err := e.r.Fetch(ctx, oath.Ask{URL: e.r.Target.Base + "/", Header: map[string]string{"Accept": linksetType}})
	if err != nil {
		return false, stop(ctx, err)
	}
	if strings.HasPrefix(a.Header.Get("Content-Type"), linksetType) {
		e.evidence = append(e.evidence, a.Evidence("the link set"))
		return true, nil
	}
	at, what := e.r.Target.Base+apisPath, "the link set at the place of RFC 9727"
	for _, l := range readPage(a).links {
		if href, ok := absolute(a, l.href); ok && l.is("linkset") {
			at, what = href, "the link set that the front page leads to"
			break
		}
	}
	set, err := e.readSet(ctx, at, what)
	if err != nil || set == nil {
		return false, err
	}
	return true, e.product(ctx, set)
}

// linkContext is what a check reads of a link set (RFC 9264 §4.2).
type linkContext struct {
	Item []struct{ Href, Type string } `json:"item"`
}

// readSet reads a link set; nil where there is none.
func (e *entrances) readSet(ctx context.Context, at, what string) ([]linkContext, error) {
	a, err := e.r.Fetch(ctx, oath.Ask{URL: at, Header: map[string]string{"Accept": linksetType}})
	var body struct {
		Linkset []linkContext `json:"linkset"`
	}
	if err != nil || a.Status != http.StatusOK || a.JSON(&body) != nil || len(body.Linkset) == 0 {
		return nil, stop(ctx, err)
	}
	e.evidence = append(e.evidence, a.Evidence(what))
	return body.Linkset, nil
}

// product looks at the first link set of a thing that a domain's own link set
// names: there it would stand who else offers something for it.
func (e *entrances) product(ctx context.Context, set []linkContext) error {
	for _, c := range set {
		for _, item := range c.Item {
			if strings.HasPrefix(item.Type, linksetType) && strings.HasPrefix(item.Href, e.r.Target.Base+"/") {
				_, err := e.readSet(ctx, item.Href, "the link set of a product, where others can be named")
				return err
			}
		}
	}
	return nil
}
