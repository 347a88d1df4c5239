package open

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"unicode"
	"unicode/utf8"

	"primum/internal/store"
	"primum/thing"
)

// Bounds of a service's texts, in bytes.
const (
	maxTitle = 200
	maxText  = 4000
	maxURL   = 500
	maxTexts = 50 // languages
)

// PutService makes or replaces a service; created tells which. Values outside
// its new retention go with the next sweep. Errors: *Invalid, store.ErrQuota.
func (b *Book) PutService(ctx context.Context, s Service) (created bool, err error) {
	if err := s.Check(); err != nil {
		return false, err
	}
	if s.KeepDays == 0 {
		s.KeepDays = DefaultKeep
	}
	s.Modified = b.now()
	document, err := json.Marshal(s)
	if err != nil {
		return false, fmt.Errorf("put open service: %w", err)
	}
	var isNew bool // written by the job, read after it
	err = b.file.Change(ctx, "put open service", func(t *store.Tx) error {
		there, err := t.Number("SELECT count(*) FROM service WHERE name = ?", s.Name)
		if err != nil {
			return err
		}
		if isNew = there == 0; isNew {
			if all, err := t.Number("SELECT count(*) FROM service"); err != nil || all >= MaxServices {
				return quota(err)
			}
		}
		_, err = t.Exec("INSERT OR REPLACE INTO service (name, document, modified) VALUES (?, ?, ?)", s.Name, string(document), s.Modified.UnixMilli())
		return err
	})
	return err == nil && isNew, err
}

func quota(err error) error {
	if err != nil {
		return err
	}
	return store.ErrQuota
}

// RemoveService erases a service with its things and values. Errors:
// ErrUnknown.
func (b *Book) RemoveService(ctx context.Context, name string) error {
	if _, err := b.Service(ctx, name); err != nil {
		return err
	}
	for {
		things, err := b.Things(ctx, name, "", 100)
		if err != nil {
			return err
		}
		for _, t := range things {
			if err := b.RemoveThing(ctx, name, t.Name); err != nil && !errors.Is(err, ErrUnknown) {
				return err
			}
		}
		if len(things) > 0 {
			continue
		}
		left, err := b.removeEmpty(ctx, name)
		if err != nil || left == 0 {
			return err
		}
	}
}

// removeEmpty takes a service out, unless somebody has put a thing into it.
func (b *Book) removeEmpty(ctx context.Context, name string) (left int64, err error) {
	err = b.file.Change(ctx, "remove open service", func(t *store.Tx) (err error) {
		if left, err = t.Number("SELECT count(*) FROM thing WHERE service = ?", name); err != nil || left > 0 {
			return err
		}
		_, err = t.Exec("DELETE FROM service WHERE name = ?", name)
		return err
	})
	if err != nil {
		return 0, err // the job may still run
	}
	return left, nil
}

// Service reads one service. Errors: ErrUnknown.
func (b *Book) Service(ctx context.Context, name string) (Service, error) {
	s, err := store.One(ctx, b.file, "open service", scanService, "SELECT document FROM service WHERE name = ?", name)
	return s, known(err)
}

// Services lists all services by name.
func (b *Book) Services(ctx context.Context) ([]Service, error) {
	return store.Many(ctx, b.file, "open services", scanService, "SELECT document FROM service ORDER BY name")
}

func scanService(r store.Row) (s Service, err error) {
	var document string
	if err := r.Scan(&document); err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(document), &s)
}

// ReadService reads a service's document as a publisher sends it: strictly, and
// bounded by its caller. Errors: *Invalid.
func ReadService(b []byte) (Service, error) {
	var s Service
	if _, err := thing.DecodeValue(b); err != nil { // depth and duplicate members
		return s, invalid(err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, &Invalid{"", "not a service's document: " + err.Error()}
	}
	return s, nil
}

// Check says whether a service can be put. Errors: *Invalid.
func (s Service) Check() error {
	if err := thing.CheckName(s.Name); err != nil {
		return &Invalid{"/name", err.Error()}
	}
	if s.Title == "" {
		return &Invalid{"/title", "a service has a title"}
	}
	for _, f := range []struct {
		pointer, text string
		most          int
	}{{"/title", s.Title, maxTitle}, {"/description", s.Text, maxText}} {
		if err := checkText(f.pointer, f.text, f.most); err != nil {
			return err
		}
	}
	if err := checkTexts("/titles", s.Titles, maxTitle); err != nil {
		return err
	}
	if err := checkTexts("/descriptions", s.Texts, maxText); err != nil {
		return err
	}
	if s.KeepDays < 0 || s.KeepDays > MaxKeep {
		return &Invalid{"/keepDays", fmt.Sprintf("not between 1 and %d days", MaxKeep)}
	}
	if s.License != "" && !isURL(s.License, "https") {
		return &Invalid{"/license", "not an https: URL"}
	}
	if s.Contact != "" && !isURL(s.Contact, "https", "mailto") {
		return &Invalid{"/contact", "not a mailto: or https: URL"}
	}
	return nil
}

// languageTag is the part of BCP 47 that is used.
var languageTag = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$`)

func checkTexts(pointer string, texts map[string]string, most int) error {
	if len(texts) > maxTexts {
		return &Invalid{pointer, fmt.Sprintf("more than %d languages", maxTexts)}
	}
	for lang, text := range texts {
		if !languageTag.MatchString(lang) {
			return &Invalid{pointer, "a member's name is no language tag"}
		}
		if err := checkText(pointer+"/"+lang, text, most); err != nil {
			return err
		}
	}
	return nil
}

// checkText refuses what would change the look of what stands beside it.
func checkText(pointer, text string, most int) error {
	if len(text) > most || !utf8.ValidString(text) {
		return &Invalid{pointer, fmt.Sprintf("not text of at most %d bytes", most)}
	}
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) {
			return &Invalid{pointer, fmt.Sprintf("has the control character %U", r)}
		}
	}
	return nil
}

func isURL(s string, schemes ...string) bool {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxURL || u.User != nil {
		return false
	}
	for _, scheme := range schemes {
		if u.Scheme == scheme && (u.Host != "" || scheme == "mailto" && u.Opaque != "") {
			return true
		}
	}
	return false
}
