package resolve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"primum/internal/linkset"
	"primum/internal/wire"
	"primum/thing/id"
)

// Kind says what an answer is.
type Kind string

// Kinds of answers; their texts are those of the wire.
const (
	Found    Kind = wire.AnswerFound
	Referral Kind = wire.AnswerReferral
	Unknown  Kind = wire.AnswerUnknown
)

// Level says how much of a name was answered.
type Level string

// Levels of an answer.
const (
	Class Level = wire.LevelClass
	Thing Level = wire.LevelThing
)

// Ask is who asks, and how.
type Ask struct {
	Caller string // account; "" for a stranger
	Lang   string // Accept-Language header, for titles in several
}

// Answer is what is known of a name.
type Answer struct {
	Kind  Kind
	Level Level
	// Asked is the level of the question: an answer to a question for a thing
	// is kept nowhere, whatever it says.
	Asked     Level
	ID        string // canonical; of the class where the thing is unknown
	Title     string
	Links     []wire.NamedLink
	HandledBy string // of a referral: base URL
	Covers    string // of a referral: what is delegated
}

// Wire is the answer as it is sent.
func (a Answer) Wire() wire.Resolution {
	return wire.Resolution{
		Answer: string(a.Kind), Level: string(a.Level), ID: a.ID, Title: a.Title, Links: a.Links, HandledBy: a.HandledBy, Covers: a.Covers,
	}
}

// Description is a Thing Description that a caller may see.
type Description struct {
	ID, Title, URL string
}

// Links are what is kept of names, and what is delegated (linkset.Book).
type Links interface {
	Lookup(ctx context.Context, anchor string) (linkset.Item, error)
	Delegated(ctx context.Context, anchor string) (linkset.Delegation, bool, error)
}

// Descriptions finds a description by any of the equivalent forms of a name,
// among those that the caller may see. It does the same work whether it finds
// one or not.
type Descriptions interface {
	Describe(ctx context.Context, caller string, forms []string) (Description, bool, error)
}

// Hushes knows names that are persons' own or opted out (store.Labels).
type Hushes interface {
	Hushed(ctx context.Context, hush []byte) (bool, error)
}

// Pages tells the title of the public page under a label.
type Pages func(ctx context.Context, label string) (title string, ok bool, err error)

// Options of a resolver. Descriptions and Pages may be nil.
type Options struct {
	Authority    string // the node's domain, with its port
	Base         string // its address, without a final slash
	Secret       []byte // SecretOf the node's key
	Links        Links
	Descriptions Descriptions
	Hushes       Hushes
	Pages        Pages
}

// Resolver answers names. It keeps nothing; its methods may be called
// concurrently.
type Resolver struct{ o Options }

// New makes a resolver.
func New(o Options) *Resolver { return &Resolver{o} }

// Resolve answers for a name. An unknown name is no error.
func (r *Resolver) Resolve(ctx context.Context, name id.ID, ask Ask) (Answer, error) {
	a, err := r.resolve(ctx, name, ask)
	if err != nil {
		return Answer{}, fmt.Errorf("resolve: %w", err)
	}
	return a, nil
}

func (r *Resolver) resolve(ctx context.Context, name id.ID, ask Ask) (Answer, error) {
	if k, ok := name.Key(); ok {
		return r.key(ctx, k, ask)
	}
	if a, ok, err := r.own(ctx, name); ok || err != nil {
		return a, err
	}
	if a, ok, err := r.referral(ctx, Scope(name)); ok || err != nil {
		a.Asked = Thing
		return a, err
	}
	a, err := r.probe(ctx, name, ask)
	a.Asked, a.Level = Thing, Thing
	if a.Kind == Found {
		a.ID = name.String()
	}
	return a, err
}

