package grant

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"primum/internal/jws"
)

const waterAdvice = `{
  "v": 1, "name": "water-advice", "provider": "advice@s.localhost:8402",
  "texts": {
    "en": {"title": "Water advice", "body": "We find leaks.\nYou get a letter."},
    "de": {"title": "Wasserberatung", "body": "Wir finden Lecks."}
  },
  "asks": [{
    "purpose": {"@id": "dpv:OptimisationForConsumer", "label": "water advice"},
    "wants": [{"quantity": "flow", "unit": "m3/h", "actions": ["readproperty", "observeproperty"], "precision": {"every": "PT1H", "stat": "mean"}}],
    "for": "P28D", "retention": "P30D", "deletesWithin": "P30D",
    "notices": {"en": "We look at hourly means to find leaks.", "de": "Wir sehen Stundenmittel an."},
    "conditionality": {"coreFunctionWithoutGrant": true, "price": "5 EUR a month", "benefit": "a letter with advice"}
  }]
}`

func TestServiceIsReadAndAsks(t *testing.T) {
	t.Parallel()
	s, err := ParseService([]byte(waterAdvice))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	q := s.Request(0, "de", now)
	if q.From.String() != "advice@s.localhost:8402" || q.Service != "Wasserberatung" || q.Notice.Text != "Wir sehen Stundenmittel an." || q.Notice.Language != "de" {
		t.Errorf("%+v", q)
	}
	if q.For != 28*Day || q.Conditionality.Price != "5 EUR a month" || q.Wants[0].Quantity != "flow" {
		t.Errorf("%+v", q)
	}
	if text, in := s.Text("sw"); text.Title != "Water advice" || in != "en" {
		t.Errorf("a language that is not there gives %q in %q", text.Title, in)
	}
}

func TestServiceRefusesWithThePlace(t *testing.T) {
	t.Parallel()
	for change, at := range map[[2]string]string{
		{`"v": 1`, `"v": 2`}:                                           "/v",
		{`"water-advice"`, `"Water Advice"`}:                           "/name",
		{`"quantity": "flow", "unit": "m3/h"`, `"name": "water/flow"`}: "/asks/0/wants/0",
		{`dpv:OptimisationForConsumer`, `dpv:Everything`}:              "/asks/0/purpose/@id",
		{`"for": "P28D"`, `"for": "P800D"`}:                            "/asks/0/for",
		{`"notices": {"en": "We look at hourly means to find leaks.", "de": "Wir sehen Stundenmittel an."}`, `"notices": {}`}: "/asks/0/notices",
		{`"stat": "mean"`, `"stat": "guess"`}:             "/asks/0/wants/0/precision",
		{`"Water advice"`, `"Water\u202eadvice"`}:         "/texts/en/title",
		{`"asks": [{`, `"hidden": 1, "asks": [{`}:         "/hidden",
		{`"advice@s.localhost:8402"`, `"advice"`}:         "/provider",
		{`"v": 1`, `"v": 1, "ended": true`}:               "/asks",
		{`"v": 1`, `"v": 1, "page": "http://s.example/"`}: "/page",
		{`"v": 1`, `"v": 1, "review": "soon"`}:            "/review",
	} {
		if !strings.Contains(waterAdvice, change[0]) {
			t.Fatalf("the example has no %s", change[0])
		}
		_, err := ParseService([]byte(strings.Replace(waterAdvice, change[0], change[1], 1)))
		var place *jws.PlaceError
		if !errors.Is(err, ErrDocument) || !errors.As(err, &place) || !strings.HasPrefix(place.Pointer, at) {
			t.Errorf("%s: %v, want the place %s", change[1], err, at)
		}
	}
	if _, err := ParseService([]byte(strings.Repeat(" ", MaxService+1))); !errors.Is(err, ErrDocument) {
		t.Errorf("a long one: %v", err)
	}
}

func FuzzParseService(f *testing.F) {
	f.Add([]byte(waterAdvice))
	f.Add([]byte(`{"v":1,"name":"x","ended":true}`))
	f.Add([]byte(`{"v":1,"name":"x","texts":{"en":{"title":"t","body":"b"}},"review":"2027-01-01"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseService(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > MaxService {
			return
		}
		if _, err := ParseService(again); err != nil {
			t.Fatalf("what was read can't be read again: %v\n%s", err, again)
		}
		for i := range s.Asks {
			if q := s.Request(i, "en", time.Unix(1, 0)); q.Notice.Text == "" || q.Service == "" {
				t.Fatalf("an ask without notice or service: %+v", q)
			}
		}
	})
}
