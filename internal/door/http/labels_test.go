package httpdoor_test

import (
	"bytes"
	"net/url"
	"testing"

	"primum/internal/wire"
)

func TestLabelsAreTheOwnersAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a, b := w.join("owner"), w.join("friend")
	thing := wire.NewLabel{Name: "(01)09521234543213(10)B(21)A77"}
	label := into[wire.Label](t, w.want(200, w.own(a, "PUT", "/v1/labels", thing)))
	if label.URL != w.node.BaseURL()+"/thing/"+label.Label || len(label.Label) != 26 || label.Name != "https://id.gs1.org/01/09521234543213/10/B/21/A77" {
		t.Errorf("kept as %+v", label)
	}
	if again := into[wire.Label](t, w.want(200, w.own(a, "PUT", "/v1/labels", thing))); again.Label != label.Label {
		t.Errorf("asked again: %+v", again)
	}

	// Nobody else puts a page under it, and it is a page like any other.
	w.refused(wire.ProbConflict, w.own(b, "PUT", "/v1/notices/"+label.Label, notice()))
	w.want(404, w.do(request{method: "GET", path: "/thing/" + label.Label + "/did.json"}))
	w.want(200, w.own(a, "PUT", "/v1/notices/"+label.Label, notice()))
	for _, path := range []string{"/thing/" + label.Label, "/thing/" + label.Label + "/did.json", "/resolve?id=" + url.QueryEscape(label.DID)} {
		got := w.want(200, w.do(request{method: "GET", path: path}))
		if !bytes.Contains(got.body, []byte(label.Label)) && path != "/thing/"+label.Label || bytes.Contains(got.body, []byte("A77")) || bytes.Contains(got.body, []byte("owner@")) {
			t.Errorf("%s: %s", path, got.body)
		}
	}

	w.refused(wire.ProbNotFound, w.own(b, "DELETE", "/v1/labels/"+label.Label, nil))
	if l := into[wire.Labels](t, w.want(200, w.own(b, "GET", "/v1/labels", nil))); len(l.Labels) != 0 {
		t.Errorf("of another: %+v", l)
	}
	if l := into[wire.Labels](t, w.want(200, w.own(a, "GET", "/v1/labels", nil))); len(l.Labels) != 1 || l.Labels[0].Label != label.Label {
		t.Errorf("the owner's: %+v", l)
	}
	w.refused(wire.ProbUnsigned, w.do(request{method: "GET", path: "/v1/labels"}))

	// The next owner's is another, and the old one is nobody's any more.
	w.want(204, w.own(a, "DELETE", "/v1/labels/"+label.Label, nil))
	for _, path := range []string{"/thing/" + label.Label, "/thing/" + label.Label + "/did.json", "/resolve?id=" + url.QueryEscape(label.DID)} {
		w.want(404, w.do(request{method: "GET", path: path}))
	}
	if next := into[wire.Label](t, w.want(200, w.own(b, "PUT", "/v1/labels", thing))); next.Label == label.Label {
		t.Error("the next owner has the same label")
	}
	w.refused(wire.ProbConflict, w.own(b, "PUT", "/v1/notices/"+label.Label, notice())) // it may be printed on the thing
}

func TestLabelRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	for _, name := range []string{
		"", "(01)09521234543214(21)A", "(01)09521234543213", "01/09521234543213/10/B", "no name",
		"sensor.example.org", "https://shop.example/lamp", "did:web:shop.example", "192.0.2.7", "2001:db8::7",
	} {
		if p := w.refused(wire.ProbMalformed, w.own(a, "PUT", "/v1/labels", wire.NewLabel{Name: name})); p.Pointer != "/name" {
			t.Errorf("%q: %+v", name, p)
		}
	}
	for _, label := range []string{"none", "x%2F..%2Fy"} {
		w.refused(wire.ProbNotFound, w.own(a, "DELETE", "/v1/labels/"+label, nil))
	}
}

// A name may be asked for by an account: its answers are kept by nobody.
func TestNamesAreResolvedForAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	path := "/resolve?id=" + url.QueryEscape(w.node.BaseURL()+"/")
	if got := w.want(200, w.own(a, "GET", path, nil)); got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("signed: %v", got.header)
	}
	if got := w.want(200, w.do(request{method: "GET", path: path})); got.header.Get("Cache-Control") != "public, max-age=7200" {
		t.Errorf("a stranger: %v", got.header)
	}
	w.refused(wire.ProbUnsigned, w.do(request{method: "GET", path: path, header: map[string]string{"Signature": "a=:AA==:", "Signature-Input": "a"}}))
}
