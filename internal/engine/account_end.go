package engine

import (
	"context"
	"crypto/ed25519"
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
	out.Remains, err = e.eraseAccount(ctx, s, i)
	if client.IsProblem(err, wire.ProbConflict) { // the node's list of what runs counts
		return out, &Error{Code: "delete-locks", Data: map[string]string{"Count": "1"}}
	}
	if err != nil {
		return out, fmt.Errorf("delete account: %w", err)
	}
	return out, e.leaveAndErase()
}

// eraseAccount has the node erase the account for good and says what remains.
// Where it is erased already, an answer was lost before.
func (e *Engine) eraseAccount(ctx context.Context, s accountState, i keys.Identity) (remains []RightsKind, err error) {
	at := e.o.Clock.Now().UTC().Truncate(time.Second)
	out, err := e.nodeOf(s).Erase(ctx, wire.CloseAccount{
		At: at, Signature: ed25519.Sign(i.Signer(), wire.CloseAccountBytes(s.Account, at)),
	})
	for _, r := range out.Remains {
		remains = append(remains, RightsKind{What: clean(r.What, 32), Count: r.Count})
	}
	if err == nil || errors.Is(err, client.ErrUnreachable) {
		return remains, err
	}
	if _, gone := client.FetchIdentity(ctx, e.calls(), s.Account); errors.Is(gone, client.ErrNoAccount) {
		return nil, nil
	}
	return nil, err
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
