package engine

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"primum/circle"
	"primum/client"
	"primum/client/keys"
	"primum/internal/wire"
)

// lockPatience is how long the end of an account waits for each thing's own
// answer; the node's is asked for meanwhile.
const lockPatience = 10 * time.Second

// signOffPatience is how long an account that is forgotten waits for its node.
const signOffPatience = 3 * time.Second

// deleteAccount withdraws every grant that was given, closes the account at the
// node and erases everything here. It goes no further while some grant has
// neither lock, so that it can be tried again.
func (e *Engine) deleteAccount(ctx context.Context, p SecretParams) (Deleted, error) {
	e.book.turn.Lock()
	defer e.book.turn.Unlock()
	s, err := e.openState()
	if err != nil {
		return Deleted{}, err
	}
	c, err := e.client()
	if err != nil {
		return Deleted{}, err
	}
	i, _, err := e.unlockOrUnshown(ctx, s, p.Secret)
	if err != nil {
		return Deleted{}, err
	}
	defer i.Erase()
	out, err := withdrawAll(ctx, c)
	if err != nil {
		return out, err
	}
	if open := out.unlocked(); open > 0 {
		return out, &Error{Code: "delete-locks", Data: map[string]string{"Count": strconv.Itoa(open)}}
	}
	err = e.closeAccount(ctx, s, i)
	if client.IsProblem(err, wire.ProbConflict) { // the node's list of what runs counts
		return out, &Error{Code: "delete-locks", Data: map[string]string{"Count": "1"}}
	}
	if err != nil {
		return out, fmt.Errorf("delete account: %w", err)
	}
	return out, e.leaveAndErase()
}

// closeAccount closes the account at the node for good. Where it is closed
// already, an answer was lost before.
func (e *Engine) closeAccount(ctx context.Context, s accountState, i keys.Identity) error {
	at := e.o.Clock.Now().UTC().Truncate(time.Second)
	err := e.nodeOf(s).CloseAccount(ctx, wire.CloseAccount{
		At: at, Signature: ed25519.Sign(i.Signer(), wire.CloseAccountBytes(s.Account, at)),
	})
	if err == nil || errors.Is(err, client.ErrUnreachable) {
		return err
	}
	if _, gone := client.FetchIdentity(ctx, e.calls(), s.Account); errors.Is(gone, client.ErrNoAccount) {
		return nil
	}
	return err
}

// withdrawAll ends every grant of every home and tells of each how it ended.
func withdrawAll(ctx context.Context, c *client.Client) (out Deleted, err error) {
	for _, h := range c.Owner.Homes() {
		if err := c.Owner.WithdrawHome(h.Circle); err != nil {
			return out, fmt.Errorf("withdraw home: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	for _, g := range c.Owner.Given() {
		if g.State.Terminal() && g.Withdrawal == nil {
			continue // it ended by itself
		}
		stop := DeletedGrant{Grant: g.ID, Other: g.Grantee}
		info, nodeErr, err := c.Withdraw(ctx, g.ID, lockPatience)
		if err != nil {
			return out, err
		}
		stop.Stop = stopOfInfo(info)
		if nodeErr != nil {
			stop.Stop.NodeError = nodeErr.Error()
		}
		out.Stops = append(out.Stops, stop)
	}
	return out, nil
}

func stopOfInfo(w circle.WithdrawalInfo) Stop {
	return Stop{Asked: w.Asked, LockOne: w.LockOne, LockTwo: w.LockTwo, Receipt: w.Receipt, Statement: w.Statement}
}

// unlocked counts grants that neither the node nor the thing has ended.
func (d Deleted) unlocked() (n int) {
	for _, s := range d.Stops {
		if s.Stop.LockOne.IsZero() && s.Stop.LockTwo.IsZero() {
			n++
		}
	}
	return n
}

// forget erases all that is here; the account stays at its node.
func (e *Engine) forget(ctx context.Context, _ Empty) (Empty, error) {
	e.book.turn.Lock()
	defer e.book.turn.Unlock()
	e.signOff(ctx)
	return Empty{}, e.leaveAndErase()
}

// signOff ends what the node does for this browser, as far as it can be
// reached: whoever uses it next shall not be rung for an account that was
// forgotten, nor have its requests carried.
func (e *Engine) signOff(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, signOffPatience)
	defer cancel()
	for _, what := range []string{"push", "session"} {
		if err := e.own(ctx, "DELETE", what, nil, nil); err != nil {
			e.o.Log.Info("not ended at the node", "what", what, "why", err)
		}
	}
}

func (e *Engine) leaveAndErase() error {
	err := errors.Join(e.leave(), e.erase())
	e.mu.Lock()
	e.gone = false
	e.mu.Unlock()
	e.emitStatus()
	return err
}

// erase removes everything of an account from the directory. The account's
// file goes last: a crash before that is finished at the next start.
func (e *Engine) erase() error {
	if _, ok := e.book.get(); ok {
		if err := e.book.change(func(s *accountState) { *s = accountState{Stage: stageErasing} }); err != nil {
			return err
		}
	}
	if err := e.clear(); err != nil {
		return err
	}
	return e.book.forget()
}

// clear removes all but the account's file.
func (e *Engine) clear() error {
	entries, err := os.ReadDir(e.o.Dir)
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() == accountFile {
			continue
		}
		if err := os.RemoveAll(filepath.Join(e.o.Dir, entry.Name())); err != nil {
			return fmt.Errorf("erase: %w", err)
		}
	}
	return nil
}

