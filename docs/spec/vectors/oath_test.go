package vectors

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/internal/jws"
	"primum/oath"
)

// oathVector is oath.json: a signed oath, a signed result, and envelopes that
// every reader refuses.
type oathVector struct {
	About    string    `json:"about"`
	Domain   string    `json:"domain"`
	NodeKey  jws.Bytes `json:"nodeKey"` // public; the seed is SHA-256 of "primum vector node"
	Document string    `json:"document"`
	// Checker's public key; the seed is SHA-256 of "primum vector checker".
	Checker jws.Bytes     `json:"checker"`
	Result  string        `json:"result"`
	Seen    []seenVector  `json:"measurements"`
	Refused []refusedOath `json:"refused"`
}

type seenVector struct {
	Clause  string  `json:"clause"`
	Verdict string  `json:"verdict"`
	Value   float64 `json:"value,omitempty"`
	Unit    string  `json:"unit,omitempty"`
}

type refusedOath struct {
	Why      string `json:"why"`
	Envelope string `json:"envelope"`
}

func oathTime() time.Time { return time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC) }

func TestOath(t *testing.T) {
	node, checker := ed25519.NewKeyFromSeed(seedOf("node")), ed25519.NewKeyFromSeed(seedOf("checker"))
	clause := parsed(t, vectorClause)
	d, err := oath.Draft("h.example", []oath.Clause{clause, parsed(t, emptyClause)}, nil, oathTime())
	if err != nil {
		t.Fatal(err)
	}
	document, err := oath.SignDocument(d, "https://h.example/.well-known/primum#k1", node)
	if err != nil {
		t.Fatal(err)
	}
	result, err := vectorReport(clause).Sign(checker)
	if err != nil {
		t.Fatal(err)
	}
	v := oathVector{
		About: "envelopes are to be taken byte for byte, the line end included", Domain: "h.example",
		NodeKey: jws.Bytes(node[32:]), Document: string(document), Checker: jws.Bytes(checker[32:]), Result: string(result),
		Refused: refusedOaths(t, d, node, string(document)),
	}
	_, seen, err := oath.Measured(result)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range seen {
		s := seenVector{Clause: m.Clause, Verdict: string(m.Verdict)}
		if m.Shown != nil {
			s.Value, s.Unit = m.Shown.Value, m.Shown.Unit
		}
		v.Seen = append(v.Seen, s)
	}
	compare(t, "oath.json", v)
	if _, err := oath.OpenDocument([]byte(v.Document), v.Domain, ed25519.PublicKey(v.NodeKey)); err != nil {
		t.Error(err)
	}
	for _, r := range v.Refused {
		if _, err := oath.OpenDocument([]byte(r.Envelope), v.Domain, ed25519.PublicKey(v.NodeKey)); err == nil {
			t.Errorf("taken: %s", r.Why)
		}
	}
}

func vectorReport(c oath.Clause) oath.Report {
	bound := 1000.0
	return oath.Report{
		Domain: "h.example", At: oathTime(), From: "a vector", Version: "1", Results: []oath.Result{{
			Clause: c.ID, Title: c.Title, Check: c.SHA256, Sworn: oath.SwornYes, Verdict: oath.Broken, Reason: "late by 2s", At: oathTime(), Took: 2100,
			Shown: &oath.Shown{Fact: "late-by", Value: 2000, Unit: "ms", Bound: &bound},
			Steps: []oath.Seen{{Probe: "look", Facts: map[string]string{"late-by": "2s"}, Verdict: oath.Broken, Reason: "late by 2s", Evidence: []oath.Evidence{{
				What: "the answer", At: oathTime(), Asked: "GET https://h.example/\n", Answer: "200\n\nlate", Replay: "curl -si 'https://h.example/'",
			}}}},
		}, {Clause: "O09", Title: "No tracing beyond the budget", Check: c.SHA256, Sworn: oath.SwornNo, Verdict: oath.NotShown, Reason: "no budget", Steps: []oath.Seen{}, At: oathTime()}},
	}
}

