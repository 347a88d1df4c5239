package directory

import (
	"fmt"
	"reflect"
	"time"

	"primum/thing"
	"primum/thing/td"
)

// merge applies a merge patch (RFC 7396 §2).
func merge(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for name, v := range p {
		if v == nil {
			delete(t, name)
			continue
		}
		t[name] = merge(t[name], v)
	}
	return t
}

// unmerge is the merge patch that makes b of a. A member that becomes null can't
// be told in one, and is left out.
func unmerge(a, b map[string]any) map[string]any {
	p := map[string]any{}
	for name := range a {
		if _, ok := b[name]; !ok {
			p[name] = nil
		}
	}
	for name, now := range b {
		was, ok := a[name]
		x, isObject := was.(map[string]any)
		y, both := now.(map[string]any)
		switch {
		case ok && isObject && both:
			if part := unmerge(x, y); len(part) > 0 {
				p[name] = part
			}
		case now != nil && (!ok || !reflect.DeepEqual(was, now)):
			p[name] = now
		}
	}
	return p
}

// maxDiff is how large a difference is that is kept, in bytes: there are
// thousands, and whoever follows reads them.
const maxDiff = 16 << 10

// difference is what changed from an entry to a description, as a merge patch
// with the id; nil where there was no entry. Of a large one only the id and the
// time are told.
func difference(old Entry, td []byte, now time.Time) ([]byte, error) {
	if old.n == 0 {
		return nil, nil
	}
	a, err := object(old.TD)
	if err != nil {
		return nil, err
	}
	b, err := object(td)
	if err != nil {
		return nil, err
	}
	p := unmerge(a, b)
	p["id"] = old.ID
	p["registration"] = map[string]string{"modified": now.Format(time.RFC3339Nano)}
	if b, err := marshal(p); err != nil || len(b) <= maxDiff {
		return b, err
	}
	return marshal(map[string]any{"id": old.ID, "registration": p["registration"]})
}

func object(b []byte) (map[string]any, error) {
	v, err := thing.DecodeLarge(b, 2*td.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read what is kept: %w", err)
	}
	m, _ := v.(map[string]any)
	return m, nil
}
