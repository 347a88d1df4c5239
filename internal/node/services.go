package node

import (
	"context"
	"regexp"

	"primum/internal/catalogue"
	gs1door "primum/internal/door/gs1"
	servicesdoor "primum/internal/door/services"
	wotdoor "primum/internal/door/wot"
	"primum/internal/wire"
)

// openCatalogue makes the catalogue of services, which are documents among the
// facts.
func (n *Node) openCatalogue() {
	n.offers = catalogue.New(catalogue.Options{Facts: n.store.Facts, Accounts: n.store.Accounts, Clock: n.cfg.Clock, Authority: n.cfg.Authority})
}

// servicesDoor is where programs read and publishers change the catalogue.
func (n *Node) servicesDoor() publicDoor {
	return servicesdoor.New(servicesdoor.Config{
		Authority: n.cfg.Authority, Base: n.BaseURL(), Catalogue: n.offers, Log: n.cfg.Log, Publisher: n.tokens.Name, Note: n.tokens.Note,
		APIs: publicAPIs(), Products: n.someProducts, Pages: n.portal.ServicePages(),
	})
}

// publicAPIs are the interfaces that strangers' programs have a use for.
func publicAPIs() []servicesdoor.API {
	return []servicesdoor.API{
		{Path: wire.ServiceListPath, Description: "/openapi.json", Kind: "application/json", Page: wire.ServicePages},
		{Path: wotdoor.ThingsPath, Description: wotdoor.SelfPath, Kind: "application/td+json"},
		{Path: "/", Description: gs1door.DescriptionPath, Kind: "application/json"},
	}
}

// productAnchor is that of a product code: never of one thing.
var productAnchor = regexp.MustCompile(`^01/[0-9]{14}$`)

const productsMost = 8

// someProducts are paths of the link sets of some products.
func (n *Node) someProducts(ctx context.Context) (paths []string, err error) {
	items, err := n.names.links.Page(ctx, "01/", 4*productsMost)
	for _, it := range items {
		if productAnchor.MatchString(it.Anchor) && len(paths) < productsMost {
			paths = append(paths, "/"+it.Anchor+"?linkType=linkset")
		}
	}
	return paths, err
}