// key answers for a key of GS1: of the most exact level that is known, going up
// one qualifier at a time (GS1-Conformant Resolver 1.2, walk-up).
func (r *Resolver) key(ctx context.Context, k id.Key, ask Ask) (Answer, error) {
	asked := levelOf(k)
	if a, ok, err := r.referral(ctx, k.Path()); ok || err != nil {
		a.Asked = asked
		return a, err
	}
	for up := k; ; {
		name := id.FromKey(named(up))
		a, err := r.probe(ctx, name, ask)
		if err != nil {
			return a, err
		}
		if a.Kind == Found {
			a.Asked, a.Level, a.ID = asked, levelOf(up), name.String()
			return a, nil
		}
		var more bool
		if up, more = up.Up(); !more {
			return Answer{Kind: Unknown, Asked: asked}, nil
		}
	}
}

// named is a key without its attributes, which say something beside the name.
func named(k id.Key) id.Key {
	return id.Key{AIs: slices.Clip(k.AIs[:len(k.AIs)-len(k.Attributes())])}
}

func levelOf(k id.Key) Level {
	if k.Serial() {
		return Thing
	}
	return Class
}

// referral is to the node that a text was delegated to, if it is another one.
func (r *Resolver) referral(ctx context.Context, scope string) (Answer, bool, error) {
	d, ok, err := r.o.Links.Delegated(ctx, scope)
	if err != nil || !ok || d.HandledBy == r.o.Base {
		return Answer{}, false, err
	}
	return Answer{Kind: Referral, HandledBy: d.HandledBy, Covers: d.Subject}, true, nil
}

// Nobody stands for a name that is not answered for. No name has this scope, so
// that looking for it is the look-up of an unknown name.
const Nobody = "hushed"

// Anchor is where the links of a name are looked up: its scope, or Nobody where
// it is hushed. It takes the same work for every name.
func (r *Resolver) Anchor(ctx context.Context, name id.ID) (string, error) {
	hushed, err := r.o.Hushes.Hushed(ctx, Hush(r.o.Secret, name))
	if err != nil {
		return "", fmt.Errorf("look up name: %w", err)
	}
	if hushed {
		return Nobody, nil
	}
	return Scope(name), nil
}

// probe asks every room for exactly this name. A name that is hushed is
// exchanged for one that nobody has before anything is read of it. The three
// reads are done in any case, so that work does not tell what was found.
func (r *Resolver) probe(ctx context.Context, name id.ID, ask Ask) (Answer, error) {
	scope, err := r.Anchor(ctx, name)
	if err != nil {
		return Answer{}, err
	}
	forms := Forms(name)
	if scope == Nobody && ask.Caller == "" {
		forms = slices.Repeat([]string{Nobody}, len(forms))
	}
	item, err := r.o.Links.Lookup(ctx, scope)
	known := err == nil
	if err != nil && !errors.Is(err, linkset.ErrNotFound) {
		return Answer{}, err
	}
	a := Answer{Kind: Unknown}
	if known {
		a.Kind, a.Title, a.Links = Found, item.DescriptionIn(ask.Lang), linksOf(item)
	}
	d, described, err := r.describe(ctx, forms, ask)
	if err == nil && ask.Caller != "" {
		// A hushed name leads to what the caller was given, not to what is public.
		var public bool
		_, public, err = r.describe(ctx, forms, Ask{})
		described = described && !(public && scope == Nobody)
	}
	if err != nil || !described {
		return a, err
	}
	a.Kind = Found
	if a.Title == "" {
		a.Title = d.Title
	}
	a.Links = append(a.Links, wire.NamedLink{Rel: linkset.DescribedBy, Href: d.URL, Title: d.Title, Type: "application/td+json"})
	return a, nil
}

// Described finds the description of a name that everyone may see. It takes the
// same work for every name, hushed or not, described or not.
func (r *Resolver) Described(ctx context.Context, name id.ID) (Description, bool, error) {
	scope, err := r.Anchor(ctx, name)
	if err != nil {
		return Description{}, false, err
	}
	forms := Forms(name)
	if scope == Nobody {
		forms = slices.Repeat([]string{Nobody}, len(forms))
	}
	d, ok, err := r.describe(ctx, forms, Ask{})
	if err != nil {
		return Description{}, false, fmt.Errorf("find description: %w", err)
	}
	return d, ok, nil
}

