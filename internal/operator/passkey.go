package operator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"primum/internal/store"
)

// person is an operator as the WebAuthn library wants to see them.
type person struct {
	store.Operator
	keys []webauthn.Credential
}

func (p *person) WebAuthnID() []byte                         { return p.Handle }
func (p *person) WebAuthnName() string                       { return p.Name }
func (p *person) WebAuthnDisplayName() string                { return p.Name }
func (p *person) WebAuthnCredentials() []webauthn.Credential { return p.keys }

// byHandle finds who a passkey belongs to.
func (o *Operator) byHandle(r *http.Request) webauthn.DiscoverableUserHandler {
	return func(_, handle []byte) (webauthn.User, error) {
		who, keys, err := o.cfg.Store.Operators.ByHandle(r.Context(), handle)
		if err != nil {
			return nil, err
		}
		p := &person{Operator: who}
		for _, k := range keys {
			var c webauthn.Credential
			if err := json.Unmarshal(k.Credential, &c); err != nil {
				return nil, err
			}
			p.keys = append(p.keys, c)
		}
		return p, nil
	}
}

// begin answers the options of a ceremony, and lets the browser remember it.
func (o *Operator) begin(w http.ResponseWriter, options any, data *webauthn.SessionData, ticket []byte) {
	sealed, err := o.tries.seal(try{*data, ticket, o.cfg.Clock.Now().Add(tryLasts)})
	if err != nil {
		o.refuse(w, http.StatusInternalServerError, "begin a ceremony", err)
		return
	}
	o.setCookie(w, tryCookie, sealed, tryLasts)
	answer(w, options)
}

// tried is the ceremony that a request ends.
func (o *Operator) tried(w http.ResponseWriter, r *http.Request) (try, bool) {
	c, err := r.Cookie(tryCookie)
	if err != nil {
		return try{}, false
	}
	o.setCookie(w, tryCookie, "", -time.Second)
	return o.tries.open(c.Value, o.cfg.Clock.Now())
}

func (o *Operator) postLoginBegin(w http.ResponseWriter, _ *http.Request) {
	options, data, err := o.passkeys.BeginDiscoverableLogin()
	if err != nil {
		o.refuse(w, http.StatusInternalServerError, "begin login", err)
		return
	}
	o.begin(w, options.Response, data, nil)
}

func (o *Operator) postLogin(w http.ResponseWriter, r *http.Request) {
	t, ok := o.tried(w, r)
	if !ok || t.Ticket != nil {
		o.refuse(w, http.StatusForbidden, "login without a beginning", nil)
		return
	}
	user, used, err := o.passkeys.FinishPasskeyLogin(o.byHandle(r), t.Data, r)
	if err == nil && used.Authenticator.CloneWarning {
		err = errors.New("the passkey's counter went back")
	}
	if err == nil && !o.tries.use(t, o.cfg.Clock.Now()) {
		err = errUsed
	}
	if err != nil {
		o.refuse(w, http.StatusForbidden, "login refused", err)
		return
	}
	credential, err := json.Marshal(used)
	who, known := user.(*person)
	if err != nil || !known {
		o.refuse(w, http.StatusInternalServerError, "login failed", err)
		return
	}
	if err := o.enter(w, r, who.Operator, store.OperatorKey{ID: used.ID, Credential: credential}); err != nil {
		o.refuse(w, http.StatusInternalServerError, "login failed", err)
		return
	}
	answer(w, map[string]string{"go": root})
}

// ticket is what the page of a one-time address sends: the address's last part.
type ticket struct {
	Ticket string `json:"ticket"`
}

func (o *Operator) postNewBegin(w http.ResponseWriter, r *http.Request) {
	var in ticket
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		o.refuse(w, http.StatusBadRequest, "no ticket", nil)
		return
	}
	hash := hashOf(in.Ticket)
	who, err := o.cfg.Store.Operators.ByTicket(r.Context(), hash, o.cfg.Clock.Now())
	if err != nil {
		o.refuse(w, http.StatusForbidden, "a ticket that is none", nil)
		return
	}
	options, data, err := o.passkeys.BeginRegistration(&person{Operator: who})
	if err != nil {
		o.refuse(w, http.StatusInternalServerError, "begin registration", err)
		return
	}
	o.begin(w, options.Response, data, hash)
}

func (o *Operator) postNew(w http.ResponseWriter, r *http.Request) {
	t, ok := o.tried(w, r)
	if !ok || t.Ticket == nil {
		o.refuse(w, http.StatusForbidden, "registration without a beginning", nil)
		return
	}
	who, err := o.cfg.Store.Operators.ByTicket(r.Context(), t.Ticket, o.cfg.Clock.Now())
	if err != nil {
		o.refuse(w, http.StatusForbidden, "a ticket that is none", nil)
		return
	}
	made, err := o.passkeys.FinishRegistration(&person{Operator: who}, t.Data, r)
	if err == nil && !o.tries.use(t, o.cfg.Clock.Now()) {
		err = errUsed
	}
	if err != nil {
		o.refuse(w, http.StatusForbidden, "registration refused", err)
		return
	}
	key, err := o.register(r, who, made, t.Ticket)
	if err == nil {
		err = o.enter(w, r, who, key)
	}
	if err != nil {
		o.refuse(w, http.StatusForbidden, "registration failed", err)
		return
	}
	answer(w, map[string]string{"go": root})
}

func (o *Operator) register(r *http.Request, who store.Operator, made *webauthn.Credential, ticket []byte) (store.OperatorKey, error) {
	now := o.cfg.Clock.Now()
	credential, err := json.Marshal(made)
	if err != nil {
		return store.OperatorKey{}, err
	}
	key := store.OperatorKey{ID: bytes.Clone(made.ID), Name: who.Name, Added: now, Credential: credential}
	act := store.Act{At: now, Who: who.Name, Act: actKey, About: who.Name}
	return key, o.cfg.Store.Operators.Register(r.Context(), ticket, key, act)
}

// answer writes JSON for the page's script.
func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// refuse answers the script, which says it in words of its page, and notes why.
func (o *Operator) refuse(w http.ResponseWriter, status int, what string, err error) {
	o.cfg.Log.Warn("operator: "+what, "error", err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"refused":true}`)
}
