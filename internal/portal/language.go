package portal

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"primum/internal/answer"
)

// languageCookie remembers a choice made by ?lang=; it says nothing else.
const languageCookie = "lang"

// languages are those with a complete catalogue, the first one where nothing
// else fits.
func languages() []string { return []string{"en", "de", "ar"} }

// language is the visitor's: asked for, remembered, or preferred.
func (p *Portal) language(w http.ResponseWriter, r *http.Request) string {
	answer.Vary(w.Header(), "Accept-Language", "Cookie")
	if l, ok := known(r.URL.Query().Get("lang")); ok {
		http.SetCookie(w, &http.Cookie{
			Name: languageCookie, Value: l, Path: "/", MaxAge: 365 * 24 * 3600, Secure: p.cfg.TLS, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		return l
	}
	if c, err := r.Cookie(languageCookie); err == nil {
		if l, ok := known(c.Value); ok {
			return l
		}
	}
	return preferred(r.Header.Get("Accept-Language"))
}

func known(tag string) (string, bool) {
	base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
	for _, l := range languages() {
		if l == base {
			return l, true
		}
	}
	return "", false
}

// preferred reads an Accept-Language header (RFC 9110 §12.5.4): the known
// language of highest weight, the first of equals.
func preferred(header string) string {
	best, weight := languages()[0], 0.0
	for i, part := range strings.Split(header, ",") {
		if i == 50 {
			break
		}
		tag, params, _ := strings.Cut(part, ";")
		l, ok := known(tag)
		if q := quality(params); ok && q > weight {
			best, weight = l, q
		}
	}
	return best
}

func quality(params string) float64 {
	text, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
	if !ok {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || q < 0 || q > 1 {
		return 0
	}
	return q
}

// direction is how a language is written.
func direction(language string) string {
	if language == "ar" {
		return "rtl"
	}
	return "ltr"
}

// grouped writes a whole number in groups of three digits.
func grouped(n int64, language string) string {
	digits := []byte(strconv.FormatInt(n, 10))
	separator := byte(',')
	if language == "de" {
		separator = '.'
	}
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = slices.Insert(digits, i, separator)
	}
	return string(digits)
}
