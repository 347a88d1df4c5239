package homeassistant

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"primum/thing"
)

// parse reads a configuration: one part, several in the device-based form, or
// none for an empty payload (removed) and for devices that others read.
func (a *Adapter) parse(topic string, raw []byte) (parts []*part, troubles []thing.Trouble) {
	refuse := func(place string, err error) {
		troubles = append(troubles, thing.Trouble{Place: place, Reason: "configuration not used: " + err.Error()})
	}
	if len(raw) == 0 {
		return nil, nil
	}
	where, err := splitTopic(a.o.Prefix, topic)
	if err != nil {
		refuse(topic, err)
		return nil, troubles
	}
	tree, err := thing.DecodeLarge(raw, maxConfig)
	if err != nil {
		refuse(topic, err)
		return nil, troubles
	}
	short, ok := tree.(map[string]any)
	if !ok {
		refuse(topic, errors.New("it is not an object"))
		return nil, troubles
	}
	root := a.expand.expand(short)
	if where.component != "device" {
		p, err := a.part(topic, topic, where, where.component, root)
		if err != nil {
			refuse(topic, err)
		} else if p != nil {
			parts = append(parts, p)
		}
		return parts, troubles
	}
	return a.parseDevice(topic, where, root)
}

// parseDevice reads the device-based form: components in one object, with
// what they share at its root.
func (a *Adapter) parseDevice(topic string, where place, root map[string]any) (parts []*part, troubles []thing.Trouble) {
	refuse := func(at string, err error) {
		troubles = append(troubles, thing.Trouble{Place: at, Reason: "configuration not used: " + err.Error()})
	}
	components, ok := root["components"].(map[string]any)
	if !ok || len(components) > maxComponents {
		refuse(topic, fmt.Errorf("components is not an object of at most %d", maxComponents))
		return nil, troubles
	}
	for _, id := range sortedNames(components) {
		key := topic + "#" + id
		own, ok := components[id].(map[string]any)
		if !ok {
			refuse(key, errors.New("the component is not an object"))
			continue
		}
		config := map[string]any{}
		for _, shared := range []string{"device", "origin", "state_topic", "command_topic", "availability", "availability_topic", "qos", "encoding", "~"} {
			if v, ok := root[shared]; ok {
				config[shared] = v
			}
		}
		if _, ok := own["~"]; !ok && root["~"] != nil {
			own["~"] = root["~"]
		}
		long := a.expand.expand(own)
		for name, v := range long {
			config[name] = v
		}
		if len(own) == 1 && long["platform"] != nil {
			continue // a removed component
		}
		component, _ := config["platform"].(string)
		at := where
		at.objectID = id
		p, err := a.part(key, topic, at, component, config)
		if err != nil {
			refuse(key, err)
		} else if p != nil {
			parts = append(parts, p)
		}
	}
	return parts, troubles
}

func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// place is what a discovery topic says:
// PREFIX/COMPONENT/[NODE_ID/]OBJECT_ID/config.
type place struct{ component, nodeID, objectID string }

func splitTopic(prefix, topic string) (place, error) {
	levels := strings.Split(strings.TrimPrefix(topic, prefix+"/"), "/")
	switch len(levels) {
	case 3:
		return place{component: levels[0], objectID: levels[1]}, nil
	case 4:
		return place{levels[0], levels[1], levels[2]}, nil
	}
	return place{}, errors.New("its topic has not the form of discovery")
}

// part makes one entity; nil for one that another adapter reads.
func (a *Adapter) part(key, topic string, where place, component string, config map[string]any) (*part, error) {
	mapTo, ok := a.mappings[component]
	if !ok {
		return nil, fmt.Errorf("component %.40q is not known", component)
	}
	if a.elsewhere(config) {
		return nil, nil
	}
	dev := a.device(where, config)
	if dev.key == "" {
		dev.key = key
	}
	e := &entity{component: component, config: config, name: entityName(where, dev, config), d: thing.New(dev.title), bound: map[string]*affordance{}}
	e.d.Text = dev.text
	mapTo(e)
	p := &part{key: key, device: dev.key, wish: dev.title, topic: topic, ids: dev.ids, entity: e}
	a.refuseTopics(p)
	if err := e.d.Validate(); err != nil {
		return nil, err
	}
	hash, err := e.d.Hash()
	if err != nil {
		return nil, err
	}
	p.hash = hash + fmt.Sprint(p.topics())
	return p, nil
}

