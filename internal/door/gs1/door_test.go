package gs1door_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	gs1door "primum/internal/door/gs1"
	"primum/thing/id"
)

// TestTheDoorHasEveryPrimaryKey compares with the table of thing/id.
func TestTheDoorHasEveryPrimaryKey(t *testing.T) {
	t.Parallel()
	for digits := 2; digits <= 4; digits++ {
		for n, end := 0, map[int]int{2: 100, 3: 1000, 4: 10000}[digits]; n < end; n++ {
			code := fmt.Sprintf("%0*d", digits, n)
			_, err := id.ParseLink("/"+code+"/x", "", id.Options{})
			var bad *id.Error
			if !errors.As(err, &bad) {
				t.Fatalf("%s: %v", code, err)
			}
			if key := bad.Fault != id.NoKey; key != gs1door.Begins("/"+code+"/x") {
				t.Errorf("%s: a primary key: %v", code, key)
			}
		}
	}
	for _, path := range []string{"", "/", "/0", "/01", "/1/x", "/services/01/x", "/999/x"} {
		if gs1door.Begins(path) {
			t.Errorf("%q begins with a primary key", path)
		}
	}
}

func TestMethodsAndDescription(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/01/04012345999969", gs1door.DescriptionPath} {
		if got := w.ask(t, http.MethodOptions, path, nil); got.Code != http.StatusNoContent || got.Header().Get("Access-Control-Allow-Methods") != "GET, HEAD, OPTIONS" {
			t.Errorf("OPTIONS %s: %d %v", path, got.Code, got.Header())
		}
		if got := w.ask(t, http.MethodPost, path, nil); got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") == "" {
			t.Errorf("POST %s: %d", path, got.Code)
		}
	}
	got := w.ask(t, http.MethodGet, gs1door.DescriptionPath, nil)
	checkJSON(t, got.Body.Bytes(), map[string]any{"resolverRoot": base})
}
