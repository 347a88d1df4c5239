package mlspeer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLine is the longest request or reply in bytes.
const maxLine = 16 << 20

// member is a client and, once created or joined, its group.
type member interface {
	do(*Request) (*Reply, error)
	view() (*View, error) // nil before there is a group
	save() ([]byte, error)
}

// implementation makes members.
type implementation struct {
	version string
	open    func(suite uint16, identity []byte) (member, error)
	restore func(state []byte) (member, error)
}

// Serve hosts members of the implementation called name, OursName or GoName,
// until in ends. One request is answered after the other.
func Serve(name string, in io.Reader, out io.Writer) error {
	var impl implementation
	switch name {
	case OursName:
		impl = ours()
	case GoName:
		impl = mlsGo()
	default:
		return fmt.Errorf("serve: no implementation is called %q", name)
	}
	h := &host{impl: impl, members: map[string]member{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	enc := json.NewEncoder(out)
	for lines.Scan() {
		if err := enc.Encode(h.answer(lines.Bytes())); err != nil {
			return fmt.Errorf("serve: %w", err)
		}
	}
	return lines.Err()
}

// host keeps the members of a process by name.
type host struct {
	impl    implementation
	members map[string]member
}

func (h *host) answer(line []byte) *Reply {
	var q Request
	if err := json.Unmarshal(line, &q); err != nil {
		return &Reply{Error: err.Error()}
	}
	r, err := h.do(&q)
	if err != nil {
		r = &Reply{Error: err.Error()}
	}
	r.ID = q.ID
	return r
}

func (h *host) do(q *Request) (*Reply, error) {
	var err error
	switch q.Op {
	case OpHello:
		return &Reply{Version: h.impl.version}, nil
	case OpNew:
		h.members[q.Member], err = h.impl.open(q.Suite, q.Identity)
	case OpRestore:
		h.members[q.Member], err = h.impl.restore(q.State)
	}
	m := h.members[q.Member]
	switch {
	case err != nil:
		delete(h.members, q.Member)
		return nil, err
	case m == nil:
		return nil, errors.New("no such member in this process")
	case q.Op == OpSave:
		state, err := m.save()
		delete(h.members, q.Member)
		return &Reply{State: state}, err
	}
	return withView(m, q)
}

// withView does what is asked and tells how the member stands after it.
func withView(m member, q *Request) (r *Reply, err error) {
	r = new(Reply)
	if q.Op != OpNew && q.Op != OpRestore && q.Op != OpView {
		if r, err = m.do(q); err != nil {
			return nil, err
		}
	}
	r.View, err = m.view()
	return r, err
}
