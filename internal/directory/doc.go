// Package directory keeps Thing Descriptions (W3C WoT Discovery) and finds them
// for a viewer. What a viewer may not see is left out before anything is
// counted, paged, hashed to an etag, searched or told as an event: an entry that
// is hidden from a viewer can not be told from one that does not exist.
//
// An entry belongs to the node's operator or to one account. Two owners may
// have entries of the same id; a viewer sees at most one of them: its own, else
// the operator's, else a public one, else one it was granted.
//
// All methods may be called concurrently.
package directory
