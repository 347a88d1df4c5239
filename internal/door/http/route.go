package httpdoor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"primum/internal/jws"
	"primum/internal/wire"
)

const (
	typeJSON   = "application/json"
	typeOctets = "application/octet-stream"
)

// route is one operation: what the documentation says about it and what it
// does are the same value.
type route struct {
	method, path string
	id, summary  string
	signers      signers
	stops        bool // ends something: it outranks the usual limits
	right        bool // a person's right: never metered, with a pool and limits of its own; see right()
	stays        bool // waits, or goes on as a socket: it takes no place from others
	guests       bool // a link's guest of this node may do it
	unmetered    bool // not counted of organisations
	query        []string
	in           any    // example of the JSON body, nil for none
	inType       string // media type of a raw body
	max          int64  // bytes of the body
	status       int    // of success, 0 for 200
	out          any    // example of the JSON answer, nil for none
	outType      string // media type of a raw answer
	handle       func(context.Context, *call) (any, error)
}

// call is one request on its way through a route.
type call struct {
	r    *http.Request
	w    http.ResponseWriter
	body []byte
	who  caller
	now  time.Time
}

// raw is an answer that is not JSON.
type raw struct {
	kind  string
	bytes []byte
	cache string
}

// hijacked is the answer of a handler that took the connection over.
type hijacked struct{}

// decode reads the JSON body strictly.
func (c *call) decode(v any) error {
	err := jws.DecodeStrict(c.body, v)
	var place *jws.PlaceError
	if errors.As(err, &place) {
		p := problem(wire.ProbMalformed, place.Reason)
		p.Pointer = place.Pointer
		return p
	}
	if err != nil {
		return problem(wire.ProbMalformed, "the body is not the JSON object expected here")
	}
	return nil
}

// mount gives every route to the mux and to the OpenAPI description, whose
// bytes it returns.
func (d *Door) mount(mux *http.ServeMux) ([]byte, error) {
	api := huma.DefaultConfig("Primum node", d.cfg.Version).OpenAPI
	describeAPI(api, d.cfg.Base)
	for _, rt := range d.routes() {
		op := rt.operation(api.Components.Schemas)
		op.Path = strings.TrimSuffix(op.Path, "{$}") // the mux's sign for "no more"
		api.AddOperation(op)
		mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) { d.serve(rt, w, r) })
	}
	b, err := json.Marshal(api)
	if err != nil {
		return nil, fmt.Errorf("describe interface: %w", err)
	}
	return b, nil
}

func describeAPI(o *huma.OpenAPI, base string) {
	o.Info.Description = "A Primum node carries sealed messages between the members of circles. " +
		"It sees who, when and how often; never values. Every refusal is an RFC 9457 problem."
	o.Servers = []*huma.Server{{URL: base}}
	o.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"signature": {
			Type: "apiKey", In: "header", Name: "Signature",
			Description: "RFC 9421 over @method, @target-uri and content-digest, label sig1, alg ed25519, with created, nonce and keyid. " +
				"keyid is acct:USER@DOMAIN#CLIENT, circle:HEX (an anchor) or https://DOMAIN/.well-known/primum#KID (a node).",
		},
	}
}

func (rt route) operation(reg huma.Registry) *huma.Operation {
	op := &huma.Operation{
		Method: rt.method, Path: rt.path, OperationID: rt.id, Summary: rt.summary,
		Description: rt.signers.describe(),
		Responses:   map[string]*huma.Response{},
	}
	if rt.right {
		op.Description += " A person's right: it costs nothing, and is never metered."
		op.Extensions = map[string]any{"x-primum-right": true}
	}
	for _, name := range pathNames(rt.path) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
	}
	for _, name := range rt.query {
		op.Parameters = append(op.Parameters, &huma.Param{Name: name, In: "query", Schema: &huma.Schema{Type: "string"}})
	}
	if rt.signers != byNobody {
		op.Security = []map[string][]string{{"signature": {}}}
	}
	if content := mediaOf(reg, rt.in, rt.inType); content != nil {
		op.RequestBody = &huma.RequestBody{Required: true, Content: content}
	}
	op.Responses[fmt.Sprint(rt.success())] = &huma.Response{
		Description: "Done", Content: mediaOf(reg, rt.out, rt.outType),
	}
	op.Responses["default"] = &huma.Response{
		Description: "Refused (RFC 9457)", Content: mediaOf(reg, wire.Problem{}, problemType),
	}
	return op
}

