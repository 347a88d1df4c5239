package directory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"primum/thing/td"
)

// maxTTL bounds how long a registration may be asked for: a hundred years.
const maxTTL = 100 * 366 * 24 * 3600

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// member is a member of a JSON object, in its place.
type member struct {
	name       string
	key, value []byte // as they are written, the key with its quotes
}

// members splits an object that was found valid, in the order of its members.
func members(b []byte) ([]member, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, b); err != nil {
		return nil, fmt.Errorf("read members: %w", err)
	}
	var list []member
	for b = compact.Bytes()[1:]; b[0] != '}'; {
		if b[0] == ',' {
			b = b[1:]
		}
		key := b[:valueEnd(b)]
		b = b[len(key)+1:]
		m := member{key: key, value: b[:valueEnd(b)]}
		b = b[len(m.value):]
		if err := json.Unmarshal(key, &m.name); err != nil {
			return nil, fmt.Errorf("read members: %w", err)
		}
		list = append(list, m)
	}
	return list, nil
}

// valueEnd is the length of the value that compact JSON begins with.
func valueEnd(b []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
			if !quoted && depth == 0 {
				return i + 1
			}
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth == 0 {
				return i // of the object around it
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case (c == ',' || c == ':') && depth == 0:
			return i
		}
	}
	return len(b)
}

func join(list []member) []byte {
	n := 2
	for _, m := range list {
		n += len(m.key) + len(m.value) + 2
	}
	b := append(make([]byte, 0, n), '{')
	for i, m := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, m.key...), ':'), m.value...)
	}
	return append(b, '}')
}

// marshal writes JSON without escapes for HTML: what was given comes back.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// document is a description that was checked, as it is kept.
type document struct {
	td.Summary
	bytes   []byte
	index   []byte // its terms, as JSON
	fresh   bool   // the id was made here, so that nobody has it
	expires time.Time
	ttl     time.Duration
}

// check validates a description.
func (d *Directory) check(b []byte) (td.Summary, error) {
	v, err := d.valid()
	if err != nil {
		return td.Summary{}, err
	}
	return v.Validate(b)
}

// read checks a description and brings it to the form that is kept: without
// registration, with the directory's context (WoT Discovery §7.2.2). Its id is
// id; where that is empty the description has none, and gets fresh.
func (d *Directory) read(b []byte, id, fresh string) (doc document, err error) {
	if doc.Summary, err = d.check(b); err != nil {
		return doc, err
	}
	switch {
	case id == "" && doc.ID != "":
		return doc, td.Invalidate("/id", "a thing with an id is put under its id, not posted")
	case id != doc.ID:
		return doc, td.Invalidate("/id", "not the id that the address names")
	case id == "":
		doc.ID, doc.fresh = fresh, true
	}
	list, err := members(b)
	if err != nil {
		return doc, err
	}
	kept := make([]member, 0, len(list)+1)
	for _, m := range list {
		switch m.name {
		case "registration":
			if err := d.readRegistration(m.value, &doc); err != nil {
				return doc, err
			}
			continue
		case "@context":
			m.value = withContext(m.value)
		}
		kept = append(kept, m)
	}
	if id == "" {
		name, err := marshal(doc.ID)
		if err != nil {
			return doc, err
		}
		at := slices.IndexFunc(kept, func(m member) bool { return m.name == "@context" }) + 1
		kept = slices.Insert(kept, at, member{"id", []byte(`"id"`), name})
	}
	doc.bytes = join(kept)
	doc.index, err = json.Marshal(doc.terms())
	return doc, err
}

// withContext adds the directory's context to one that was found valid.
func withContext(raw []byte) []byte {
	ours := []byte(`"` + td.ContextDirectory + `"`)
	if bytes.Contains(raw, ours) {
		return raw
	}
	if raw[0] != '[' {
		return slices.Concat([]byte("["), raw, []byte(","), ours, []byte("]"))
	}
	return slices.Concat(bytes.TrimSuffix(raw, []byte("]")), []byte(","), ours, []byte("]"))
}

// readRegistration takes what a producer may say: ttl, or else expires. The rest
// is the directory's, and may be there because somebody changes what they read.
func (d *Directory) readRegistration(raw []byte, doc *document) error {
	var r struct {
		Expires *string      `json:"expires"`
		TTL     *json.Number `json:"ttl"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return td.Invalidate("/registration", "not an object with a text expires and a number ttl")
	}
	now := d.now()
	if r.TTL != nil {
		f, err := r.TTL.Float64()
		if err != nil || !(f > 0) || f > maxTTL {
			return td.Invalidate("/registration/ttl", "not a number of seconds above 0 and up to "+strconv.Itoa(maxTTL))
		}
		doc.ttl = seconds(int64(math.Ceil(f)))
		doc.expires = now.Add(doc.ttl)
		return nil
	}
	if r.Expires == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339, *r.Expires)
	if err != nil {
		return td.Invalidate("/registration/expires", "not a date and time (RFC 3339)")
	}
	if !t.After(now) || t.After(now.Add(seconds(maxTTL))) {
		return td.Invalidate("/registration/expires", "in the past, or further away than a hundred years")
	}
	doc.expires = t.UTC().Truncate(time.Millisecond)
	return nil
}

// Bytes is the description with its registration information (WoT Discovery
// §7.2.2.1); retrieved is left out when it is zero.
func (e Entry) Bytes(retrieved time.Time) []byte {
	b := make([]byte, 0, len(e.TD)+256)
	b = append(b, e.TD[:len(e.TD)-1]...)
	b = append(b, `,"registration":{"created":"`...)
	b = e.Created.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","modified":"`...)
	b = e.Modified.AppendFormat(b, time.RFC3339Nano)
	if !e.Expires.IsZero() {
		b = append(b, `","expires":"`...)
		b = e.Expires.AppendFormat(b, time.RFC3339Nano)
	}
	if !retrieved.IsZero() {
		b = append(b, `","retrieved":"`...)
		b = retrieved.UTC().AppendFormat(b, time.RFC3339)
	}
	b = append(b, '"')
	if e.TTL > 0 {
		b = append(b, `,"ttl":`...)
		b = strconv.AppendInt(b, int64(e.TTL/time.Second), 10)
	}
	return append(b, "}}"...)
}
