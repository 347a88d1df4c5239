package resolver

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"

	"primum/internal/wire"
	"primum/thing/id"
)

// digitalLink asks any GS1-conformant resolver for the links of a key (RFC 9264;
// GS1-Conformant Resolver 1.2).
func (w *walk) digitalLink(ctx context.Context, base string, k id.Key) error {
	address := base + "/" + k.Path() + "?linkType=linkset"
	got, err := w.get(ctx, address, "application/linkset+json")
	if err != nil {
		w.failed(StepRead, address, err)
		return err
	}
	links, ok := readLinkset(got)
	if !ok {
		w.step(Step{What: StepRead, Asked: address, Error: "HTTP " + strconv.Itoa(got.status) + ": no linkset"})
		w.result.Answer = wire.Resolution{Answer: wire.AnswerUnknown}
		return nil
	}
	w.step(Step{What: StepRead, Asked: address, Answer: strconv.Itoa(len(links))})
	w.result.Answer = wire.Resolution{Answer: wire.AnswerFound, Level: levelOf(k), ID: w.name.String(), Links: links}
	return nil
}

func levelOf(k id.Key) string {
	if k.Serial() {
		return wire.LevelThing
	}
	return wire.LevelClass
}

// maxLinks bounds the links of one answer.
const maxLinks = 1000

// readLinkset reads the links of a document (RFC 9264 §4.2): of each context
// object, all members but its anchor and texts.
func readLinkset(got reply) (links []wire.NamedLink, ok bool) {
	var doc struct {
		Linkset []map[string]json.RawMessage `json:"linkset"`
	}
	if got.status != http.StatusOK || json.Unmarshal(got.body, &doc) != nil || doc.Linkset == nil {
		return nil, false
	}
	for _, object := range doc.Linkset {
		for rel, raw := range object {
			var targets []target
			if json.Unmarshal(raw, &targets) != nil {
				continue // a text
			}
			for _, t := range targets {
				if t.Href != "" && len(links) < maxLinks {
					links = append(links, wire.NamedLink{Rel: rel, Href: t.Href, Title: t.Title, Type: t.Type, HrefLang: t.HrefLang})
				}
			}
		}
	}
	sort.Slice(links, func(i, j int) bool {
		a, b := links[i], links[j]
		return a.Rel+"\n"+a.Href < b.Rel+"\n"+b.Href
	})
	return links, true
}

type target struct {
	Href     string   `json:"href"`
	Title    string   `json:"title"`
	Type     string   `json:"type"`
	HrefLang []string `json:"hreflang"`
}

// document reads the document of a did:web. Where it names a node that resolves
// names, that is asked next; else the document is the answer.
func (w *walk) document(ctx context.Context) (next string, err error) {
	address := w.name.DocumentURL()
	base, err := w.hostBase(w.name.Host())
	if err != nil {
		return "", err
	}
	w.local = isLocal(base)
	address = base + strings.TrimPrefix(address, "https://"+w.name.Host())
	if err := w.addresses(ctx, base); err != nil {
		return "", err
	}
	got, err := w.get(ctx, address, "application/did+ld+json, application/did+json, application/json")
	if err != nil {
		w.failed(StepRead, address, err)
		return "", err
	}
	w.result.Node = base
	doc, ok := readDocument(got, w.name.String())
	if !ok {
		w.step(Step{What: StepRead, Asked: address, Error: "HTTP " + strconv.Itoa(got.status) + ": no document of this name"})
		w.result.Answer = wire.Resolution{Answer: wire.AnswerUnknown}
		return "", nil
	}
	w.step(Step{What: StepRead, Asked: address, Answer: strconv.Itoa(len(doc.Service))})
	for _, s := range doc.Service {
		if base, ok := strings.CutSuffix(s.Endpoint, wire.ResolvePath); ok && s.Type == "PrimumResolver" {
			return w.next(base)
		}
	}
	w.result.Answer = wire.Resolution{Answer: wire.AnswerFound, Level: wire.LevelThing, ID: doc.ID, Links: doc.links()}
	return "", nil
}

// document is the part of a DID document that is read (DID Core 1.0 §5.4).
type document struct {
	ID      string    `json:"id"`
	Service []service `json:"service"`
}

type service struct {
	Type     string
	Endpoint string
}

// UnmarshalJSON reads the endpoints that are one address; others stay empty.
func (s *service) UnmarshalJSON(b []byte) error {
	var raw struct {
		Type     any `json:"type"`
		Endpoint any `json:"serviceEndpoint"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	s.Type, _ = raw.Type.(string)
	s.Endpoint, _ = raw.Endpoint.(string)
	return nil
}

func readDocument(got reply, want string) (doc document, ok bool) {
	if got.status != http.StatusOK || json.Unmarshal(got.body, &doc) != nil || doc.ID != want {
		return doc, false
	}
	doc.Service = slices.DeleteFunc(doc.Service, func(s service) bool { return s.Endpoint == "" })
	doc.Service = doc.Service[:min(len(doc.Service), maxLinks)]
	return doc, true
}

func (d document) links() (links []wire.NamedLink) {
	for _, s := range d.Service {
		links = append(links, wire.NamedLink{Rel: s.Type, Href: s.Endpoint})
	}
	return links
}