// topics is all of a part's binding in a stable form.
func (p *part) topics() []string {
	var all []string
	for name, b := range p.entity.bound {
		all = append(all, fmt.Sprintf("%s %s %v %s", name, b.stateTopic, b.state, b.commandTopic))
	}
	slices.Sort(all)
	return all
}

// refuseTopics takes out what reads or writes a topic that it must not. Not
// all devices are known yet: Write looks again.
func (a *Adapter) refuseTopics(p *part) {
	e := p.entity
	for _, name := range sortedBound(e.bound) {
		b := e.bound[name]
		if b.stateTopic != "" {
			if err := a.readable(b.stateTopic); err != nil {
				e.remove(name, "its state topic is refused: "+err.Error())
				continue
			}
		}
		if b.commandTopic == "" {
			continue
		}
		if err := a.own(p, b.commandTopic); err != nil {
			e.readOnly(name, "its command topic is refused: "+err.Error())
		}
	}
}

func sortedBound(m map[string]*affordance) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (e *entity) remove(name, why string) {
	delete(e.bound, name)
	delete(e.d.Properties, name)
	delete(e.d.Actions, name)
	delete(e.d.Events, name)
	e.skip(name, why)
}

// readOnly takes the command out of an affordance, and all of one that is
// nothing else.
func (e *entity) readOnly(name, why string) {
	b := e.bound[name]
	p := e.d.Properties[name]
	if b.stateTopic == "" || p == nil {
		e.remove(name, why)
		return
	}
	b.commandTopic, b.encode = "", nil
	s := p.Schema
	s.ReadOnly, s.WriteOnly = true, false
	e.d.AddProperty(name, s)
	e.skip(name+" command", why)
}

// elsewhere says whether another adapter reads this entity's device.
func (a *Adapter) elsewhere(config map[string]any) bool {
	for member, v := range config {
		topic, ok := v.(string)
		if !ok || !strings.HasSuffix(member, "topic") || strings.HasPrefix(member, "availability") {
			continue
		}
		for _, base := range a.o.Elsewhere {
			if strings.HasPrefix(topic, base+"/") {
				return true
			}
		}
	}
	return false
}

type device struct {
	key, title, text string
	name             string // of the device block; empty without one
	ids              []string
}

// device reads the block that says which device an entity belongs to. The key
// is empty where there is none: the entity is then a thing by itself.
func (a *Adapter) device(where place, config map[string]any) (d device) {
	d.ids = []string{where.nodeID, where.objectID}
	block, ok := config["device"].(map[string]any)
	if ok {
		block = a.expand.expand(block)
		ids := texts(block["identifiers"])
		if len(ids) == 0 {
			if pairs, _ := block["connections"].([]any); len(pairs) > 0 {
				ids = append(ids, strings.Join(texts(pairs[0]), " "))
			}
		}
		if len(ids) > 0 {
			d.key = a.o.Prefix + "#" + clip(ids[0])
		}
		for _, id := range ids {
			d.ids = append(d.ids, id, id[strings.LastIndexByte(id, '_')+1:])
		}
		d.title, _ = block["name"].(string)
		d.name = d.title
		maker, _ := block["manufacturer"].(string)
		model, _ := block["model"].(string)
		d.text = strings.TrimSpace(clip(maker) + " " + clip(model))
	}
	entityTitle, _ := config["name"].(string)
	for _, title := range []string{d.title, entityTitle, where.nodeID, where.objectID} {
		if d.title = clip(title); d.title != "" {
			break
		}
	}
	d.ids = slices.DeleteFunc(d.ids, func(id string) bool { return len(id) < 4 }) // "1" or "set" is no id
	return d
}

func texts(v any) (out []string) {
	switch x := v.(type) {
	case string:
		return []string{x}
	case []any:
		for _, one := range x {
			if s, ok := one.(string); ok && s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

// entityName names the affordance: the entity's name without the device's;
// none for the device's main feature (name null); the device class; the id.
func entityName(where place, d device, config map[string]any) string {
	name, has := config["name"]
	if has && name == nil {
		return ""
	}
	title, _ := name.(string)
	title = strings.TrimSpace(strings.TrimPrefix(title, d.name))
	class, _ := config["device_class"].(string)
	for _, candidate := range []string{title, class, where.objectID} {
		if s := strings.ReplaceAll(thing.Slug(candidate), "-", "_"); s != "" {
			return s
		}
	}
	return ""
}
