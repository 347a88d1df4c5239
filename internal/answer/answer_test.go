package answer

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"primum/internal/wire"
)

func TestProblemsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	w.Header().Set("ETag", `"x"`)
	Write(w, wire.Problem{Type: wire.ProblemPrefix + wire.ProbToken, Title: "No token", Status: http.StatusUnauthorized, Retry: 7})
	h := w.Header()
	if w.Code != http.StatusUnauthorized || h.Get("Content-Type") != ProblemType || h.Get("WWW-Authenticate") != "Bearer" || h.Get("Retry-After") != "7" ||
		h.Get("Cache-Control") != "no-store" || h.Get("ETag") != "" {
		t.Errorf("%d %v", w.Code, h)
	}
	var p wire.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Title != "No token" {
		t.Errorf("%+v, %v", p, err)
	}
	w = httptest.NewRecorder()
	if JSON(w, http.StatusOK, "application/json", func() {}); w.Code != http.StatusInternalServerError {
		t.Errorf("what is no JSON: %d", w.Code)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{"1234": nil, "12345": ErrTooLarge} {
		for _, length := range []int64{int64(len(text)), -1} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(text))
			r.ContentLength = length
			w := httptest.NewRecorder()
			b, err := Body(w, r, 4)
			if !errors.Is(err, want) || want == nil && string(b) != text {
				t.Errorf("%s: %q, %v", text, b, err)
			}
			if err == nil {
				continue
			}
			if BadBody(w, err, 4); w.Code != http.StatusRequestEntityTooLarge {
				t.Errorf("%s: %d", text, w.Code)
			}
		}
	}
	w := httptest.NewRecorder()
	if BadBody(w, errors.New("torn"), 4); w.Code != http.StatusBadRequest {
		t.Errorf("a torn body: %d", w.Code)
	}
}

func TestWhatTheCallerHasIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{"": false, `"a"`: true, `W/"a"`: true, `"b", "a"`: true, `"b"`: false, "*": true} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("If-None-Match", header)
		w := httptest.NewRecorder()
		if got := Same(w, r, `"a"`); got != want || w.Header().Get("ETag") != `"a"` || got != (w.Code == http.StatusNotModified) {
			t.Errorf("If-None-Match %s: %v, %d", header, got, w.Code)
		}
	}
}

func TestBrowsersGetPages(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		Vary(w.Header(), "accept", "Cookie")
		w.WriteHeader(http.StatusTeapot)
	})
	for accept, browser := range map[string]bool{"": false, "*/*": false, "application/json": false, "text/*": false, "text/html;q=0.9, */*": true, "Text/HTML": true} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		w.Header()["Vary"] = []string{"Signature", "Accept, Signature"}
		ForAll(page, func(http.ResponseWriter, *http.Request) {})(w, r)
		want := "Signature, Accept"
		if browser {
			want += ", Cookie"
		}
		if vary := w.Header().Values("Vary"); (w.Code == http.StatusTeapot) != browser || len(vary) != 1 || vary[0] != want {
			t.Errorf("Accept %q: %d, Vary %q", accept, w.Code, vary)
		}
	}
}

func TestScriptsMayAsk(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	Preflight(w, "GET, HEAD")
	if h := w.Header(); w.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") != "GET, HEAD" {
		t.Errorf("%d %v", w.Code, h)
	}
}

func TestStreamsAreCounted(t *testing.T) {
	t.Parallel()
	s := NewStreams(2, 3)
	for i, want := range []bool{true, true, false} {
		if got := s.Begin("a"); got != want {
			t.Errorf("stream %d of one address: %v", i, got)
		}
	}
	if !s.Begin("b") || s.Begin("c") {
		t.Error("the bound of all is not 3")
	}
	s.End("a")
	if !s.Begin("c") {
		t.Error("a place given back is not taken again")
	}
}

func TestFailuresSayNothing(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	for _, c := range []struct {
		err    error
		status int
	}{
		{&wire.Problem{Type: wire.ProblemPrefix + wire.ProbToken, Status: http.StatusUnauthorized}, http.StatusUnauthorized},
		{errors.New("secret of the store"), http.StatusInternalServerError},
	} {
		w := httptest.NewRecorder()
		Failed(w, slog.New(slog.NewTextHandler(&log, nil)), "a room failed", c.err)
		if w.Code != c.status || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
	}
	if n := strings.Count(log.String(), "a room failed"); n != 1 {
		t.Errorf("%d lines in the log: %s", n, &log)
	}
}
