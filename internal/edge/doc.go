// Package edge joins devices that can't encrypt to circles that can: adapters
// and their broker on one side, the anchor of package circle on the other,
// with the history between them. It also is the receiving side: values that
// others share appear on one's own broker, in a webhook, a file or on standard
// output.
//
// Nothing leaves the house but through the anchor. What a broker announces is
// not trusted: descriptions are pinned, differences must be accepted, commands
// go only to topics of the device itself.
package edge
