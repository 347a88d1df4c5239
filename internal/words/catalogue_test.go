package words

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
)

// complete are the languages that must have every sentence.
func complete() []string { return []string{"en", "de", "ar"} }

// forms are the plural forms that CLDR 47 gives a language, of whole numbers.
func forms(lang string) []string {
	return map[string][]string{
		"en": {"one", "other"}, "de": {"one", "other"}, "hi": {"one", "other"}, "sw": {"one", "other"},
		"fr": {"many", "one", "other"}, "es": {"many", "one", "other"}, "pt": {"many", "one", "other"},
		"ru": {"few", "many", "one", "other"}, "zh": {"other"},
		"ar": {"few", "many", "one", "other", "two", "zero"},
	}[lang]
}

// sentence is an entry by its plural forms; one that has none has "other" only.
type sentence struct {
	forms  map[string]string
	plural bool
}

// catalogue is lang → part → id.
func catalogue(t *testing.T) map[string]map[string]map[string]sentence {
	t.Helper()
	out := map[string]map[string]map[string]sentence{}
	for _, lang := range Available() {
		out[lang] = map[string]map[string]sentence{}
		files, err := fs.Glob(catalogues, lang+"/*.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			out[lang][strings.TrimSuffix(filepath.Base(file), ".json")] = readPart(t, file)
		}
	}
	return out
}

func readPart(t *testing.T, file string) map[string]sentence {
	t.Helper()
	b, err := catalogues.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	if _, err := d.Token(); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	out := map[string]sentence{}
	for d.More() { // token by token: a doubled id would be lost in a map
		id, err := d.Token()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			t.Fatalf("%s: %v: %v", file, id, err)
		}
		if _, twice := out[id.(string)]; twice {
			t.Errorf("%s: %s stands there twice", file, id)
		}
		out[id.(string)] = readSentence(t, file, raw)
	}
	return out
}

func readSentence(t *testing.T, file string, raw json.RawMessage) sentence {
	t.Helper()
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return sentence{forms: map[string]string{"other": one}}
	}
	s := sentence{plural: true}
	if err := json.Unmarshal(raw, &s.forms); err != nil {
		t.Errorf("%s: %s: %v", file, raw, err)
	}
	return s
}

func TestLanguagesHaveTheSameSentences(t *testing.T) {
	t.Parallel()
	all := catalogue(t)
	for _, lang := range complete() {
		for part, sentences := range all["en"] {
			for id := range sentences {
				if _, ok := all[lang][part][id]; !ok {
					t.Errorf("%s/%s.json: %s is missing", lang, part, id)
				}
			}
		}
	}
	for lang, parts := range all {
		for part, sentences := range parts {
			for id := range sentences {
				if _, ok := all["en"][part][id]; !ok {
					t.Errorf("%s/%s.json: %s is not in English", lang, part, id)
				}
			}
		}
	}
}

func TestNoIDIsInTwoParts(t *testing.T) {
	t.Parallel()
	in := map[string]string{}
	for part, sentences := range catalogue(t)["en"] {
		for id := range sentences {
			if other, ok := in[id]; ok {
				t.Errorf("%s is in %s and in %s", id, other, part)
			}
			in[id] = part
		}
	}
}

func TestSentencesAreWhole(t *testing.T) {
	t.Parallel()
	all := catalogue(t)
	for lang, parts := range all {
		for part, sentences := range parts {
			for id, s := range sentences {
				where := lang + "/" + part + ".json: " + id
				checkForms(t, where, lang, s, all["en"][part][id].plural)
				checkBlanks(t, where, s, all["en"][part][id])
			}
		}
	}
}

func checkForms(t *testing.T, where, lang string, s sentence, plural bool) {
	t.Helper()
	if s.plural != plural && lang != "zh" {
		t.Errorf("%s: counted in one of the languages only", where)
	}
	if have := slices.Sorted(maps.Keys(s.forms)); s.plural && !slices.Equal(have, forms(lang)) {
		t.Errorf("%s: forms %q, %s has %q", where, have, lang, forms(lang))
	}
	for form, text := range s.forms {
		if strings.TrimSpace(text) == "" {
			t.Errorf("%s: %s is empty", where, form)
		}
		if _, err := template.New("").Parse(text); err != nil {
			t.Errorf("%s: %s: %v", where, form, err)
		}
	}
}

// checkBlanks compares with the English sentence: "other" has the same blanks;
// the other forms may say their number in words.
func checkBlanks(t *testing.T, where string, s, english sentence) {
	t.Helper()
	want := blanks(english.forms["other"])
	for form, text := range s.forms {
		have := blanks(text)
		if form != "other" {
			have = slices.Compact(slices.Sorted(slices.Values(append(have, "N"))))
		}
		if !slices.Equal(have, want) && (form == "other" || !slices.Equal(have, with(want, "N"))) {
			t.Errorf("%s: %s has the blanks %q, English has %q", where, form, have, want)
		}
	}
}

