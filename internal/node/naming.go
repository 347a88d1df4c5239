package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"time"

	"primum/internal/meter"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/ledger"
)

// namingName is the name of the one naming policy of a node.
const namingName = "naming"

// naming is the policy that counts from this start on: in the operator's words
// if they gave some, else in the program's, with what the program enforces.
func (f *facts) naming(ctx context.Context, in meter.Languages) (wire.Policy, error) {
	last, err := latestNaming(ctx, f.store)
	if err != nil {
		return wire.Policy{}, err
	}
	p := wire.Policy{V: 1, Name: namingName, Texts: texts(in, "facts.policy.naming."), Settings: map[string]string{
		"accounts": map[bool]string{true: "by-invitation", false: "open"}[f.cfg.Invite], "closed-names": "never-given-again",
		"thing-labels": "random-changed-with-owner",
	}}
	if last.Own {
		p.Own, p.Texts, p.Review = true, last.Texts, last.Review
	}
	return last.followedBy(p), nil
}

// namingPolicy is a naming policy as the store has it.
type namingPolicy struct {
	wire.Policy
	sha256 string // empty: there was none
}

func latestNaming(ctx context.Context, facts *store.Facts) (p namingPolicy, err error) {
	f, err := facts.Latest(ctx, string(ledger.TypeNamingPolicy), namingName)
	if errors.Is(err, store.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(f.Body, &p.Policy); err != nil {
		return p, fmt.Errorf("read the naming policy: %w", err)
	}
	p.sha256 = f.SHA256
	return p, nil
}

// followedBy gives a policy its version, or answers the last one if it says the
// same.
func (last namingPolicy) followedBy(p wire.Policy) wire.Policy {
	p.Version, p.Replaces = last.Version, last.Replaces
	if reflect.DeepEqual(p, last.Policy) {
		return p
	}
	p.Version, p.Replaces = last.Version+1, last.sha256
	return p
}

// AddNamingPolicy publishes rules in the operator's own words for who gets
// which name at the node of dataDir, running or not; without texts the
// program's own words count again. What the program enforces stays part of it.
// It answers the new version. Errors: ErrFact, fs.ErrNotExist.
func AddNamingPolicy(ctx context.Context, dataDir string, own map[string]wire.Text, review string, now time.Time) (sha256 string, version int, added bool, err error) {
	err = withStore(ctx, dataDir, func(st *store.Store) error {
		last, err := latestNaming(ctx, st.Facts)
		if err != nil {
			return err
		}
		p := wire.Policy{V: 1, Name: namingName, Texts: maps.Clone(own), Settings: last.Settings, Review: review, Own: len(own) > 0}
		if !p.Own {
			in, err := factWords()
			if err != nil {
				return err
			}
			p.Texts = texts(in, "facts.policy.naming.")
		}
		f, err := PolicyFact(ledger.TypeNamingPolicy, last.followedBy(p))
		if err == nil {
			err = checkFact(&f)
		}
		if err != nil {
			return err
		}
		f.At = now
		version = last.followedBy(p).Version
		sha256, added, err = st.Facts.Add(ctx, f)
		return err
	})
	return sha256, version, added, err
}
