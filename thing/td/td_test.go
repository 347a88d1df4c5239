package td_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"primum/thing/td"
)

func validator(t testing.TB) *td.Validator {
	t.Helper()
	v, err := td.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// lamp is a valid description with more members.
func lamp(more string) string {
	return `{"@context":"https://www.w3.org/2022/wot/td/v1.1","id":"urn:uuid:6f1d9c6e-9a1e-4c5e-8a54-6c1f6f0b2d11","title":"Lamp",` +
		`"securityDefinitions":{"none":{"scheme":"nosec"}},"security":"none"` + more + `}`
}

// TestZigbee: of the descriptions of 4,488 device models all are taken but the
// four with a value twice in an enum.
func TestZigbee(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "zigbee-td.jsonl.gz"))
	if err != nil {
		t.Skip("no ../shared beside this clone: the descriptions of zigbee models are not checked")
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	v, good, bad := validator(t), 0, 0
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var model struct {
			File string
			Td   json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &model); err != nil {
			t.Fatal(err)
		}
		s, err := v.Validate(model.Td)
		var in *td.Invalid
		switch {
		case err == nil && s.Title != "" && s.Version == "1.1":
			good++
		case errors.As(err, &in) && strings.HasSuffix(in.Faults[0].Pointer, "/enum") && strings.Contains(in.Faults[0].Reason, "equal"):
			bad++
		default:
			t.Errorf("%s: %+v, %v", model.File, s, err)
		}
	}
	if err := lines.Err(); err != nil || good != 4484 || bad != 4 {
		t.Errorf("%d taken, %d refused, %v; want 4484 and 4", good, bad, err)
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	s, err := validator(t).Validate([]byte(lamp(`,"@type":["Lamp","Light"],"properties":{"b":{"forms":[{"href":"https://a.example/b"}]},` +
		`"a":{"forms":[{"href":"https://a.example/a"}]}},"vendor:x":{"kept":1}`)))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s); got != "{urn:uuid:6f1d9c6e-9a1e-4c5e-8a54-6c1f6f0b2d11 Lamp [Lamp Light] false [a b] [] [] 1.1}" {
		t.Error(got)
	}
}

// TestRules: what is refused, and where.
func TestRules(t *testing.T) {
	t.Parallel()
	v := validator(t)
	form := func(f string) string { return lamp(`,"properties":{"on":{"forms":[` + f + `]}}`) }
	old := func(s string) string { return strings.Replace(s, td.Context11, td.Context10, 1) }
	for name, c := range map[string]struct{ doc, pointer string }{
		"not JSON":                {`{"a":`, ""},
		"not an object":           {`[1]`, ""},
		"no title":                {strings.Replace(lamp(""), `"title":"Lamp",`, "", 1), "/title"},
		"no context":              {strings.Replace(lamp(""), td.Context11, "https://example.org/", 1), "/@context"},
		"a member twice":          {lamp(`,"title":"Again"`), "/title"},
		"a thing model":           {lamp(`,"@type":"tm:ThingModel"`), "/@type"},
		"id is no URI":            {lamp(`,"x":1`)[:0] + strings.Replace(lamp(""), "urn:uuid:6f1d9c6e-9a1e-4c5e-8a54-6c1f6f0b2d11", "lamp", 1), "/id"},
		"security not defined":    {strings.Replace(lamp(""), `"security":"none"`, `"security":["none","other"]`, 1), "/security/1"},
		"security of a form":      {form(`{"href":"https://a.example","security":"other"}`), "/properties/on/forms/0/security"},
		"part of a combination":   {strings.Replace(lamp(""), `{"none":`, `{"c":{"scheme":"combo","allOf":["none","gone"]},"none":`, 1), "/securityDefinitions/c/allOf/1"},
		"unknown place of a key":  {strings.Replace(lamp(""), `{"none":`, `{"k":{"scheme":"apikey","in":"pocket"},"none":`, 1), "/securityDefinitions/k/in"},
		"op of another kind":      {form(`{"href":"https://a.example","op":["invokeaction"]}`), "/properties/on/forms/0/op/0"},
		"no forms":                {form(""), "/properties/on/forms"},
		"relative without base":   {form(`{"href":"on"}`), "/properties/on/forms/0/href"},
		"relative base":           {lamp(`,"base":"/things"`), "/base"},
		"relative link":           {lamp(`,"links":[{"href":"manual.pdf"}]`), "/links/0/href"},
		"variable not described":  {form(`{"href":"https://a.example/on{?level}"}`), "/properties/on/forms/0/href"},
		"template without end":    {form(`{"href":"https://a.example/on{?level"}`), "/properties/on/forms/0/href"},
		"1.1 operation in 1.0":    {old(lamp(`,"actions":{"go":{"forms":[{"href":"https://a.example","op":"queryaction"}]}}`)), "/actions/go/forms/0/op"},
		"1.1 scheme in 1.0":       {old(strings.Replace(lamp(""), `"nosec"`, `"auto"`, 1)), "/securityDefinitions/none/scheme"},
		"escaped pointer":         {lamp(`,"properties":{"a/b~c":{"forms":[{"href":"x"}]}}`), "/properties/a~1b~0c/forms/0/href"},
		"password in definitions": {strings.Replace(lamp(""), `{"none":`, `{"b":{"scheme":"basic","password":"x"},"none":`, 1), "/securityDefinitions/b/password"},
		"token in definitions":    {strings.Replace(lamp(""), `{"none":`, `{"b":{"scheme":"bearer","token":"x"},"none":`, 1), "/securityDefinitions/b/token"},
		"secret of a vendor":      {lamp(`,"vendor:client_secret":"x"`), "/vendor:client_secret"},
		"password of an address":  {form(`{"href":"mqtt://user:pw@broker.example/x"}`), "/properties/on/forms/0/href"},
		"token in an address":     {form(`{"href":"https://a.example/?access_token=abc"}`), "/properties/on/forms/0/href"},
		"default of a password":   {lamp(`,"properties":{"password":{"type":"string","default":"admin","forms":[{"href":"https://a.example"}]}}`), "/properties/password/default"},
		"private key":             {lamp(`,"support":"-----BEGIN PRIVATE KEY-----"`), "/support"},
		"private JWK":             {lamp(`,"x":{"kty":"OKP","x":"a","d":"b"}`), "/x/d"},
		"JSON Web Token":          {lamp(`,"x":["eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2ln"]`), "/x/0"},
	} {
		_, err := v.Validate([]byte(c.doc))
		var in *td.Invalid
		if !errors.As(err, &in) || in.Faults[0].Pointer != c.pointer || in.Faults[0].Reason == "" {
			t.Errorf("%s: %v, want a fault at %q", name, err, c.pointer)
		}
	}
}

