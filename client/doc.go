// Package client is what a device, an app, an edge or another server imports
// to talk to nodes. Ten lines lead from a key file to values:
//
//	keys, err := vault.Open(vault.DefaultHome(), "friend@s.example")
//	…
//	c, err := client.Open(ctx, keys.Options(nethttp.New(nethttp.Options{})))
//	…
//	defer c.Close()
//	for v := range c.Watch(ctx, "water/flow") {
//		fmt.Println(v.At, v.Value, v.Unit)
//	}
//
// The package has three layers. Calls signs single requests (RFC 9421) to any
// node. Session is one live socket; Link keeps one alive with back-off and
// resumes its subscriptions by cursor. The drivers, Client for persons and
// services and RunAnchor for the thing's end, run the actors of package circle
// over links: they perform the actors' effects, feed them what nodes deliver,
// and hold no state of their own, so that a kill at any instant loses nothing.
//
// It needs no net/http: everything goes through Transport.
package client