func with(list []string, s string) []string {
	return slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(list), s))))
}

// blanks are the names in the blanks of a sentence.
func blanks(text string) []string {
	var out []string
	for _, action := range regexp.MustCompile(`\{\{(.*?)\}\}`).FindAllStringSubmatch(text, -1) {
		for _, name := range regexp.MustCompile(`\.([A-Z]\w*)`).FindAllStringSubmatch(action[1], -1) {
			out = append(out, name[1])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var isID = regexp.MustCompile(`^[a-z][a-z0-9-]*(\.[A-Za-z0-9-]+)+$`)

// sources are what texts of a program and of pages say about ids.
type sources struct {
	literals map[string]bool   // every text that could be an id
	starts   map[string]bool   // every text that could be the start of one: "state."
	asked    map[string]string // ids that are asked for, by file
}

func TestEveryIDIsUsedAndThere(t *testing.T) {
	t.Parallel()
	src := scan(t)
	ids := map[string]bool{}
	for part, sentences := range catalogue(t)["en"] {
		for id := range sentences {
			ids[id] = true
			if !src.uses(id) {
				t.Errorf("%s.json: %s is used nowhere", part, id)
			}
		}
	}
	for id, file := range src.asked {
		if !ids[id] {
			t.Errorf("%s: %s is in no catalogue", file, id)
		}
	}
	if len(src.asked) < 100 {
		t.Errorf("only %d ids found in the sources", len(src.asked))
	}
}

func (s *sources) uses(id string) bool {
	if s.literals[id] {
		return true
	}
	for i, c := range id {
		if (c == '.' || c == '-') && s.starts[id[:i+1]] {
			return true
		}
	}
	return false
}

// scan reads the Go files, TypeScript and templates of this module.
func scan(t *testing.T) *sources {
	t.Helper()
	src := &sources{literals: map[string]bool{}, starts: map[string]bool{}, asked: map[string]string{}}
	for _, root := range []string{"../../cmd", "../../internal", "../../client"} {
		err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "dist" || d.Name() == "testdata" || d.Name() == "node_modules") {
				return filepath.SkipDir
			}
			return src.file(file)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return src
}

func (s *sources) file(file string) error {
	switch {
	case strings.HasSuffix(file, "_test.go"), strings.HasSuffix(file, ".test.ts"):
		return nil
	case strings.HasSuffix(file, ".go"):
		return s.goFile(file)
	case strings.HasSuffix(file, ".ts"), strings.HasSuffix(file, ".html"), strings.HasSuffix(file, ".tmpl"):
		b, err := os.ReadFile(file)
		s.text(file, string(b))
		return err
	}
	return nil
}

func (s *sources) literal(text string) {
	s.literals[text] = true
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "-") {
		s.starts[text] = true
	}
}

// asks are the functions that take an id, of the catalogue and of the command
// line.
func asks(name string) bool {
	return slices.Contains([]string{
		"Get", "say", "hint", "said", "progress", "confirm", "passphrase", "changeIdentity", "showGrants",
	}, name)
}

func (s *sources) goFile(file string) error {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		return err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if text, ok := textOf(n); ok {
			s.literal(text)
		}
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && asks(sel.Sel.Name) {
			s.ask(file, sel, call)
		}
		return true
	})
	return nil
}

// ask notes an id. Get is a common name, so there it counts only where the
// receiver is a catalogue.
func (s *sources) ask(file string, sel *ast.SelectorExpr, call *ast.CallExpr) {
	if of, ok := sel.X.(*ast.SelectorExpr); sel.Sel.Name == "Get" && (!ok || of.Sel.Name != "words") {
		return
	}
	for _, arg := range call.Args {
		if text, ok := textOf(arg); ok && isID.MatchString(text) {
			s.asked[text] = file
		}
	}
}

func textOf(n ast.Node) (string, bool) {
	lit, ok := n.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// quoted are the texts of TypeScript and templates, and the beginning of those
// with something put in: `engine.${code}`.
var quoted = regexp.MustCompile("\"([^\"\\\\\\n]*)\"|'([^'\\\\\\n]*)'|`([^`$\\\\\\n]*)(?:`|\\$\\{)")

// asking are the calls of the catalogue there: t("id"), ctx.t("id"), toast("id"),
// {{.T "id"}}, {{t "id"}}.
var asking = regexp.MustCompile(`(?:\b(?:t|toast)\(|\{\{-?\s*\$?\.?(?:[Tt]|Get|Words\.Get)\s+|\(\$?\.?[Tt]\s+)"([^"]+)"`)

func (s *sources) text(file, text string) {
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		s.literal(m[1] + m[2] + m[3])
	}
	for _, m := range asking.FindAllStringSubmatch(text, -1) {
		if isID.MatchString(m[1]) {
			s.literal(m[1]) // in an attribute, whose quotes hide it from the other pattern
			s.asked[m[1]] = file
		}
	}
}
