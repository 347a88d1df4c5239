package certs

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRedirectLeadsToTheSameAddress(t *testing.T) {
	t.Parallel()
	h := Redirect("things.example.org")
	for target, want := range map[string]string{
		"http://things.example.org/":                        "https://things.example.org/",
		"http://Things.Example.org:80/01/1%2F2/21/a?x=1&y=": "https://things.example.org/01/1%2F2/21/a?x=1&y=",
		"http://things.example.org//elsewhere.org/":         "https://things.example.org//elsewhere.org/",
		"http://elsewhere.org/":                             "",
		"http://192.0.2.1/":                                 "",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, http.NoBody))
		code := http.StatusPermanentRedirect
		if want == "" {
			code = http.StatusMisdirectedRequest
		}
		if w.Code != code || w.Header().Get("Location") != want {
			t.Errorf("%s: %d to %q", target, w.Code, w.Header().Get("Location"))
		}
		if want != "" && (w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Referrer-Policy") != "no-referrer") {
			t.Errorf("%s: %v", target, w.Header())
		}
	}
}

func TestAskDirectory(t *testing.T) {
	t.Parallel()
	var body string
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/dir" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(body))
	}))
	defer s.Close()
	body = `{"newOrder": "https://ca.example/o", "meta": {"termsOfService": "https://ca.example/t", "externalAccountRequired": true,
		"caaIdentities": ["ca.example", "x\"; evil", "", "CA2.example"]}}`
	a, err := Ask(t.Context(), s.Client(), s.URL+"/dir")
	if err != nil || a.Terms != "https://ca.example/t" || !a.Account || strings.Join(a.CAA, " ") != "ca.example CA2.example" {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := Ask(t.Context(), s.Client(), s.URL+"/other"); !errors.Is(err, ErrAuthority) {
		t.Errorf("404: %v", err)
	}
	for _, body = range []string{"", "[]", "{}", `{"newOrder": 1}`, `{"newOrder": "x", "meta": 1}`, strings.Repeat(" ", directoryMost+1)} {
		if _, err := Ask(t.Context(), s.Client(), s.URL+"/dir"); !errors.Is(err, ErrAuthority) {
			t.Errorf("%.20q: %v", body, err)
		}
	}
}

func FuzzDirectory(f *testing.F) {
	f.Add([]byte(`{"newOrder": "https://ca.example/o", "meta": {"termsOfService": "javascript:x", "caaIdentities": ["a\nb"]}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseDirectory(b)
		for _, name := range a.CAA {
			if err != nil || strings.ContainsAny(name, "\"; \n\\") {
				t.Errorf("%q, %v", name, err)
			}
		}
	})
}

func TestNobodyIsAskedWithoutAYes(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{Domain: "things.example.org", Dir: t.TempDir()}); !errors.Is(err, ErrTerms) {
		t.Errorf("%v", err)
	}
	for _, ca := range []string{"http://ca.example/dir", "ca.example", "https://", "ftp://ca.example/dir", "\x00"} {
		if _, err := New(Config{Domain: "things.example.org", Dir: t.TempDir(), CA: ca, Agreed: true}); !errors.Is(err, ErrAddress) {
			t.Errorf("%q was taken: %v", ca, err)
		}
		if _, err := Ask(t.Context(), http.DefaultClient, ca); !errors.Is(err, ErrAddress) {
			t.Errorf("%q was asked: %v", ca, err)
		}
	}
}

// Without a certificate handshakes fail; nobody else's is shown.
func TestNoCertificateYet(t *testing.T) {
	t.Parallel()
	k, err := New(Config{Domain: "things.example.org", Dir: t.TempDir(), Agreed: true, CA: "https://127.0.0.1:1/dir"})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if _, err := k.Obtain(t.Context()); err == nil || !strings.Contains(err.Error(), "things.example.org") {
		t.Errorf("an authority that is not there: %v", err)
	}
	if c := k.TLS(); c.MinVersion == 0 || len(c.NextProtos) != 3 || c.GetCertificate == nil {
		t.Errorf("%+v", c.NextProtos)
	}
}
