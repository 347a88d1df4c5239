// Package wotdoor is the node's Thing Description directory over HTTP (W3C WoT
// Discovery §7.3): its own description, create, read, update, delete and list,
// events, and search by JSONPath. SPARQL and XPath are not offered. It keeps
// nothing; the things are directory's, which shows a caller what the grants it
// holds allow.
//
// A publisher's token acts for the operator; an account that signs its request
// (RFC 9421) acts for itself; who does neither is a stranger, who reads what is
// public.
package wotdoor
