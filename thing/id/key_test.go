package id

import "testing"

func TestDigitalLinkGoesUpToItsClass(t *testing.T) {
	t.Parallel()
	k, err := ParseDigitalLink("/01/04012345999990/22/V%2F1/10/A/21/7", "3103=000195&linkType=all", Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"01/04012345999990/22/V%2F1/10/A", "01/04012345999990/22/V%2F1", "01/04012345999990"}
	if k.Class().Path() != want[0] || !k.Serial() || k.Query() != "3103=000195" {
		t.Errorf("class %q, query %q", k.Class().Path(), k.Query())
	}
	for _, w := range want {
		up, ok := k.Up()
		if !ok || up.Path() != w {
			t.Errorf("up of %s is %s, not %s", k.Path(), up.Path(), w)
		}
		k = up
	}
	if _, ok := k.Up(); ok {
		t.Error("something stands above the primary key")
	}
}
