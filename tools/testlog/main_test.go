package main

import (
	"strings"
	"testing"
)

func TestWhatAPersonSees(t *testing.T) {
	in := strings.Join([]string{
		`{"Action":"run","Package":"p","Test":"TestA"}`,
		`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: PRIMUM_SEED=7\n"}`,
		`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:2: of no interest\n"}`,
		`{"Action":"pass","Package":"p","Test":"TestA"}`,
		`{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: no broker here\n"}`,
		`{"Action":"skip","Package":"p","Test":"TestB"}`,
		`{"Action":"pass","Package":"p","Elapsed":1.5}`,
		`plain words`,
	}, "\n")
	var out strings.Builder
	if !read(strings.NewReader(in), &out) {
		t.Error("nothing failed, yet it says so")
	}
	want := "    TestA: a_test.go:1: PRIMUM_SEED=7\n--- SKIP: p TestB: b_test.go:1: no broker here\nok  \tp\t1.5s\nplain words\n1 passed, 0 failed, 1 skipped\n"
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}

func TestFailuresAreShownWhole(t *testing.T) {
	for name, in := range map[string]string{
		"a test":  `{"Action":"output","Package":"p","Test":"T","Output":"it broke\n"}` + "\n" + `{"Action":"fail","Package":"p","Test":"T"}`,
		"a panic": `{"Action":"output","Package":"p","Output":"it broke\n"}` + "\n" + `{"Action":"fail","Package":"p"}`,
		"a build": `{"ImportPath":"p","Action":"build-output","Output":"it broke\n"}` + "\n" + `{"ImportPath":"p","Action":"build-fail"}`,
	} {
		var out strings.Builder
		if read(strings.NewReader(in), &out) {
			t.Errorf("%s: counted as a success", name)
		}
		if !strings.Contains(out.String(), "it broke") {
			t.Errorf("%s: printed %q", name, out.String())
		}
	}
}
