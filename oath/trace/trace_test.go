package trace

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"primum/client"
	"primum/internal/clock"
	"primum/internal/wire"
)

func TestNeedleInEverySpelling(t *testing.T) {
	t.Parallel()
	canary, err := NewCanary()
	if err != nil {
		t.Fatal(err)
	}
	n := NeedleOf([]byte(canary))
	if len(n) != 14 {
		t.Fatalf("%d spellings", len(n))
	}
	for name, form := range n {
		if NeedleOf([]byte(canary)).In(append([]byte("before "), form...)) == "" {
			t.Errorf("%s is not found", name)
		}
	}
	for offset := range 7 {
		text := strings.Repeat("x", offset) + canary + "tail"
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			if n.In([]byte(enc.EncodeToString([]byte(text)))) == "" {
				t.Errorf("base64 at offset %d is not found", offset)
			}
		}
	}
	if got := n.In([]byte("nothing here")); got != "" {
		t.Errorf("found as %s in an innocent text", got)
	}
}

// TestShared: what two hold in common is found; words, dates, what all have and
// what stands in every circle is not.
func TestShared(t *testing.T) {
	t.Parallel()
	said := func(body, header string) []Crossing {
		return []Crossing{
			{Way: Asked, Bytes: []byte(`{"mine":"not-said-by-the-node-0"}`)},
			{Way: Answered, Where: "GET /x", Header: map[string]string{"x-served-for": header, "date": "Mon, 23 Nov 2026 0123456789ab"}, Bytes: []byte(body)},
		}
	}
	a := TokensSaid(said(`{"id":"0123456789abcdef","at":"2026-11-23T03:37:03Z","word":"OptimisationForConsumer"}`, "house-4711c0ffee42"))
	b := TokensSaid(said(`{"id":"fedcba9876543210","at":"2026-11-23T03:37:03Z","word":"OptimisationForConsumer"}`, "house-4711c0ffee42"))
	var found []string
	CompareTokens("a and b", a, b, nil, func(s string) { found = append(found, s) })
	if len(found) != 1 || !strings.Contains(found[0], "house-4711c0ffee42") || !strings.Contains(found[0], "x-served-for") {
		t.Errorf("found %q", found)
	}
	CompareTokens("a and b", a, b, map[string]bool{"house-4711c0ffee42": true}, func(s string) { t.Errorf("found %s, which everybody is told", s) })

	constants, err := Constants("h.example")
	if err != nil {
		t.Fatal(err)
	}
	same := []byte("sixteen bytes that name one person, in both")
	x, y := map[Window]bool{}, map[Window]bool{}
	now := time.Now()
	AddWindows(x, append([]byte{1, 2, 3, 4}, same...), now)
	AddWindows(y, append([]byte{9, 9}, same...), now)
	found = nil
	CompareBytes("a and b", x, y, constants, func(s string) { found = append(found, s) })
	if len(found) != 1 {
		t.Errorf("found %q", found)
	}
	CompareBytes("a circle and itself", constants, constants, constants, func(s string) { t.Errorf("found %s, which stands in every circle", s) })
}

// none is a transport without a network.
type none struct{}

func (none) Do(context.Context, client.Request) (client.Response, error) {
	return client.Response{Status: 200, Body: []byte("answer")}, nil
}

func (none) Open(context.Context, string, []string) (client.Socket, error) {
	return nil, errors.New("no sockets here")
}

func TestTapeKeepsAndIsCut(t *testing.T) {
	t.Parallel()
	tape := NewTape(none{}, clock.Real())
	ask := func() error {
		_, err := tape.Do(t.Context(), client.Request{Method: "GET", URL: "http://h.localhost:1/v1/x?y=1", Body: []byte("question")})
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	mark := tape.Mark()
	all := tape.Since(0)
	if mark != 2 || all[0].Where != "GET /v1/x?y=1" || !bytes.Equal(all[1].Bytes, []byte("answer")) || all[0].Said() || !all[1].Said() {
		t.Errorf("%+v", all)
	}
	tape.Cable(true)
	if err := ask(); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("through a cut cable: %v", err)
	}
	tape.Cable(false)
	if err := ask(); err != nil || len(tape.Since(mark)) != 2 || !tape.Whole() {
		t.Errorf("after it was mended: %v", err)
	}
}

// FuzzCrossed: whatever a node says can be looked through.
func FuzzCrossed(f *testing.F) {
	f.Add([]byte(`{"id":"0123456789abcdef"}`), true)
	f.Add(wire.Frame{Number: 7, Message: []byte("sealed")}.AppendTo(nil), true)
	f.Add([]byte("a.b.c"), false)
	n := NeedleOf([]byte("something to look for"))
	f.Fuzz(func(t *testing.T, b []byte, binary bool) {
		all := []Crossing{{Way: Heard, Binary: binary, Bytes: b, Header: map[string]string{"x": string(b[:min(len(b), 64)])}}}
		for _, frame := range Frames(all, Heard, wire.CircleID{}) {
			if Tail(frame.Message) != nil && len(frame.Message) < 64 {
				t.Error("a tail of next to nothing")
			}
		}
		_, _ = TokensSaid(all), n.In(b)
		w := map[Window]bool{}
		AddWindows(w, b, time.Unix(1<<31, 0))
		if len(w) > len(b) {
			t.Errorf("%d stretches of %d bytes", len(w), len(b))
		}
	})
}
