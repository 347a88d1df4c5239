package oath

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// Where machines find an entrance on any domain.
const (
	wotPath     = "/.well-known/wot"         // W3C WoT Discovery §6.1
	gs1Path     = "/.well-known/gs1resolver" // GS1-Conformant Resolver
	linksetType = "application/linkset+json" // RFC 9264
)

// readEntrance: found, own-names, entrance, linkset.
func readEntrance(ctx context.Context, r *Run, _ Args) (Observation, error) {
	e := &entrances{r: r, foreign: r.Target.Lie}
	if r.Target.Node != nil {
		e.found++
	}
	if r.Target.Lie != "" {
		e.found++
		e.evidence = append(e.evidence, Evidence{
			What: "the entrance of a node that names another domain", At: r.Clock.Now(), Answer: r.Target.Lie,
			Replay: "curl -s " + shellQuote(r.Target.Base+"/.well-known/primum"),
		})
	}
	if err := e.wot(ctx); err != nil {
		return Observation{}, err
	}
	if err := e.gs1(ctx); err != nil {
		return Observation{}, err
	}
	linkset, err := e.linkset(ctx)
	if err != nil {
		return Observation{}, err
	}
	return Observation{
		Facts: map[string]Value{
			"found": Number(e.found), "own-names": Yes(e.foreign == ""), "entrance": Text(e.foreign), "linkset": Yes(linkset),
		},
		Evidence: e.evidence,
	}, nil
}

// entrances collects what a domain's entrances say.
type entrances struct {
	r        *Run
	found    int
	foreign  string // the first that names other hosts
	evidence []Evidence
}

// ask reads a JSON object at a path; ok is false where there is none. The
// error is for a check that can't go on.
func (e *entrances) ask(ctx context.Context, path string) (a Answer, members map[string]json.RawMessage, err error) {
	a, err = e.r.Fetch(ctx, Ask{URL: e.r.Target.Base + path, Header: map[string]string{"Accept": "application/json, application/td+json"}})
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
func (e *entrances) judge(path, named string, a Answer) {
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
// asks for it.
func (e *entrances) linkset(ctx context.Context) (bool, error) {
	a, err := e.r.Fetch(ctx, Ask{URL: e.r.Target.Base + "/", Header: map[string]string{"Accept": linksetType}})
	if err != nil {
		return false, stop(ctx, err)
	}
	if strings.HasPrefix(a.Header.Get("Content-Type"), linksetType) {
		e.evidence = append(e.evidence, a.Evidence("the link set"))
		return true, nil
	}
	for _, l := range readPage(a).links {
		if !l.is("linkset") {
			continue
		}
		at, ok := a.absolute(l.href)
		if !ok {
			continue
		}
		set, err := e.r.Fetch(ctx, Ask{URL: at, Header: map[string]string{"Accept": linksetType}})
		var body struct {
			Linkset []json.RawMessage `json:"linkset"`
		}
		if err == nil && set.Status == http.StatusOK && set.JSON(&body) == nil && len(body.Linkset) > 0 {
			e.evidence = append(e.evidence, set.Evidence("the link set that the front page leads to"))
			return true, nil
		}
		return false, stop(ctx, err)
	}
	return false, nil
}

// stop keeps only errors after which a probe can't go on: the end of its time
// or its budget. What one answer was like is not among them.
func stop(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil && !isBudget(err) {
		return nil
	}
	return err
}
