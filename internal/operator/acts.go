package operator

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"primum/internal/store"
)

const (
	inviteMost = 90 // days
	reasonMost = 300
)

// postInvitation makes an invitation and shows its code, once.
func (o *Operator) postInvitation(w http.ResponseWriter, r *http.Request, v visit) {
	days, err := strconv.Atoi(r.PostFormValue("days"))
	if err != nil || days < 1 || days > inviteMost {
		o.fail(w, r, http.StatusBadRequest, "operator.failed.days")
		return
	}
	until := v.now.Add(time.Duration(days) * 24 * time.Hour)
	code, err := Invite(r.Context(), o.cfg.Store, v.who.Name, v.now, until)
	if err != nil {
		o.broken(w, r, err)
		return
	}
	o.showInvitations(w, r, v, code, until)
}

func (o *Operator) postRevoke(w http.ResponseWriter, r *http.Request, v visit) {
	hash, err := base64.RawURLEncoding.DecodeString(r.PostFormValue("invitation"))
	if err != nil || len(hash) != 32 {
		o.fail(w, r, http.StatusBadRequest, "operator.failed.gone")
		return
	}
	err = o.cfg.Store.Operators.Revoke(r.Context(), hash, v.act(actRevoke, inviteName(hash), ""))
	o.done(w, r, err, "/invitations", "revoked")
}

// postTakeDown takes a public page down, with a reason that stays in the log.
func (o *Operator) postTakeDown(w http.ResponseWriter, r *http.Request, v visit) {
	id, reason := r.PostFormValue("notice"), strings.TrimSpace(r.PostFormValue("reason"))
	if n := utf8.RuneCountInString(reason); n < 3 || n > reasonMost || !utf8.ValidString(reason) {
		o.fail(w, r, http.StatusBadRequest, "operator.failed.reason")
		return
	}
	err := o.cfg.Store.Operators.TakeDown(r.Context(), id, v.act(actTakeDown, id, reason))
	o.done(w, r, err, "/notices", "taken")
}

// done leads back to a page that says what was done, so that loading it again
// does nothing again.
func (o *Operator) done(w http.ResponseWriter, r *http.Request, err error, here, what string) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		o.fail(w, r, http.StatusNotFound, "operator.failed.gone")
	case err != nil:
		o.broken(w, r, err)
	default:
		http.Redirect(w, r, root+here+"?done="+what, http.StatusSeeOther)
	}
}
