// Package client is what a device, an app, an edge or another server imports
// to talk to nodes. Ten lines lead from a key file to values:
//
//	c, err := vault.OpenClient(ctx, vault.DefaultHome(), "friend@s.example", nethttp.New(nethttp.Options{}))
//	…
//	for v := range c.Watch(ctx, "water/flow") {
//		fmt.Println(v.At, string(v.Value), v.Unit)
//	}
//
// Below it, package link signs single requests (RFC 9421) to any node, holds
// live sockets, keeps them alive with back-off and resumes their subscriptions
// by cursor. The drivers here, Client for persons and services and RunAnchor
// for the thing's end, run the actors of package circle over links: they
// perform the actors' effects, feed them what nodes deliver, and hold no state
// of their own, so that a kill at any instant loses nothing.
//
// It needs no net/http: everything goes through Transport.
package client
