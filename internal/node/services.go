package node

import (
	"primum/internal/catalogue"
	servicesdoor "primum/internal/door/services"
)

// openCatalogue makes the catalogue of services, which are documents among the
// facts.
func (n *Node) openCatalogue() {
	n.offers = catalogue.New(catalogue.Options{Facts: n.store.Facts, Clock: n.cfg.Clock, Authority: n.cfg.Authority})
}

// servicesDoor is where programs read and publishers change the catalogue.
func (n *Node) servicesDoor() publicDoor {
	return servicesdoor.New(servicesdoor.Config{
		Authority: n.cfg.Authority, Catalogue: n.offers, Log: n.cfg.Log, Publisher: n.tokens.Name, Note: n.tokens.Note,
	})
}