func (rt route) success() int {
	switch {
	case rt.status != 0:
		return rt.status
	case rt.out == nil && rt.outType == "":
		return http.StatusNoContent
	}
	return http.StatusOK
}

func mediaOf(reg huma.Registry, example any, kind string) map[string]*huma.MediaType {
	switch {
	case example == nil && kind == "":
		return nil
	case example == nil:
		return map[string]*huma.MediaType{kind: {Schema: &huma.Schema{Type: "string", Format: "binary"}}}
	case kind == "":
		kind = typeJSON
	}
	t := reflect.TypeOf(example)
	return map[string]*huma.MediaType{kind: {Schema: reg.Schema(t, true, t.Name())}}
}

func pathNames(path string) (names []string) {
	for _, part := range strings.Split(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			if name = strings.TrimSuffix(name, "}"); name != "$" {
				names = append(names, name)
			}
		}
	}
	return names
}

// serve is the way of every request: limits, body, signature, work, answer.
func (d *Door) serve(rt route, w http.ResponseWriter, r *http.Request) {
	c := &call{r: r, w: w, now: d.cfg.Clock.Now()}
	out, err := d.run(rt, c)
	if err != nil {
		p := d.explain(err)
		d.counted(rt, p.Status, c.now, err)
		writeProblem(w, p)
		return
	}
	d.counted(rt, rt.success(), c.now, nil)
	d.answer(rt, w, out)
}

func (d *Door) run(rt route, c *call) (any, error) {
	if err := d.admitAddress(c.r, d.limitOf(rt)); err != nil {
		return nil, err
	}
	if err := c.readBody(rt); err != nil {
		return nil, err
	}
	// Not before the body is there: nobody holds others up by sending slowly.
	ctx, leave, err := d.turn(c.r.Context(), rt)
	if err != nil {
		return nil, err
	}
	defer leave()
	if rt.signers != byNobody {
		who, err := d.authenticate(c, rt)
		if err != nil {
			return nil, err
		}
		if err := d.noGuest(rt, who); err != nil {
			return nil, err
		}
		if err := d.admitOrganisation(ctx, rt, who.organisation); err != nil {
			return nil, err
		}
		c.who = who
	}
	return rt.handle(ctx, c)
}

// readBody reads at most what the route allows, whatever the header promises.
func (c *call) readBody(rt route) error {
	limit := rt.max
	if c.r.ContentLength > limit {
		return problem(wire.ProbTooLarge, fmt.Sprintf("at most %d bytes are taken here", limit))
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, limit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return problem(wire.ProbTooLarge, fmt.Sprintf("at most %d bytes are taken here", limit))
	}
	if err != nil {
		return problem(wire.ProbMalformed, "the body ended early")
	}
	if kind := rt.wants(); kind != "" && !sameType(c.r.Header.Get("Content-Type"), kind) {
		return problem(wire.ProbMalformed, "the body must be "+kind)
	}
	c.body = b
	return nil
}

func (rt route) wants() string {
	if rt.in != nil {
		return typeJSON
	}
	return rt.inType
}

// sameType compares media types without their parameters; an absent one is
// taken as right, because the body is checked anyway.
func sameType(got, want string) bool {
	got, _, _ = strings.Cut(got, ";")
	got = strings.TrimSpace(got)
	return got == "" || strings.EqualFold(got, want) || want == typeMLS && got == typeOctets
}

func (d *Door) answer(rt route, w http.ResponseWriter, out any) {
	h := w.Header()
	switch v := out.(type) {
	case hijacked:
	case raw:
		h.Set("Content-Type", v.kind)
		h.Set("Cache-Control", orNoStore(v.cache))
		w.WriteHeader(rt.success())
		_, _ = w.Write(v.bytes)
	case nil:
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(rt.success())
	default:
		b, err := json.Marshal(v)
		if err != nil {
			writeProblem(w, problem(wire.ProbInternal, "the answer could not be written"))
			return
		}
		h.Set("Content-Type", typeJSON)
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(rt.success())
		_, _ = w.Write(b)
	}
}

func orNoStore(cache string) string {
	if cache == "" {
		return "no-store"
	}
	return cache
}
