package linkset

import (
	"crypto/sha256"
	"encoding/base32"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Vocabulary is the name space of GS1's link types in what is published.
const Vocabulary = "https://ref.gs1.org/voc/"

var (
	gs1Name    = regexp.MustCompile(`^[a-zA-Z]{2,64}$`)
	typeURL    = regexp.MustCompile(`^https?://[a-zA-Z0-9./]{3,}$`)       // GS1's schema takes no # and no -; MaxText bounds it
	mediaType  = regexp.MustCompile(`^[a-z0-9.+_-]{1,64}/[a-z0-9.+_-]+$`) // without parameters
	language   = regexp.MustCompile(`^[a-z]{2}(-[A-Z]{2})?$`)             // all that GS1's schema takes
	vocabulary = regexp.MustCompile(`(?i)^https?://(ref\.|www\.)?gs1\.org/voc/`)
	shortID    = base32.StdEncoding.WithPadding(base32.NoPadding)
)

// NormalType makes one spelling of a link type's: GS1's own become "gs1:…".
// Errors: *InvalidError.
func NormalType(s string) (string, error) {
	name, own := strings.CutPrefix(s, "gs1:")
	if at := vocabulary.FindString(s); at != "" {
		name, own = s[len(at):], true
	}
	switch {
	case own && gs1Name.MatchString(name):
		return "gs1:" + name, nil
	case own:
		return "", &InvalidError{"linkType", "a GS1 link type is gs1: and letters"}
	case len(s) <= MaxText && typeURL.MatchString(s):
		return s, nil
	}
	if r, ok := registered(s); ok {
		return r, nil
	}
	reason := `it is "gs1:pip" and the like, a relation of IANA's registry, or an http(s) URL without # and -`
	if m := meant(s); m != "" {
		reason += `; "` + m + `"?`
	}
	return "", &InvalidError{"linkType", reason}
}

// TypeURL is a link type as RFC 9264 documents name it.
func TypeURL(linkType string) string {
	if name, ok := strings.CutPrefix(linkType, "gs1:"); ok {
		return Vocabulary + name
	}
	return linkType
}

// ID names a link among those of its anchor. It is made of all that tells links
// apart, so that the same link put twice is one.
func (e Entry) ID() string {
	h := sha256.New()
	for _, s := range []string{e.LinkType, e.Href, strings.Join(e.Langs, ","), e.Type, strings.Join(e.Context, "\x00")} {
		_, _ = h.Write([]byte(s))
		_, _ = h.Write([]byte{'\n'})
	}
	return strings.ToLower(shortID.EncodeToString(h.Sum(nil)[:10]))
}

// checked is a link with one spelling of everything, or why it can't be kept.
func (e Entry) checked() (Entry, error) {
	var err error
	if e.LinkType == "" {
		e.LinkType = DefaultLink
	}
	if e.LinkType, err = NormalType(e.LinkType); err != nil {
		return e, err
	}
	if err := checkTarget("href", e.Href); err != nil {
		return e, err
	}
	if e.Type != "" && !mediaType.MatchString(strings.ToLower(e.Type)) {
		return e, &InvalidError{"type", `it is a media type without parameters, as "text/html"`}
	}
	e.Type = strings.ToLower(e.Type)
	if e.Langs, err = checkLanguages(e.Langs); err != nil {
		return e, err
	}
	if len(e.Context) > MaxTags {
		return e, &InvalidError{"context", "there are more than " + strconv.Itoa(MaxTags)}
	}
	for _, c := range e.Context {
		if c == "" || len(c) > 64 || !plain(c) {
			return e, &InvalidError{"context", "it is a text of at most 64 bytes"}
		}
	}
	if len(e.Title) > MaxText || !plain(e.Title) {
		return e, &InvalidError{"title", "it is a text of at most " + strconv.Itoa(MaxText) + " bytes"}
	}
	return e, nil
}

// checkTarget refuses what is no http(s) URL.
func checkTarget(member, s string) error {
	if len(s) > MaxHref {
		return &InvalidError{member, "it is longer than " + strconv.Itoa(MaxHref) + " bytes"}
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || !plain(s) || strings.ContainsAny(s, " \"<>\\^`{|}") {
		return &InvalidError{member, "it is an http or https URL, with no name or password in it"}
	}
	return nil
}

// checkLanguages gives languages the case of GS1's schema.
func checkLanguages(langs []string) ([]string, error) {
	if len(langs) > MaxTags {
		return nil, &InvalidError{"hreflang", "there are more than " + strconv.Itoa(MaxTags)}
	}
	var all []string
	for _, l := range langs {
		tag, region, has := strings.Cut(l, "-")
		l = strings.ToLower(tag)
		if has {
			l += "-" + strings.ToUpper(region)
		}
		if !language.MatchString(l) {
			return nil, &InvalidError{"hreflang", `a language is "de" or "de-AT"; GS1's linksets know no other form`}
		}
		all = append(all, l)
	}
	return all, nil
}

// checkAnchor refuses what can't be an anchor. That it is in its canonical form
// is the caller's part.
func checkAnchor(member, s string) error {
	if s == "" || len(s) > MaxAnchor || strings.HasPrefix(s, "/") || !plain(s) {
		return &InvalidError{member, "it is a canonical name of at most " + strconv.Itoa(MaxAnchor) + " bytes, without a first slash"}
	}
	return nil
}

// plain tells whether a text can be shown on one line.
func plain(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return false
		}
	}
	return true
}

// checked is an item whose members can be kept.
func (it Item) checked() (Item, error) {
	if err := checkAnchor("anchor", it.Anchor); err != nil {
		return it, err
	}
	if len(it.Description) > MaxText || !plain(it.Description) || len(it.Local) > MaxTags {
		return it, &InvalidError{"itemDescription", "it is a text of at most " + strconv.Itoa(MaxText) + " bytes"}
	}
	for lang, s := range it.Local {
		if !language.MatchString(lang) || len(s) > MaxText || !plain(s) {
			return it, &InvalidError{"itemDescriptionIn", "it has texts by language"}
		}
	}
	entries := make([]Entry, len(it.Entries))
	for i, e := range it.Entries {
		e, err := e.checked()
		if err != nil {
			return it, err
		}
		entries[i] = e
	}
	it.Entries = entries
	return it, nil
}