// exported is the file of an export: docs/spec/export.md.
type exported struct {
	Format   string                     `json:"format"` // primum-export
	Version  int                        `json:"version"`
	Made     time.Time                  `json:"made"`
	Account  string                     `json:"account"`
	Client   string                     `json:"client"`   // that made it
	Identity string                     `json:"identity"` // JWS
	Keep     json.RawMessage            `json:"keep,omitempty"`
	People   []exportedPerson           `json:"people"`
	Given    []exportedGrant            `json:"given"`
	Received []exportedGrant            `json:"received"`
	Shown    map[string]json.RawMessage `json:"shown"` // answers of the engine's methods
}

type exportedPerson struct {
	Person
	Identity string `json:"identity"` // JWS
}

type exportedGrant struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Owner     string    `json:"owner,omitempty"`
	Grantee   string    `json:"grantee,omitempty"`
	Terms     string    `json:"terms,omitempty"` // JWS
	From      time.Time `json:"from,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	Receipt   string    `json:"receipt,omitempty"`   // JWS
	Statement string    `json:"statement,omitempty"` // JWS
}

// export writes everything this client holds about the account, but its keys.
func (e *Engine) export(ctx context.Context, _ Empty) (Export, error) {
	c, err := e.client()
	if err != nil {
		return Export{}, err
	}
	s, _ := e.book.get()
	out := exported{
		Format: "primum-export", Version: 1, Made: e.o.Clock.Now().UTC().Truncate(time.Second),
		Account: s.Account, Client: s.Client.Name, Identity: s.Document,
		Given: exportGrants(c.Owner.Given()), Received: exportGrants(c.Owner.Grants()),
	}
	if s.Keep != nil {
		if out.Keep, err = s.Keep.Bytes(); err != nil {
			return Export{}, err
		}
	}
	if out.People, err = e.exportPeople(ctx, c); err != nil {
		return Export{}, err
	}
	if out.Shown, err = e.exportShown(ctx); err != nil {
		return Export{}, err
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return Export{}, fmt.Errorf("export: %w", err)
	}
	name := "primum-" + fileName(s.Account) + "-" + out.Made.Format("2006-01-02") + ".json"
	return Export{Name: name, Content: string(b) + "\n"}, nil
}

// exportShown is what the pages show now.
func (e *Engine) exportShown(ctx context.Context) (map[string]json.RawMessage, error) {
	out := make(map[string]json.RawMessage)
	for _, method := range []string{"things", "requests", "grants", "link.list", "alert.list"} {
		answer, err := e.Call(ctx, method, nil)
		switch {
		case err != nil:
			answer, err = json.Marshal(map[string]string{"error": err.Error()})
		case method == "link.list":
			answer, err = withoutURLs(answer)
		}
		if err != nil {
			return nil, fmt.Errorf("export %s: %w", method, err)
		}
		out[method] = answer
	}
	return out, nil
}

// withoutURLs takes the secrets out of a list of links.
func withoutURLs(raw json.RawMessage) (json.RawMessage, error) {
	var links []LinkInfo
	if err := json.Unmarshal(raw, &links); err != nil {
		return nil, err
	}
	for i := range links {
		links[i].URL = ""
	}
	return json.Marshal(links)
}

func exportGrants(all []circle.GrantInfo) []exportedGrant {
	out := []exportedGrant{}
	for _, g := range all {
		x := exportedGrant{
			ID: g.ID, State: string(g.State), Owner: g.Owner, Grantee: g.Grantee, Terms: g.Terms,
			From: g.ValidFrom, Until: g.ValidUntil,
		}
		if g.Withdrawal != nil {
			x.Receipt, x.Statement = g.Withdrawal.Receipt, g.Withdrawal.Statement
		}
		out = append(out, x)
	}
	return out
}

func (e *Engine) exportPeople(ctx context.Context, c *client.Client) ([]exportedPerson, error) {
	all, err := e.people(ctx, Empty{})
	if err != nil {
		return nil, err
	}
	out := []exportedPerson{}
	for _, p := range all {
		x := exportedPerson{Person: p}
		if v, ok := c.Directory.Known(p.Account); ok {
			x.Identity = v.Compact()
		}
		out = append(out, x)
	}
	return out, nil
}

// fileName is an account as part of a file's name.
func fileName(account string) string {
	b := []byte(account)
	for i, c := range b {
		switch c {
		case '/', '\\', ':', '<', '>', '|', '?', '*', '"':
			b[i] = '_'
		case '@':
			b[i] = '.'
		}
	}
	return string(b)
}
