package httpdoor

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"primum/identity"
	"primum/internal/store"
	"primum/internal/wire"
)

// Forms of what a notice holds.
var (
	noticeID       = regexp.MustCompile(`^[A-Za-z0-9_-]{8,64}$`)
	noticeEvery    = regexp.MustCompile(`^([1-9][0-9]{0,3}[smhdw]|change)$`)
	noticeLanguage = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$`)
)

// Bounds of a notice, in bytes of text and in number.
const (
	noticeLine   = 400
	noticeText   = 4000
	noticeItems  = 50
	noticePeople = 20
)

func (d *Door) putNotice(ctx context.Context, c *call) (any, error) {
	var n wire.Notice
	if err := c.decode(&n); err != nil {
		return nil, err
	}
	id := c.r.PathValue("id")
	if !noticeID.MatchString(id) || n.ID != "" && n.ID != id {
		return nil, at(problem(wire.ProbMalformed, "an id has 8 to 64 of A-Z a-z 0-9 - _, and is that of the path"), "/id")
	}
	if err := checkNotice(n); err != nil {
		return nil, err
	}
	n.ID = id
	b, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Store.Notices.Put(ctx, store.Notice{ID: id, Account: c.who.accountName(), Changed: c.now, Document: b}, wire.MaxNotices)
	if errors.Is(err, store.ErrQuota) {
		return nil, tooMany(time.Hour, strconv.Itoa(wire.MaxNotices)+" notices of one account")
	}
	return wire.NoticeKept{ID: id, URL: d.cfg.Base + "/thing/" + id}, err
}

func (d *Door) getNotice(ctx context.Context, c *call) (any, error) {
	n, err := d.Notice(ctx, c.r.PathValue("id"))
	return n, err
}

// Notice reads a thing's public page; the error is store.ErrNotFound where
// there is none.
func (d *Door) Notice(ctx context.Context, id string) (n wire.Notice, err error) {
	if !noticeID.MatchString(id) {
		return n, store.ErrNotFound
	}
	kept, err := d.cfg.Store.Notices.Get(ctx, id)
	if err != nil {
		return n, err
	}
	return n, json.Unmarshal(kept.Document, &n)
}

func (d *Door) listNotices(ctx context.Context, c *call) (any, error) {
	kept, err := d.cfg.Store.Notices.Of(ctx, c.who.accountName())
	if err != nil {
		return nil, err
	}
	out := wire.Notices{Notices: []wire.Notice{}}
	for _, k := range kept {
		var n wire.Notice
		if err := json.Unmarshal(k.Document, &n); err != nil {
			return nil, err
		}
		out.Notices = append(out.Notices, n)
	}
	return out, nil
}

func (d *Door) deleteNotice(ctx context.Context, c *call) (any, error) {
	return nil, d.cfg.Store.Notices.Remove(ctx, c.who.accountName(), c.r.PathValue("id"))
}

// checkNotice refuses what does not fit on a page, or would not look like what
// it is: control and bidirectional characters.
func checkNotice(n wire.Notice) error {
	for _, f := range []struct {
		pointer, text string
		most          int
		needed        bool
	}{
		{"/title", n.Title, noticeLine, true}, {"/about", unbroken(n.About), noticeText, false}, {"/contact", n.Contact, noticeLine, false},
	} {
		if err := plainText(f.text, f.pointer, f.most, f.needed); err != nil {
			return err
		}
	}
	if !noticeLanguage.MatchString(n.Language) {
		return at(problem(wire.ProbMalformed, "the language is no language tag"), "/language")
	}
	if n.Contact != "" && !isContact(n.Contact) {
		return at(problem(wire.ProbMalformed, "a contact begins with mailto: or https://"), "/contact")
	}
	if len(n.Items) == 0 || len(n.Items) > noticeItems {
		return at(problem(wire.ProbMalformed, "a notice has 1 to 50 items"), "/items")
	}
	for i, item := range n.Items {
		if err := checkItem(item, pointer("items", i)); err != nil {
			return err
		}
	}
	return nil
}

// unbroken is a text without its line breaks.
func unbroken(text string) string {
	return strings.NewReplacer("\r\n", " ", "\n", " ").Replace(text)
}

func checkItem(item wire.NoticeItem, where string) error {
	for _, f := range []struct {
		name, text string
		needed     bool
	}{{"what", item.What, true}, {"fine", item.Fine, false}, {"kept", item.Kept, false}, {"purpose", item.Purpose, false}} {
		if err := plainText(f.text, where+"/"+f.name, noticeLine, f.needed); err != nil {
			return err
		}
	}
	if !noticeEvery.MatchString(item.Every) {
		return at(problem(wire.ProbMalformed, "every is a number and one of s m h d w, or change"), where+"/every")
	}
	for name, who := range map[string][]string{"inner": item.Inner, "outer": item.Outer} {
		if len(who) > noticePeople {
			return at(problem(wire.ProbMalformed, "at most 20 recipients"), where+"/"+name)
		}
		for i, text := range who {
			if err := plainText(text, where+"/"+name+"/"+strconv.Itoa(i), noticeLine, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func plainText(text, where string, most int, needed bool) error {
	if needed && text == "" || !identity.PlainText(text, most) {
		return at(problem(wire.ProbMalformed, "one line of text without control characters is wanted, at most "+strconv.Itoa(most)+" bytes"), where)
	}
	return nil
}

// isContact takes what a visitor may be sent to.
func isContact(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	return u.Scheme == "mailto" && u.Opaque != "" || u.Scheme == "https" && u.Host != "" && u.User == nil
}
