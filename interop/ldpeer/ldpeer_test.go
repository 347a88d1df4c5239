package ldpeer

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/piprate/json-gold/ld"

	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
)

// offline refuses to load anything: the context of terms is written out.
type offline struct{}

func (offline) LoadDocument(url string) (*ld.RemoteDocument, error) {
	return nil, errors.New("the terms ask for " + url)
}

func terms(t *testing.T) map[string]any {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := key.Public().(ed25519.PublicKey)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	old, err := identity.NewID(nil, now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := grant.New(grant.Params{
		Now: now, Owner: identity.Address{User: "owner", Authority: "h.example"}, Client: "laptop", Signer: key,
		Grantee: grant.Grantee{
			Account: identity.Address{User: "adviser", Authority: "s.example"}, IdentityKey: jws.Bytes(public),
			Kind: identity.Organisation, Name: "Energy advice",
		},
		Node: "h.example", Home: strings.Repeat("0", 32), Circle: strings.Repeat("1", 32), AnchorKey: public, Suite: 1,
		Valid: grant.Interval{Until: now.AddDate(0, 0, 7)}, Replaces: old, Country: "DE",
		Shares: []grant.Share{{
			Thing: "meter", Title: "meter", Actions: []string{grant.OpObserve}, Affordances: []string{"power"},
			Precision: grant.Precision{Every: grant.Duration(time.Hour), Stat: grant.Mean},
		}},
		Purpose:        grant.Purpose{Class: "dpv:OptimisationForConsumer", Label: "energy advice"},
		Conditionality: &grant.Conditionality{CoreFunctionWithoutGrant: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := jws.Parse(s.Terms, grant.MaxSize)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(u.UntrustedPayload(), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// Every member of the terms means something to a JSON-LD processor, without
// anything being fetched; those of DPV and Dublin Core stand under their IRIs.
func TestTermsExpand(t *testing.T) {
	t.Parallel()
	doc := terms(t)
	options := ld.NewJsonLdOptions("")
	options.DocumentLoader = offline{}
	options.SafeMode = true // what would be dropped is an error
	expanded, err := ld.NewJsonLdProcessor().Expand(doc, options)
	if err != nil {
		t.Fatal(err)
	}
	if len(expanded) != 1 {
		t.Fatalf("%d nodes", len(expanded))
	}
	node := expanded[0].(map[string]any)
	if len(node) != len(doc)-1 { // all but @context
		t.Errorf("%d members became %d", len(doc)-1, len(node))
	}
	text, err := json.Marshal(node)
	if err != nil {
		t.Fatal(err)
	}
	for _, iri := range []string{
		`"@type":["https://w3id.org/dpv#ConsentRecord"]`, "http://purl.org/dc/terms/identifier", "http://purl.org/dc/terms/valid",
		"https://w3id.org/dpv#hasDataController", "https://w3id.org/dpv#hasStorageCondition", "https://w3id.org/dpv#hasNotice",
		`{"@id":"https://w3id.org/dpv#OptimisationForConsumer","http://www.w3.org/2004/02/skos/core#prefLabel"`,
		`"https://w3id.org/dpv#hasLegalBasis":[{"@id":"https://w3id.org/dpv/legal/eu/gdpr#A6-1-a"}]`,
		`"https://w3id.org/dpv#hasProcessing":[{"@id":"https://w3id.org/dpv#Collect"},{"@id":"https://w3id.org/dpv#Use"}]`,
		`"https://w3id.org/dpv#hasJurisdiction":[{"@id":"https://w3id.org/loc#DE"}]`,
		`"urn:primum:terms:authorizationDetails":[{"@type":"@json"`,
	} {
		if !strings.Contains(string(text), iri) {
			t.Errorf("%s is missing in\n%s", iri, text)
		}
	}
}