func refusedOaths(t *testing.T, d oath.Document, node ed25519.PrivateKey, good string) []refusedOath {
	t.Helper()
	sign := func(change func(*oath.Document), key ed25519.PrivateKey) string {
		other := d
		change(&other)
		b, err := oath.SignDocument(other, "", key)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return []refusedOath{
		{"signed by another key", sign(func(*oath.Document) {}, ed25519.NewKeyFromSeed(seedOf("other")))},
		{"of another domain", sign(func(d *oath.Document) { d.Domain = "other.example" }, node)},
		{"another payload type", strings.Replace(good, oath.PayloadOath, oath.PayloadInToto, 1)},
		{"an unknown member", strings.Replace(good, `{"payloadType"`, `{"more":1,"payloadType"`, 1)},
		{"no signature", good[:strings.Index(good, `"signatures"`)] + `"signatures":[]}`},
		{"cut off", good[:len(good)/2]},
	}
}

// clausesVector is clauses.json: clause files and how they are read, what is
// refused, and verdicts of expectations.
type clausesVector struct {
	About   string            `json:"about"`
	File    string            `json:"file"`
	Read    json.RawMessage   `json:"read"`
	Refused []refusedClause   `json:"refused"`
	Facts   map[string]string `json:"facts"`
	Judged  []judgedVector    `json:"judged"`
}

type refusedClause struct {
	Line string `json:"line"` // in the place of the last one
	Why  string `json:"why"`
}

type judgedVector struct {
	Expect  string `json:"expect"` // before ", else broken: {number}"
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
}

const vectorClause = `O42 A title

We swear
  One line
  and its end.

  A second paragraph.

If we break it
  We mend it.

What a check does
  It looks.

with patience 1s
needs a Primum node
takes at most 90s
shows late-by up to $patience
unshown: the rest

do look for $patience, what "a, b", times 2
expect late is no, else broken: late by {late-by}
`

const emptyClause = "O43 B\nWe swear\n  C.\nIf we break it\n  D.\nWhat a check does\n  E.\nunshown: nothing can be checked\n"

func parsed(t *testing.T, file string) oath.Clause {
	t.Helper()
	c, err := oath.ParseClause([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClauses(t *testing.T) {
	c := parsed(t, vectorClause)
	read, err := json.Marshal(c.Read())
	if err != nil {
		t.Fatal(err)
	}
	v := clausesVector{About: "a refused line stands in the place of the file's last one", File: vectorClause, Read: read}
	for line, why := range map[string]string{
		"expect late is no": "no verdict", "expect late is no, else kept: x": "no such verdict", "expect late exceeds 3, else broken: x": "no such comparison",
		"expect late is $none, else broken: x": "no such parameter", "hope late is no, else broken: x": "no such word", "  text": "text without a heading",
		"needs a miracle": "no such need", "do look for": "an argument without a value", "with patience 2s": "the parameter stands above",
	} {
		v.Refused = append(v.Refused, refusedClause{line, why})
	}
	slices.SortFunc(v.Refused, func(a, b refusedClause) int { return strings.Compare(a.Line, b.Line) })
	for _, r := range v.Refused {
		if _, err := oath.ParseClause([]byte(lastLine(r.Line))); err == nil {
			t.Errorf("taken: %s", r.Line)
		}
	}
	v.Facts, v.Judged = judge(t)
	compare(t, "clauses.json", v)
}

func lastLine(line string) string {
	return vectorClause[:strings.LastIndex(vectorClause, "expect")] + line + "\n"
}

// judge asks a probe that knows some facts, at a domain that is nothing.
func judge(t *testing.T) (map[string]string, []judgedVector) {
	t.Helper()
	facts := map[string]oath.Value{"number": oath.Number(3), "late-by": oath.Duration(1500 * time.Millisecond), "late": oath.Yes(true), "name": oath.Text("red house"), "other": oath.Number(3)}
	shown := map[string]string{}
	for name, f := range facts {
		shown[name] = f.String()
	}
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	look := func(context.Context, *oath.Run, oath.Args) (oath.Observation, error) {
		return oath.Observation{Facts: facts, Evidence: []oath.Evidence{{What: "it", Replay: "look"}}}, nil
	}
	var all []judgedVector
	for _, line := range []string{
		"number is 3", "number is 4", "number is not 4", "number at least 4", "number at most other", "late-by at most $patience", "late-by at least 1s",
		"late is yes", `name names "house"`, `name names no "house"`, "nothing is known", "nothing is unknown", "nothing is 3", "number is 3s", "late at least yes",
	} {
		c := parsed(t, strings.Replace(lastLine("expect "+line+", else broken: {number} of {nothing}"), "needs a Primum node\n", "", 1))
		rep, _, err := oath.Check(t.Context(), oath.Config{
			Domain: strings.Replace(strings.TrimPrefix(s.URL, "http://"), "127.0.0.1", "h.localhost", 1), Clauses: []oath.Clause{c}, Probes: map[string]oath.Probe{"look": look},
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, judgedVector{line, string(rep.Results[0].Verdict), rep.Results[0].Steps[0].Reason})
	}
	return shown, all
}
