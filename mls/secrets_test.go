package mls

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// everyValue is one value of every exported type, filled, by the type's name.
func (s *secretive) everyValue() map[string]any {
	s.t.Helper()
	tracker, err := NewPublicGroup(s.ann.cfg, s.staged.GroupInfo) // with the signer, which it has no use for
	s.must(err)
	proposal, err := s.ben.g.ProposeUpdate([]byte("why"))
	s.must(err)
	asked, err := s.public.Process(proposal)
	s.must(err)
	head, err := Peek(s.staged.Commit)
	s.must(err)
	return map[string]any{
		"Suite": s.suite, "Kind": Application,
		"Extension":     Extension{Type: 0xf000, Data: []byte("data")},
		"Config":        s.ann.cfg,
		"Member":        s.ann.g.Members()[0],
		"CommitView":    *s.staged.View,
		"ProposalView":  *asked.Proposal,
		"Received":      *s.received,
		"Successor":     Successor{GroupID: []byte("next"), Suite: uint16(s.suite)},
		"PSK":           PSK{ID: []byte("id"), GroupID: []byte("group"), Epoch: 7},
		"CommitOptions": CommitOptions{Add: []*KeyPackage{s.kp}, Remove: []uint32{1}, AuthenticatedData: []byte("x")},
		"Staged":        *s.staged,
		"Head":          head,
		"KeyPackageOptions": KeyPackageOptions{
			Suite: s.suite, Identity: []byte("ann"), Signer: s.ann.cfg.Signer, NotAfter: labTime(), Rand: s.rnd,
		},
		"KeyPackage":        *s.kp,
		"KeyPackagePrivate": *s.priv,
		"Group":             *s.ann.g,
		"PublicGroup":       *tracker,
	}
}

// exportedTypes are the types that package mls exports, from its sources, so
// that a new one can't be forgotten.
func exportedTypes(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, typesIn(f)...)
	}
	return names
}

func typesIn(f *ast.File) (names []string) {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, spec := range g.Specs {
			if name := spec.(*ast.TypeSpec).Name; name.IsExported() {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

// TestNoExportedTypeShowsASecret formats, logs and encodes a filled value of
// every exported type of the package, alone and inside others, and searches
// the texts for every secret in many spellings.
// RFC 9420 §2 M1
func TestNoExportedTypeShowsASecret(t *testing.T) {
	t.Parallel()
	for _, suite := range Suites() {
		s := newSecretive(t, suite)
		values := s.everyValue()
		find := newFinder(s.leaked)
		for _, name := range exportedTypes(t) {
			v, ok := values[name]
			if !ok {
				t.Errorf("no value of the exported type %s: fill one in everyValue", name)
				continue
			}
			texts := 0
			for what, text := range shownIn(v) {
				texts++
				if excused(name, what) {
					continue
				}
				if secret := find.find(text); secret != "" {
					t.Errorf("%s: %s of %s shows %s", suite, what, name, secret)
				}
			}
			if texts < 100 {
				t.Fatalf("only %d texts of %s", texts, name)
			}
		}
		t.Logf("%s: %d types, %d secrets in %d spellings", suite, len(values), len(s.leaked), len(find.words))
	}
}

// excused are the texts that nothing but the caller can keep clean. Where a
// verb is wrong (%w outside of fmt.Errorf or on a value that is no error, and
// %s, %q, … on a pointer in a hidden field), fmt asks no Format method and
// prints exported fields: those of the types below hold what the caller put in
// or is to read. go vet, and so go test, refuses such verbs. MarshalBinary is
// there to write secrets, and gob calls it.
func excused(name, what string) bool {
	verb, where, _ := strings.Cut(what, " of ")
	switch name {
	case "Config", "KeyPackageOptions", "Received":
		return verb == "%w" || strings.HasPrefix(where, "a hidden field") || verb == "gob"
	case "Group", "KeyPackagePrivate":
		return verb == "gob"
	}
	return false
}

// shownIn gives every text that a value might get into.
func shownIn(v any) map[string]string {
	out := map[string]string{}
	for where, x := range wrapped(v) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b", "%U", "%c", "%t", "%T", "%e", "%w"} {
			out[verb+" of "+where] = fmt.Sprintf(verb, x)
		}
		out["Sprint of "+where] = fmt.Sprint(x)
		out["error with "+where] = fmt.Errorf("with %v", x).Error()
		var log bytes.Buffer
		for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
			slog.New(h).Info("value", "v", x, slog.Group("g", "v", x))
		}
		out["slog of "+where] = log.String()
		out["JSON of "+where] = encoded(func(w io.Writer) error { return json.NewEncoder(w).Encode(x) })
		out["XML of "+where] = encoded(func(w io.Writer) error { return xml.NewEncoder(w).Encode(x) })
		out["gob of "+where] = encoded(func(w io.Writer) error { return gob.NewEncoder(w).Encode(x) })
	}
	return out
}

// encoded is what an encoder wrote, its error included.
func encoded(f func(io.Writer) error) string {
	var b bytes.Buffer
	err := f(&b)
	return b.String() + fmt.Sprint(err)
}

