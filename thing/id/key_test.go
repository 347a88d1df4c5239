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

// TestEveryPrimaryKeyTakesItsQualifiers goes through the table: each primary
// key, each order of its qualifiers, in every form; and no other order.
func TestEveryPrimaryKeyTakesItsQualifiers(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"00": "340123451111111111", "01": "04012345999990", "253": "4012345000115x", "255": "401234500001612", "401": "4012345x",
		"402": "40123450000000016", "414": "4012345000115", "415": "4012345000115", "417": "4012345000009", "8003": "04012345111118x",
		"8004": "4012345x", "8006": "040123459999900102", "8010": "4012345X", "8013": "1987654Ad4X4bL5ttr2310c2K",
		"8017": "401234500000000012", "8018": "401234500000000012",
		"10": "a", "21": "b/", "22": "c%", "235": "d", "254": "e", "7040": "1abc", "8011": "7", "8019": "8", "8020": "f",
	}
	keys := 0
	for _, r := range ais {
		if !r.key {
			continue
		}
		keys++
		for _, order := range append([][]string{nil}, r.qualifiers...) {
			list := []AI{{r.lo, values[r.lo]}}
			for _, code := range order {
				list = append(list, AI{code, values[code]})
			}
			everyForm(t, list)
		}
		for _, order := range r.qualifiers {
			for i := range order[1:] {
				path := "/" + r.lo + "/" + values[r.lo] + "/" + order[i+1] + "/x/" + order[i] + "/x"
				if _, err := ParseDigitalLink(path, "", Options{}); err == nil {
					t.Errorf("%s is taken", path)
				}
			}
		}
	}
	if keys != 16 {
		t.Errorf("%d primary keys, not 16", keys)
	}
}

func everyForm(t *testing.T, list []AI) {
	t.Helper()
	k, err := arrange(list)
	if err != nil {
		t.Errorf("%v: %v", list, err)
		return
	}
	for _, path := range []string{"/" + k.Path(), "/" + k.Compressed()} {
		if back, err := ParseDigitalLink(path, "", Options{}); err != nil || !back.Equal(k) {
			t.Errorf("%s is %v, %v; not %v", path, back, err, k)
		}
	}
	for _, s := range []string{k.ElementString(), "]d2" + k.ScannerString(), k.URL("h.example")} {
		got, err := Parse(s)
		if back, _ := got.Key(); err != nil || !back.Equal(k) {
			t.Errorf("%q is %v, %v; not %v", s, back, err, k)
		}
	}
}

// TestSerialByTable says of each key whether it names an individual, and its class.
func TestSerialByTable(t *testing.T) {
	t.Parallel()
	for path, class := range map[string]string{
		"01/04012345999990": "=", "01/04012345999990/10/A": "=", "01/04012345999990/22/V/10/A": "=", "414/4012345000115": "=",
		"414/4012345000115/254/12": "=", "417/4012345000009": "=", "8010/4012345X": "=", "8013/1987654Ad4X4bL5ttr2310c2K": "=",
		"253/4012345000115": "=", "8003/04012345111118": "=", "415/4012345000115": "=", "8006/040123459999900102": "=",
		"01/04012345999990/22/V/10/A/21/7": "01/04012345999990/22/V/10/A", "01/04012345999990/235/T": "01/04012345999990",
		"253/4012345000115ebon-4711": "253/4012345000115", "255/401234500001612": "255/4012345000016",
		"8003/04012345111118988": "8003/04012345111118", "8010/4012345X/8011/7": "8010/4012345X", "8006/040123459999900102/21/b": "8006/040123459999900102",
		"415/4012345000115/8020/f": "415/4012345000115",
		"00/340123451111111111":    "", "8004/4012345x": "", "8004/4012345x/7040/1abc": "", "8017/401234500000000012": "",
		"8018/401234500000000012/8019/8": "", "401/4012345x": "", "402/40123450000000016": "",
	} {
		k, err := ParseDigitalLink(path, "", Options{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		want := class
		if class == "=" {
			want = path
		}
		if got := k.Class(); got.Path() != want || k.Serial() == (class == "=") {
			t.Errorf("%s is of the class %q, serial %v; not %q", path, got.Path(), k.Serial(), want)
		}
	}
}