// TestTaken: what looks unusual and is right.
func TestTaken(t *testing.T) {
	t.Parallel()
	v := validator(t)
	for name, doc := range map[string]string{
		"1.0":                   strings.Replace(lamp(""), td.Context11, td.Context10, 1),
		"both contexts":         strings.Replace(lamp(""), `"`+td.Context11+`"`, `["`+td.Context10+`","`+td.Context11+`",{"@language":"de"}]`, 1),
		"with base":             lamp(`,"base":"https://a.example/{house}/","properties":{"on":{"forms":[{"href":"on"}]}}`),
		"template":              lamp(`,"uriVariables":{"a":{}},"properties":{"on":{"uriVariables":{"b":{}},"forms":[{"href":"https://a.example/{a}{?b*}"}]}}`),
		"password property":     lamp(`,"properties":{"password":{"type":"string","writeOnly":true,"forms":[{"href":"https://a.example"}]}}`),
		"address of tokens":     strings.Replace(lamp(""), `{"none":`, `{"o":{"scheme":"oauth2","flow":"client","token":"https://a.example/token"},"none":`, 1),
		"key in a variable":     lamp(`,"properties":{"on":{"uriVariables":{"token":{}},"forms":[{"href":"https://a.example/?token={token}"}]}}`),
		"scheme of a vendor":    strings.Replace(lamp(""), `"nosec"`, `"ace:ACESecurityScheme"`, 1),
		"no id":                 strings.Replace(lamp(""), `"id":"urn:uuid:6f1d9c6e-9a1e-4c5e-8a54-6c1f6f0b2d11",`, "", 1),
		"title in many tongues": lamp(`,"titles":{"en":"Lamp","ar":"مصباح"}`),
	} {
		if _, err := v.Validate([]byte(doc)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBounds: what is large is refused before it costs anything, with the place.
func TestBounds(t *testing.T) {
	t.Parallel()
	v := validator(t)
	var many bytes.Buffer
	for i := range 12000 {
		fmt.Fprintf(&many, `,"p%d":{"forms":[{"href":"x:y"}]}`, i)
	}
	for name, c := range map[string]struct{ doc, pointer string }{
		"properties":      {lamp(`,"properties":{` + many.String()[1:] + `}`), "/properties"},
		"bytes":           {lamp(`,"x":"` + strings.Repeat("a", td.MaxBytes) + `"`), ""},
		"depth":           {lamp(`,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40)), ""},
		"tiny number":     {lamp(`,"properties":{"on":{"minItems":1e-99999999,"forms":[{"href":"x:y"}]}}`), "/properties/on/minItems"},
		"long id":         {strings.Replace(lamp(""), "urn:uuid:", "urn:uuid:"+strings.Repeat("a", 2000), 1), "/id"},
		"long enum twice": {lamp(`,"properties":{"on":{"enum":["x"` + strings.Repeat(`,"x"`, 50000) + `],"forms":[{"href":"x:y"}]}}`), "/properties/on/enum"},
	} {
		_, err := v.Validate([]byte(c.doc))
		var in *td.Invalid
		if !errors.As(err, &in) || in.Faults[0].Pointer != c.pointer {
			t.Errorf("%s: %.200v, want a fault at %q", name, err, c.pointer)
		}
	}
}

// FuzzValidate: nothing breaks it, and each fault has a reason.
func FuzzValidate(f *testing.F) {
	f.Add([]byte(lamp("")))
	f.Add([]byte(lamp(`,"base":"x:{a}","links":[{"href":"{"}],"properties":{"p":{"forms":[{"href":"{?a,b*,c:3}"}]}}`)))
	f.Add([]byte(lamp(`,"x":{"kty":"x","k":"y"},"password":"z"`)))
	v := validator(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := v.Validate(b)
		var in *td.Invalid
		if err != nil && (!errors.As(err, &in) || len(in.Faults) == 0 || len(in.Faults) > td.MaxFaults || in.Faults[0].Reason == "") {
			t.Errorf("%#v", err)
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	v := validator(b)
	doc := []byte(lamp(`,"properties":{"on":{"type":"boolean","forms":[{"href":"https://a.example/on","op":["readproperty","writeproperty"]}]}}`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Validate(doc); err != nil {
			b.Fatal(err)
		}
	}
}
