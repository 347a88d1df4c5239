package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// surface is what the engine's source says of itself: its types, and the table
// of methods. It is read, not run, so that comments come along.
type surface struct {
	types   []*ast.TypeSpec
	docs    map[string]string
	values  map[string][]string // constants of a named string type
	methods []method
}

type method struct{ name, in, out, sentence string }

// typesOf writes the TypeScript of the surface in dir (api.go, methods.go).
func typesOf(dir string) ([]byte, error) {
	s := &surface{docs: map[string]string{}, values: map[string][]string{}}
	for _, name := range []string{"api.go", "methods.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("read the engine's surface: %w", err)
		}
		if err := s.read(f); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	if len(s.methods) == 0 {
		return nil, fmt.Errorf("%s has no methods", dir)
	}
	return s.write()
}

func (s *surface) read(f *ast.File) error {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			s.declared(d)
		case *ast.FuncDecl:
			if d.Name.Name == "Methods" {
				if err := s.table(d); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *surface) declared(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.Name == "Method" {
				continue
			}
			s.types = append(s.types, spec)
			s.docs[spec.Name.Name] = strings.TrimSpace(d.Doc.Text())
		case *ast.ValueSpec:
			if name, ok := spec.Type.(*ast.Ident); ok && d.Tok == token.CONST {
				for _, v := range spec.Values {
					if lit, ok := v.(*ast.BasicLit); ok {
						s.values[name.Name] = append(s.values[name.Name], lit.Value)
					}
				}
			}
		}
	}
}

// table reads the rows of Methods.
func (s *surface) table(f *ast.FuncDecl) error {
	var bad error
	ast.Inspect(f.Body, func(n ast.Node) bool {
		row, ok := n.(*ast.CompositeLit)
		if !ok || row.Type != nil || len(row.Elts) != 4 {
			return true
		}
		name, err := text(row.Elts[0])
		in, inErr := literalType(row.Elts[1])
		out, outErr := literalType(row.Elts[2])
		sentence, sentErr := text(row.Elts[3])
		if bad = cmp.Or(bad, err, inErr, outErr, sentErr); bad == nil {
			s.methods = append(s.methods, method{name, in, out, sentence})
		}
		return false
	})
	return bad
}

func text(e ast.Expr) (string, error) {
	lit, ok := e.(*ast.BasicLit)
	if !ok {
		return "", fmt.Errorf("want a string, got %T", e)
	}
	return strconv.Unquote(lit.Value)
}

func literalType(e ast.Expr) (string, error) {
	lit, ok := e.(*ast.CompositeLit)
	if !ok {
		return "", fmt.Errorf("want an empty value, got %T", e)
	}
	return typeScript(lit.Type)
}

// typeScript names the type that JSON makes of a Go type.
func typeScript(e ast.Expr) (string, error) {
	switch e := e.(type) {
	case *ast.Ident:
		switch e.Name {
		case "int", "int64", "float64":
			return "number", nil
		case "bool":
			return "boolean", nil
		}
		return e.Name, nil
	case *ast.StarExpr:
		return typeScript(e.X)
	case *ast.ArrayType:
		of, err := typeScript(e.Elt)
		return "readonly " + of + "[]", err
	case *ast.MapType:
		of, err := typeScript(e.Value)
		return "Readonly<Record<string, " + of + ">>", err
	case *ast.SelectorExpr:
		switch e.Sel.Name {
		case "Time":
			return "Time", nil
		case "RawMessage":
			return "Json", nil
		}
	}
	return "", fmt.Errorf("no TypeScript for %s", reflect.TypeOf(e))
}

func (s *surface) write() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("// Written by tools/web from internal/engine/{api,methods}.go. Do not edit.\n\n" +
		"/** A time as RFC 3339 has it. */\nexport type Time = string;\n\n" +
		"/** Any JSON; whoever uses it looks what it is. */\nexport type Json = unknown;\n")
	for _, t := range s.types {
		if err := s.writeType(&b, t); err != nil {
			return nil, fmt.Errorf("type %s: %w", t.Name.Name, err)
		}
	}
	b.WriteString("\n/** What an engine tells; kind \"state\" is told by the tab's own side. */\nexport type EngineEvent = Event;\n")
	b.WriteString("\n/** All methods: what they take and give. */\nexport interface Methods {\n")
	for _, m := range s.methods {
		fmt.Fprintf(&b, "\t/** %s */\n\t%q: { in: %s; out: %s };\n", m.sentence, m.name, m.in, m.out)
	}
	b.WriteString("}\n\nexport type Method = keyof Methods;\n" +
		"export type ParamsOf<M extends Method> = Methods[M][\"in\"] extends Empty ? [] : [params: Methods[M][\"in\"]];\n" +
		"export type ResultOf<M extends Method> = Methods[M][\"out\"];\n")
	return b.Bytes(), nil
}

func (s *surface) writeType(b *bytes.Buffer, t *ast.TypeSpec) error {
	b.WriteString("\n")
	if doc := s.docs[t.Name.Name]; doc != "" {
		fmt.Fprintf(b, "/** %s */\n", strings.ReplaceAll(doc, "\n", "\n * "))
	}
	switch u := t.Type.(type) {
	case *ast.StructType:
		if len(u.Fields.List) == 0 {
			fmt.Fprintf(b, "export type %s = Readonly<Record<string, never>>;\n", t.Name.Name)
			return nil
		}
		fmt.Fprintf(b, "export interface %s {\n", t.Name.Name)
		for _, f := range u.Fields.List {
			if err := writeField(b, f); err != nil {
				return err
			}
		}
		b.WriteString("}\n")
	default:
		values := slices.Clone(s.values[t.Name.Name])
		if len(values) == 0 {
			return fmt.Errorf("%T without constants", u)
		}
		fmt.Fprintf(b, "export type %s = %s;\n", t.Name.Name, strings.Join(values, " | "))
	}
	return nil
}

func writeField(b *bytes.Buffer, f *ast.Field) error {
	of, err := typeScript(f.Type)
	if err != nil {
		return err
	}
	if f.Tag == nil {
		return fmt.Errorf("field %v has no JSON name", f.Names)
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return err
	}
	name, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	optional := ""
	if strings.Contains(options, "omit") {
		optional = "?"
	}
	for _, doc := range []string{f.Doc.Text(), f.Comment.Text()} {
		if doc = strings.TrimSpace(doc); doc != "" {
			fmt.Fprintf(b, "\t/** %s */\n", strings.ReplaceAll(doc, "\n", "\n\t * "))
		}
	}
	fmt.Fprintf(b, "\treadonly %s%s: %s;\n", name, optional, of)
	return nil
}
