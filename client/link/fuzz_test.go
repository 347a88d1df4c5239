package link_test

import (
	"testing"

	"primum/client/link"
	"primum/client/link/linktest"
	"primum/internal/wire"
)

// Whatever a node sends, a session ends or goes on; it never panics, and it
// always closes.
func FuzzFramesOfANode(f *testing.F) {
	f.Add(false, []byte(`{"t":"ok","ref":1}`))
	f.Add(false, []byte(`{"t":"end","circle":"00"}`))
	f.Add(false, []byte(`{"t":"error","ref":1}`))
	f.Add(true, wire.Frame{Number: 1, Message: []byte("m")}.AppendTo(nil))
	f.Add(true, []byte("short"))
	f.Fuzz(func(t *testing.T, binary bool, data []byte) {
		node := linktest.New()
		s, err := link.Connect(t.Context(), testCalls(node))
		if err != nil {
			t.Fatal(err)
		}
		sock := node.Socket(t)
		sock.Send(linktest.Frame{Binary: binary, Data: data})
		sock.Control(wire.Control{Type: wire.CtlGrants})
		for e := range s.Events() {
			if e.Control != nil && e.Control.Type == wire.CtlGrants {
				break
			}
		}
		s.Close()
		if s.Err() == nil {
			t.Error("the session goes on after its end")
		}
	})
}
