package linkset

import (
	"slices"
	"strings"
)

// relations are the registered relations (RFC 8288 §2.1.1), in order: IANA's
// registry of link relation types, https://www.iana.org/assignments/link-relations,
// as of 2026-08-16, in lower case since they are compared so. Those with a digit
// or a point in them (c2pa-manifest, openid2.local_id, openid2.provider, P3Pv1)
// are left out: no name in GS1's schema of linksets has any.
var relations = [...]string{
	"about", "acl", "alternate", "amphtml", "api-catalog", "appendix", "apple-touch-icon", "apple-touch-startup-image", "archives", "author",
	"blocked-by", "bookmark", "canonical", "chapter", "cite-as", "collection", "compression-dictionary", "contents", "convertedfrom", "copyright",
	"create-form", "current", "deprecation", "describedby", "describes", "disclosure", "dns-prefetch", "dpp", "duplicate", "edit", "edit-form",
	"edit-media", "enclosure", "external", "first", "geofeed", "glossary", "help", "hosts", "hub", "ice-server", "icon", "index", "intervalafter",
	"intervalbefore", "intervalcontains", "intervaldisjoint", "intervalduring", "intervalequals", "intervalfinishedby", "intervalfinishes",
	"intervalin", "intervalmeets", "intervalmetby", "intervaloverlappedby", "intervaloverlaps", "intervalstartedby", "intervalstarts", "item", "last",
	"latest-version", "license", "linkset", "lrdd", "manifest", "mask-icon", "me", "media-feed", "memento", "micropub", "modulepreload", "monitor",
	"monitor-group", "next", "next-archive", "nofollow", "noopener", "noreferrer", "opener", "original", "payment", "pingback", "preconnect",
	"predecessor-version", "prefetch", "preload", "prerender", "prev", "prev-archive", "preview", "previous", "privacy-policy", "profile",
	"publication", "rdap-active", "rdap-bottom", "rdap-down", "rdap-top", "rdap-up", "related", "replies", "restconf", "ruleinput", "search", "section",
	"self", "service", "service-desc", "service-doc", "service-meta", "sip-trunking-capability", "sponsored", "start", "status", "stylesheet",
	"subsection", "successor-version", "sunset", "tag", "terms-of-service", "timegate", "timemap", "type", "ugc", "up", "version-history", "via",
	"webmention", "working-copy", "working-copy-of",
}

// registered is the spelling of a registered relation.
func registered(s string) (string, bool) {
	s = strings.ToLower(s)
	_, ok := slices.BinarySearch(relations[:], s)
	return s, ok
}

// meant is the link type that somebody may have meant by a word that is none,
// or empty.
func meant(s string) string {
	if name, ok := strings.CutPrefix(s, "gs1"); ok && gs1Name.MatchString(strings.TrimLeft(name, "-_.")) {
		return "gs1:" + strings.TrimLeft(name, "-_.")
	}
	s = strings.ToLower(s)
	for _, r := range relations {
		if slip(s, r) {
			return r
		}
	}
	return ""
}

// slip tells whether one typing slip leads from a to b: a letter more, less or
// other, or two swapped.
func slip(a, b string) bool {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	swapped := len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
	return len(a) <= 1 && len(b) <= 1 || swapped
}
