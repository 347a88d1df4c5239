package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/prometheus/client_golang/prometheus"

	"primum/internal/directory"
	namesdoor "primum/internal/door/names"
	openvalues "primum/internal/open"
	"primum/internal/peer"
	"primum/internal/resolve"
	"primum/internal/store"
	"primum/thing/id"
)

// newResolver makes the answers to names, of what is kept and described here.
func (n *Node) newResolver(key ed25519.PrivateKey) *resolve.Resolver {
	return resolve.New(resolve.Options{
		Authority: n.cfg.Authority, Base: n.BaseURL(), Secret: resolve.SecretOf(key),
		Links: n.names.links, Hushes: n.store.Labels, Pages: n.pageOf, Descriptions: described{n},
	})
}

// published says whether everybody is shown something of the operator's about
// exactly this thing: links (as open things with a key have), or an entry of the
// directory (as all open things have). What is hushed is shown to nobody: the
// answer tells no more than /resolve does.
func (n *Node) published(ctx context.Context, name id.ID) (bool, error) {
	anchor, err := n.names.resolver.Anchor(ctx, name)
	if err != nil {
		return false, err
	}
	class, thing := resolve.Individual(name)
	linked, err := n.names.links.Names(ctx, class, thing)
	if err != nil {
		return false, err
	}
	described, err := n.describes(ctx, name)
	return (linked || described) && anchor != resolve.Nobody, err
}

// describes says whether the operator's part of the directory shows a thing to
// everybody.
func (n *Node) describes(ctx context.Context, name id.ID) (bool, error) {
	for _, form := range resolve.Forms(name) {
		e, err := n.names.things.Get(ctx, directory.Viewer{}, form)
		if err == nil && e.Owner == directory.Operator {
			return true, nil
		}
		if err != nil && !errors.Is(err, directory.ErrNotFound) {
			return false, err
		}
	}
	return false, nil
}

// namesDoor answers names over HTTP.
func (n *Node) namesDoor(key ed25519.PrivateKey, reg prometheus.Registerer) (publicDoor, error) {
	tally := &resolve.Tally{}
	if err := n.countAnswers(tally, reg); err != nil {
		return nil, err
	}
	return namesdoor.New(namesdoor.Config{
		Authority: n.cfg.Authority, Base: n.BaseURL(), KeyName: peer.KeyName, Key: key.Public().(ed25519.PublicKey), Secret: resolve.SecretOf(key),
		Resolver: n.names.resolver, Pages: n.pageOf, OptOuts: n.store.Labels, Tally: tally, Clock: n.cfg.Clock, Log: n.cfg.Log,
		Caller: n.door.Caller, Publisher: n.tokens.Name, Note: n.tokens.Note, Core: n.openLinks,
		BadPage: n.portal.BadName, NothingPage: n.nothingOf,
	}), nil
}

// nothingOf tells people that nothing is known here of a name.
func (n *Node) nothingOf(w http.ResponseWriter, r *http.Request, name id.ID) {
	k, _ := name.Key()
	n.portal.NothingOf(w, r, k)
}

// mostCore bounds the links to open things in one answer of /.well-known/core.
const mostCore = 500

// openLinks are the descriptions of open things, for /.well-known/core.
func (n *Node) openLinks(ctx context.Context) (links []namesdoor.Link, err error) {
	services, err := n.names.values.Services(ctx)
	for i := 0; err == nil && i < len(services) && len(links) < mostCore; i++ {
		var things []openvalues.Thing
		things, err = n.names.values.Things(ctx, services[i].Name, "", mostCore-len(links))
		for _, t := range things {
			path := "/open/" + url.PathEscape(t.Service) + "/" + url.PathEscape(t.Name)
			links = append(links, namesdoor.Link{Path: path, RT: "wot.thing", CT: "432", Title: t.Description.Title})
		}
	}
	return links, err
}

// pageOf is the title of the public page under a label.
func (n *Node) pageOf(ctx context.Context, label string) (title string, ok bool, err error) {
	page, err := n.door.Notice(ctx, label)
	if errors.Is(err, store.ErrNotFound) {
		return "", false, nil
	}
	return page.Title, err == nil, err
}

// countAnswers shows how many names were answered in the last full hour: there
// is no finer number, and no log of names.
func (n *Node) countAnswers(tally *resolve.Tally, reg prometheus.Registerer) error {
	for _, kind := range []resolve.Kind{resolve.Found, resolve.Referral, resolve.Unknown} {
		err := reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "primum_names_last_hour", Help: "Names answered in the last full hour.", ConstLabels: prometheus.Labels{"answer": string(kind)},
		}, func() float64 { return float64(tally.LastHour(kind, n.cfg.Clock.Now())) }))
		if err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}
