package operator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"primum/internal/store"
)

const (
	sessionCookie = "primum-operator"
	sessionLasts  = 12 * time.Hour
)

// visit is a request of an operator who is logged in.
type visit struct {
	who   store.Operator
	token string // of the session
	now   time.Time
}

func (v visit) may(needs Role) bool { return Role(v.who.Role).may(needs) }

// csrf is what every form of this session carries. It tells nothing about the
// session's own token.
func (v visit) csrf() string {
	m := hmac.New(sha256.New, []byte(v.token))
	m.Write([]byte("primum operator form"))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// act is an entry for the log, by this operator.
func (v visit) act(name, about, reason string) store.Act {
	return store.Act{At: v.now, Who: v.who.Name, Act: name, About: about, Reason: reason}
}

// visit reads the session; store.ErrNotFound without one.
func (o *Operator) visit(r *http.Request) (v visit, err error) {
	c, err := r.Cookie(sessionCookie)
	if err != nil || len(c.Value) != 43 {
		return v, store.ErrNotFound
	}
	v = visit{token: c.Value, now: o.cfg.Clock.Now()}
	v.who, err = o.cfg.Store.Operators.Session(r.Context(), hashOf(c.Value), v.now)
	return v, err
}

// read is a page for every operator.
func (o *Operator) read(h func(http.ResponseWriter, *http.Request, visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := o.visit(r)
		switch {
		case errors.Is(err, store.ErrNotFound):
			http.Redirect(w, r, root+"/login", http.StatusSeeOther)
		case err != nil:
			o.broken(w, r, err)
		default:
			h(w, r, v)
		}
	}
}

// write is something that needs a role and a form of this very session.
func (o *Operator) write(needs Role, h func(http.ResponseWriter, *http.Request, visit)) http.HandlerFunc {
	return o.read(func(w http.ResponseWriter, r *http.Request, v visit) {
		switch {
		case !hmac.Equal([]byte(r.PostFormValue("form")), []byte(v.csrf())):
			o.fail(w, r, http.StatusForbidden, "operator.failed.form")
		case !v.may(needs):
			o.fail(w, r, http.StatusForbidden, "operator.failed.role")
		default:
			h(w, r, v)
		}
	})
}

// enter begins a session under a new token, whatever the browser had before.
func (o *Operator) enter(w http.ResponseWriter, r *http.Request, who store.Operator, used store.OperatorKey) error {
	text, hash := newSecret()
	now := o.cfg.Clock.Now()
	session := store.OperatorSession{Hash: hash, Name: who.Name, Opened: now, Until: now.Add(sessionLasts)}
	var earlier []byte
	if c, err := r.Cookie(sessionCookie); err == nil {
		earlier = hashOf(c.Value)
	}
	act := store.Act{At: now, Who: who.Name, Act: actLogin}
	if err := o.cfg.Store.Operators.Open(r.Context(), session, earlier, used, act); err != nil {
		return err
	}
	o.setCookie(w, sessionCookie, text, sessionLasts)
	return nil
}

func (o *Operator) postLogout(w http.ResponseWriter, r *http.Request, v visit) {
	if err := o.cfg.Store.Operators.Close(r.Context(), hashOf(v.token), v.act(actLogout, "", "")); err != nil {
		o.broken(w, r, err)
		return
	}
	o.setCookie(w, sessionCookie, "", -time.Second)
	http.Redirect(w, r, root+"/login", http.StatusSeeOther)
}

// setCookie sets a cookie that only these pages get, and no script; a negative
// time takes it away.
func (o *Operator) setCookie(w http.ResponseWriter, name, value string, lasts time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: root, MaxAge: int(lasts / time.Second),
		Secure: strings.HasPrefix(o.cfg.Base, "https:"), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}
