// Package td validates Thing Descriptions whole: versions 1.0 and 1.1 of W3C
// Web of Things, by the published schema and by the rules that no schema can
// say. It needs no network and no context of JSON-LD: names count as they are
// written. Members it does not know are left alone.
//
// All functions may be called concurrently; what they cost is bounded by
// MaxBytes, MaxDepth and MaxAffordances.
package td