func (r *Resolver) describe(ctx context.Context, forms []string, ask Ask) (Description, bool, error) {
	if r.o.Descriptions == nil {
		return Description{}, false, nil
	}
	return r.o.Descriptions.Describe(ctx, ask.Caller, forms)
}

func linksOf(item linkset.Item) []wire.NamedLink {
	out := make([]wire.NamedLink, 0, len(item.Entries)+1)
	for _, e := range item.Entries {
		out = append(out, wire.NamedLink{Rel: e.LinkType, Href: e.Href, Title: e.Title, Type: e.Type, HrefLang: e.Langs, Default: e.Default})
	}
	return out
}

// Forms are all texts by which a description may be kept.
func Forms(name id.ID) []string {
	forms := []string{name.String()}
	for _, f := range name.Forms() {
		if !slices.Contains(forms, f.Text) {
			forms = append(forms, f.Text)
		}
	}
	return forms
}

// own answers for the node's own names: itself, and things by their labels.
func (r *Resolver) own(ctx context.Context, name id.ID) (Answer, bool, error) {
	if name.Host() != r.o.Authority {
		return Answer{}, false, nil
	}
	label, isLabel := r.labelOf(name)
	switch {
	case isLabel:
		return r.labelled(ctx, label)
	case r.isSelf(name):
		return Answer{Kind: Found, Level: Class, Asked: Class, ID: name.String(), Title: r.o.Authority, Links: r.services()}, true, nil
	}
	return Answer{}, false, nil
}

func (r *Resolver) isSelf(name id.ID) bool {
	switch name.Kind() {
	case id.DNS:
		return true
	case id.DIDWeb:
		return name.String() == DID(r.o.Authority)
	case id.URL:
		return strings.TrimSuffix(name.String(), "/") == r.o.Base
	}
	return false
}

func (r *Resolver) labelOf(name id.ID) (string, bool) {
	prefix := r.o.Base + wire.LabelPrefix
	if name.Kind() == id.DIDWeb {
		prefix = DID(r.o.Authority) + strings.ReplaceAll(wire.LabelPrefix, "/", ":")
	}
	label, ok := strings.CutPrefix(name.String(), prefix)
	return label, ok && label != "" && !strings.ContainsAny(label, "/:?#")
}

func (r *Resolver) labelled(ctx context.Context, label string) (Answer, bool, error) {
	unknown := Answer{Kind: Unknown, Asked: Thing}
	if r.o.Pages == nil {
		return unknown, true, nil
	}
	title, ok, err := r.o.Pages(ctx, label)
	if err != nil || !ok {
		return unknown, true, err
	}
	page := r.o.Base + wire.LabelPrefix + label
	return Answer{Kind: Found, Level: Thing, Asked: Thing, ID: DIDOf(r.o.Authority, label), Title: title, Links: []wire.NamedLink{
		{Rel: "about", Href: page, Title: title, Type: "text/html", Default: true},
		{Rel: "describedby", Href: page + "/did.json", Type: DIDType},
	}}, true, nil
}

// services are what the node offers under its own name.
func (r *Resolver) services() []wire.NamedLink {
	return []wire.NamedLink{
		{Rel: "about", Href: r.o.Base + "/", Type: "text/html", Default: true},
		{Rel: "describedby", Href: r.o.Base + "/.well-known/did.json", Type: DIDType},
		{Rel: "service", Href: r.o.Base + wire.ResolvePath, Type: "application/json"},
		{Rel: "service-desc", Href: r.o.Base + "/.well-known/wot", Type: "application/td+json"},
		{Rel: "service-desc", Href: r.o.Base + "/.well-known/gs1resolver", Type: "application/json"},
	}
}