// wrapped puts a value where programs put values.
func wrapped(v any) map[string]any {
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	list := reflect.MakeSlice(reflect.SliceOf(p.Type()), 0, 1)
	values := reflect.Append(reflect.MakeSlice(reflect.SliceOf(p.Type().Elem()), 0, 1), p.Elem())
	return map[string]any{
		"the value": v, "a pointer": p.Interface(),
		"a slice": values.Interface(), "a slice of pointers": reflect.Append(list, p).Interface(),
		"a map": map[string]any{"v": v}, "a field": struct{ V any }{v}, "a field with a pointer": struct{ V any }{p.Interface()},
		"a hidden field with a pointer": struct{ v any }{p.Interface()},
	}
}

// TestSecretsWouldBeFound: the search finds each spelling, and each of the
// ways to show a value shows one that is not protected.
func TestSecretsWouldBeFound(t *testing.T) {
	t.Parallel()
	secret := []byte("\x01\xf3secret that everybody sees\x9a\xff")
	find := newFinder(secretSet{"it": secret})
	type plain struct{ B []byte }
	type number struct{ N uint32 }
	missed := map[string]bool{}
	for what, text := range shownIn(plain{secret}) {
		if find.find(text) == "" {
			verb, where, _ := strings.Cut(what, " of ")
			if missed[verb] = true; verb == "%v" && !strings.Contains(where, "pointer") {
				t.Errorf("%s is not found in %q", what, text)
			}
		}
	}
	for _, verb := range []string{"%o", "%b", "%U", "%t", "%T", "%c", "%e", "XML"} { // nobody's log, or not text
		delete(missed, verb)
	}
	for what, text := range shownIn(plain{secret}) {
		verb, where, _ := strings.Cut(what, " of ")
		if where == "the value" && missed[verb] && find.find(text) == "" {
			t.Errorf("%s is not found in %q", what, text)
		}
	}
	if find.find(fmt.Sprint(number{0x73656372})) == "" {
		t.Error("four bytes as a number are not found")
	}
}

// Sign makes opaque a crypto.Signer.
func (o opaque) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != 0 {
		return nil, errors.New("this key signs whole messages")
	}
	*o.used++
	return o.sign(message), nil
}

// Public makes opaque a crypto.Signer.
func (o opaque) Public() crypto.PublicKey { return o.public }

// TestOpaqueSigners plays a whole life of a group with signers that don't
// reveal their keys: every call that signs works with them.
func TestOpaqueSigners(t *testing.T) {
	t.Parallel()
	for _, suite := range Suites() {
		l := newLabOf(t, suite, 5, 1)
		founder := l.at(0)
		for range 3 {
			signer, err := newOpaque(l.rnd)
			l.must(err)
			p := l.party()
			p.cfg.Signer = signer
			kp, priv := l.keyPackage(p)
			staged := l.commit(founder, CommitOptions{Add: []*KeyPackage{kp}})
			p.g, err = Join(p.cfg, staged.Welcome, kp, priv, nil)
			l.must(err)
			l.parties[p.name] = p
			l.agree()
			lifeOf(l, p)
			if *signer.used < 9 {
				t.Errorf("%s: the signer was asked %d times", suite, *signer.used)
			}
		}
	}
}

// lifeOf makes a member call whatever signs.
func lifeOf(l *lab, p *party) {
	l.t.Helper()
	update, err := p.g.ProposeUpdate(nil)
	l.must(err)
	l.deliver(p, update)
	kp, _ := l.keyPackage(l.party())
	add, err := p.g.ProposeAdd(kp, nil)
	l.must(err)
	remove, err := p.g.ProposeRemove(l.at(0).g.Me(), nil)
	l.must(err)
	if len(add) == 0 || len(remove) == 0 {
		l.t.Error("empty proposals")
	}
	p.g = again(l.t.(*testing.T), p.cfg, p.g)
	_, err = p.g.GroupInfo()
	l.must(err)
	l.commit(l.at(0), CommitOptions{}) // takes the update in
	l.commit(p, CommitOptions{AuthenticatedData: []byte("by an opaque signer")})
	l.agree()
	l.talk(p)
}

// failing is a signer whose key is out of reach.
type failing struct{ opaque }

func (failing) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the token was taken out")
}

// TestFailingSignerChangesNothing: a signer that fails leaves the state as it
// is, and its error is passed on.
func TestFailingSignerChangesNothing(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	g := p.a.g
	before := stateOf(t, g)
	signer := failing{opaque{public: p.a.cfg.Signer.Public().(ed25519.PublicKey)}}
	g.cfg.Signer = signer
	calls := map[string]func() error{
		"commit": func() error { _, err := g.Commit(CommitOptions{}); return err },
		"seal":   func() error { _, err := g.Seal([]byte("x"), nil, 0); return err },
		"update": func() error { _, err := g.ProposeUpdate(nil); return err },
		"remove": func() error { _, err := g.ProposeRemove(1, nil); return err },
		"info":   func() error { _, err := g.GroupInfo(); return err },
		"keys": func() error {
			_, _, err := NewKeyPackage(KeyPackageOptions{Suite: p.lab.suite, Signer: signer, NotBefore: labTime(), NotAfter: labTime()})
			return err
		},
		"new group": func() error { _, err := Create(Config{Signer: signer}, []byte("x"), p.lab.suite, nil, nil); return err },
	}
	for name, call := range calls {
		if err := call(); err == nil || !strings.Contains(err.Error(), "the token was taken out") {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(before, stateOf(t, g)) {
			t.Errorf("%s changed the state", name)
		}
	}
}
