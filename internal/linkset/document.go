package linkset

import (
	"cmp"
	"encoding/json"
	"io"
	"iter"
	"strings"
)

// MediaType is that of a linkset (RFC 9264 §4.2).
const MediaType = "application/linkset+json"

// Document is a linkset as RFC 9264 and GS1's schema of 2025 have it.
type Document struct {
	Linkset []map[string]any `json:"linkset"`
}

// target is a link in a Document.
type target struct {
	Href    string   `json:"href"`
	Title   string   `json:"title"`
	Langs   []string `json:"hreflang,omitempty"`
	Type    string   `json:"type,omitempty"`
	Context []string `json:"context,omitempty"`
	Forward *bool    `json:"fwqs,omitempty"`
}

// Write makes a document of items, each under base (an address without a final
// slash) and its anchor. language is an Accept-Language header, for
// descriptions.
func Write(base, language string, items ...*Item) Document {
	d := Document{Linkset: make([]map[string]any, 0, len(items))}
	for _, it := range items {
		d.Linkset = append(d.Linkset, it.context(base, language))
	}
	return d
}

// WriteJSON writes items as one linkset that ReadJSON reads, one at a time.
func WriteJSON(w io.Writer, base string, items iter.Seq2[*Item, error]) error {
	begin := `{"linkset":[` + "\n"
	for it, err := range items {
		if err != nil {
			return err
		}
		b, err := json.Marshal(it.context(base, ""))
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, begin+string(b)); err != nil {
			return err
		}
		begin = ",\n"
	}
	if strings.HasPrefix(begin, ",") {
		begin = ""
	}
	_, err := io.WriteString(w, begin+"\n]}\n")
	return err
}

// WriteLinks is Write for some links of an item alone, without its default.
func WriteLinks(base, language string, it *Item) Document {
	c := it.head(base, language)
	byType := map[string][]target{}
	for _, e := range it.Entries {
		byType[e.LinkType] = append(byType[e.LinkType], e.target(it.Anchor))
	}
	for linkType, targets := range byType {
		c[TypeURL(linkType)] = targets
	}
	return Document{Linkset: []map[string]any{c}}
}

// head has what every context has; GS1's schema wants a description.
func (it *Item) head(base, language string) map[string]any {
	return map[string]any{"anchor": AnchorURL(base, it.Anchor), "itemDescription": cmp.Or(it.DescriptionIn(language), it.Anchor)}
}

// context is the item's link context object (RFC 9264 §4.2.2).
func (it *Item) context(base, language string) map[string]any {
	c := it.head(base, language)
	what := cmp.Or(it.DescriptionIn(language), it.Anchor)
	byType := map[string][]target{}
	for _, e := range it.Entries {
		if e.LinkType != DefaultLink && e.LinkType != DefaultMulti {
			byType[e.LinkType] = append(byType[e.LinkType], e.target(what))
		}
	}
	if first, all, ok := it.defaults(); ok {
		// A default link has no attribute but its title.
		byType[DefaultLink] = []target{{Href: first.Href, Title: first.target(what).Title, Forward: forward(first)}}
		if len(all) > 1 {
			for _, e := range all {
				byType[DefaultMulti] = append(byType[DefaultMulti], e.target(what))
			}
		}
	}
	for linkType, targets := range byType {
		c[TypeURL(linkType)] = targets
	}
	return c
}

// target writes a link; one without a title is called by what it leads to.
func (e Entry) target(what string) target {
	t := target{Href: e.Href, Title: e.Title, Langs: e.Langs, Type: e.Type, Context: e.Context, Forward: forward(e)}
	if t.Title == "" {
		t.Title = what
	}
	return t
}

func forward(e Entry) *bool {
	if !e.NoQuery {
		return nil
	}
	return new(bool)
}

// AnchorURL is where an anchor stands in a document: below base, or itself
// where it is a URL.
func AnchorURL(base, anchor string) string {
	if strings.HasPrefix(anchor, "https://") || strings.HasPrefix(anchor, "http://") {
		return anchor
	}
	return base + "/" + anchor
}
