package client

import (
	"context"
	"errors"
	"strings"
	"testing"

	"primum/grant"
)

// liar is a node that answers everything with one document.
type liar struct{ doc, asked string }

func (l *liar) Do(_ context.Context, r Request) (Response, error) {
	l.asked = r.URL
	for name := range r.Header {
		if strings.HasPrefix(strings.ToLower(name), "signature") {
			return Response{}, errors.New("the request tells who asks")
		}
	}
	return Response{Status: 200, Header: map[string]string{"content-type": "application/json"}, Body: []byte(l.doc)}, nil
}

func (l *liar) Open(context.Context, string, []string) (Socket, error) {
	return nil, errors.New("no socket")
}

// A node can't offer in another domain's name, nor one service as another, and
// learns nothing of who reads.
func TestServiceOfALiar(t *testing.T) {
	t.Parallel()
	const good = `{"v":1,"name":"advice","provider":"ada@h.example","texts":{"en":{"title":"A","body":""}},"asks":[{"purpose":{"@id":"dpv:OptimisationForConsumer"},` +
		`"wants":[{"quantity":"power","actions":["readproperty"],"precision":{"every":"PT1H","stat":"mean"}}],"for":"P7D","notices":{"en":"N"}}]}`
	for name, c := range map[string]struct {
		doc string
		err error
	}{
		"good":                  {good, nil},
		"another's account":     {strings.Replace(good, "ada@h.example", "ada@s.example", 1), ErrService},
		"of a part of the name": {strings.Replace(good, "ada@h.example", "ada@x.h.example", 1), ErrService},
		"another service":       {strings.Replace(good, `"advice"`, `"other"`, 1), ErrService},
		"it has ended":          {`{"v":1,"name":"advice","ended":true}`, ErrService},
		"it asks for nothing":   {`{"v":1,"name":"advice","texts":{"en":{"title":"A","body":""}}}`, ErrService},
		"no document":           {`<html>`, grant.ErrDocument},
	} {
		l := &liar{doc: c.doc}
		read := &Client{o: Options{Calls: Calls{Transport: l}.WithDefaults()}}
		s, err := read.Service(t.Context(), "h.example", "advice")
		if !errors.Is(err, c.err) || err == nil && s.Name != "advice" {
			t.Errorf("%s: %v", name, err)
		}
		if l.asked != "https://h.example/v1/services/advice" {
			t.Errorf("%s: asked %s", name, l.asked)
		}
	}
}
