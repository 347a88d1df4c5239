package house

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"primum/internal/durable"
	"primum/thing"
)

// registry is what the edge remembers of things: their names, and for every
// announcement the description that is pinned to its broker and topic. The
// edge's lock guards it.
type registry struct {
	path   string
	names  map[string]string          // thing keys by name
	parts  map[string]map[string]bool // part keys by thing key
	Things map[string]*knownThing     `json:"things"` // by Found.Thing
	Parts  map[string]*knownPart      `json:"parts"`  // by Found.Key
}

type knownThing struct {
	Name string `json:"name"`
}

// knownPart is an accepted announcement.
type knownPart struct {
	Thing       string             `json:"thing"` // key
	Description *thing.Description `json:"description"`
	Topics      []string           `json:"topics,omitempty"` // of commands
	// Names gives the part's affordances their names in the thing: two parts of
	// one device may use the same.
	Names    map[string]string `json:"names"`
	Accepted time.Time         `json:"accepted"`
}

func openRegistry(path string) (*registry, error) {
	r := &registry{path: path}
	b, err := durable.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read list of things: %w", err)
	}
	if err == nil {
		if err := json.Unmarshal(b, r); err != nil {
			return nil, fmt.Errorf("read list of things %s: %w", path, err)
		}
	}
	if r.Things == nil {
		r.Things = map[string]*knownThing{}
	}
	if r.Parts == nil {
		r.Parts = map[string]*knownPart{}
	}
	r.names, r.parts = map[string]string{}, map[string]map[string]bool{}
	for key, t := range r.Things {
		r.names[t.Name] = key
	}
	for key, p := range r.Parts {
		r.join(p.Thing, key)
	}
	return r, nil
}

func (r *registry) save() error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write list of things: %w", err)
	}
	if err := durable.WriteFile(r.path, b); err != nil {
		return fmt.Errorf("write list of things: %w", err)
	}
	return nil
}

// accept pins an announcement, giving names where there are none yet.
func (r *registry) accept(f thing.Found, now time.Time) *knownPart {
	if r.Things[f.Thing] == nil {
		name := r.freeName(f.Wish)
		r.Things[f.Thing], r.names[name] = &knownThing{Name: name}, f.Thing
	}
	p := &knownPart{Thing: f.Thing, Description: f.Description, Topics: f.Topics, Names: map[string]string{}, Accepted: now}
	old := r.Parts[f.Key]
	taken := r.takenNames(f.Thing, f.Key)
	for _, name := range f.Description.Affordances() {
		if old != nil && old.Names[name] != "" {
			p.Names[name] = old.Names[name]
			taken[p.Names[name]] = true
		}
	}
	for _, name := range f.Description.Affordances() {
		if p.Names[name] == "" {
			p.Names[name] = free(name, "_", func(s string) bool { return taken[s] })
			taken[p.Names[name]] = true
		}
	}
	if old != nil {
		delete(r.parts[old.Thing], f.Key)
	}
	r.Parts[f.Key] = p
	r.join(f.Thing, f.Key)
	return p
}

func (r *registry) takenNames(thingKey, exceptPart string) map[string]bool {
	taken := map[string]bool{}
	for key := range r.parts[thingKey] {
		if key != exceptPart {
			for _, name := range r.Parts[key].Names {
				taken[name] = true
			}
		}
	}
	return taken
}

func (r *registry) freeName(wish string) string {
	name := thing.Slug(wish)
	if name == "" {
		name = "thing"
	}
	return free(name, "-", func(s string) bool { return r.byName(s) != "" })
}

// free appends a number until a name is not taken.
func free(name, gap string, taken func(string) bool) string {
	try := name
	for i := 2; taken(try); i++ {
		end := fmt.Sprintf("%s%d", gap, i)
		try = strings.ToValidUTF8(name[:min(len(name), thing.MaxName-len(end))], "") + end
	}
	return try
}

// byName finds the key of a thing, "" where there is none of that name.
func (r *registry) byName(name string) string { return r.names[name] }

// partsOf lists the keys of a thing's parts, sorted.
func (r *registry) partsOf(thingKey string) []string {
	return slices.Sorted(maps.Keys(r.parts[thingKey]))
}

func (r *registry) join(thingKey, part string) {
	if r.parts[thingKey] == nil {
		r.parts[thingKey] = map[string]bool{}
	}
	r.parts[thingKey][part] = true
}

// merged is the description of a thing made of its parts, with the names that
// the thing gives them.
func (r *registry) merged(thingKey string, use func(partKey string) bool) *thing.Description {
	var d *thing.Description
	for _, key := range r.partsOf(thingKey) {
		p := r.Parts[key]
		if !use(key) {
			continue
		}
		if d == nil {
			d = thing.New(p.Description.Title)
			d.Text = p.Description.Text
		}
		for name, property := range p.Description.Properties {
			d.AddProperty(p.Names[name], property.Schema)
		}
		for name, a := range p.Description.Actions {
			d.AddAction(p.Names[name], a.Title, a.Text, a.Input)
		}
		for name, e := range p.Description.Events {
			d.AddEvent(p.Names[name], e.Title, e.Text, e.Data)
		}
	}
	return d
}
