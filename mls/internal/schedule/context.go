package schedule

import (
	"bytes"
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/tree"
)

// Context is GroupContext (RFC 9420 §8.1).
type Context struct {
	Suite      uint16
	GroupID    []byte
	Epoch      uint64
	TreeHash   []byte
	Transcript []byte // confirmed transcript hash
	Extensions tree.Extensions
}

// Bytes is the encoding.
func (c *Context) Bytes() []byte {
	var w codec.Writer
	w.U16(tree.Version)
	w.U16(c.Suite)
	w.Bytes(c.GroupID)
	w.U64(c.Epoch)
	w.Bytes(c.TreeHash)
	w.Bytes(c.Transcript)
	c.Extensions.Write(&w)
	return w.Out()
}

// ReadContext reads what Bytes wrote into memory of its own (RFC 9420 §8.1).
func ReadContext(r *codec.Reader) *Context {
	if v := r.U16(); v != tree.Version {
		r.Fail(fmt.Errorf("protocol version %d is not supported", v))
	}
	return &Context{
		Suite:      r.U16(),
		GroupID:    bytes.Clone(r.Bytes()),
		Epoch:      r.U64(),
		TreeHash:   bytes.Clone(r.Bytes()),
		Transcript: bytes.Clone(r.Bytes()),
		Extensions: tree.ReadExtensions(r).Clone(),
	}
}
