package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"primum/circle"
	"primum/client"
	"primum/client/keys"
	"primum/client/vault"
	"primum/grant"
	"primum/identity"
	"primum/internal/wire"
)

const (
	shared  = "water/flow"
	every   = 2 * time.Second
	lasting = 7 * 24 * time.Hour
)

// play is the story: two accounts, a claim, a yes, a first value. The two
// identities are closed at the end, so that commands can open them.
func (w *world) play(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	owner, err := w.person(ctx, w.owner, identity.Person, "")
	if err != nil {
		return err
	}
	defer owner.close()
	adviser, err := w.person(ctx, w.adviser, identity.Organisation, "Energy advice")
	if err != nil {
		return err
	}
	defer adviser.close()
	if _, err := adviser.client.Sync(ctx); err != nil {
		return fmt.Errorf("publish the adviser's keys: %w", err)
	}
	if err := w.claim(ctx, owner.client); err != nil {
		return err
	}
	id, err := w.give(ctx, owner.client)
	if err != nil {
		return err
	}
	if err := w.keep(ctx, owner); err != nil {
		return err
	}
	return w.firstValue(ctx, adviser.client, id)
}

// person is an identity in use.
type person struct {
	vault  *vault.Vault
	client *client.Client
}

func (p *person) close() {
	_ = p.client.Close()
	_ = p.vault.Close()
}

// person makes an account and opens it.
func (w *world) person(ctx context.Context, address string, kind identity.Kind, name string) (*person, error) {
	a, err := identity.ParseAddress(address)
	if err != nil {
		return nil, err
	}
	v, recovery, err := vault.Create(w.peopleDir(), vault.New{
		Address: a, Kind: kind, Name: name, Passphrase: phrase, WorkFactor: 10,
		Now: time.Now(), Holder: "primum local",
	})
	if err != nil {
		return nil, fmt.Errorf("make keys of %s: %w", address, err)
	}
	_ = recovery // the identity ends with the folder
	o, err := v.Options(w.o.Transport)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	o.LAN = w.o.Transport
	home := client.Node{Calls: o.Calls, Authority: a.Authority}
	if err := home.NewAccount(ctx, wire.NewAccount{Identity: v.Document()}); err != nil {
		return nil, errors.Join(fmt.Errorf("sign up %s: %w", address, err), v.Close())
	}
	c, err := client.Open(ctx, o)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return &person{vault: v, client: c}, nil
}

// claim makes the house the owner's; the code stands on the edge's terminal.
func (w *world) claim(ctx context.Context, owner *client.Client) error {
	code, err := w.house.edge.NewCode()
	if err != nil {
		return err
	}
	if _, err := owner.Claim(ctx, w.house.edge.ClaimURL(), code); err != nil {
		return fmt.Errorf("claim the house: %w", err)
	}
	w.say("local.claimed", "Owner", w.owner)
	return nil
}

// give waits for the meter's description and shares its flow.
func (w *world) give(ctx context.Context, owner *client.Client) (string, error) {
	target, err := waitFor(ctx, owner, shared)
	if err != nil {
		return "", err
	}
	grantee, err := owner.Directory.Lookup(ctx, w.adviser)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", w.adviser, err)
	}
	purpose, err := grant.FindPurpose("energy advice")
	if err != nil {
		return "", err
	}
	id, err := owner.Give(ctx, circle.GiveParams{
		Home: target.Circle, Grantee: grantee.Compact(), Purpose: purpose, Until: time.Now().Add(lasting),
		Share: []circle.SharedAffordance{{
			Source: circle.Source{Thing: target.Thing, Name: target.Name}, Title: "water",
			Ops:       []string{"observeproperty", "readproperty"},
			Precision: circle.Precision{Every: grant.Duration(every), Stat: grant.Mean},
		}},
	})
	if err != nil {
		return "", err
	}
	w.say("local.gave", "Owner", w.owner, "Adviser", w.adviser, "Thing", shared)
	return id, owner.Opened(ctx, id)
}

// keep lets a browser become a further client of the owner: the identity key,
// wrapped under a phrase that the printed address carries behind its "#", which
// no browser sends.
func (w *world) keep(ctx context.Context, owner *person) error {
	words, err := keys.NewPhrase(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a recovery phrase: %w", err)
	}
	k, err := owner.vault.Keep(phrase, words, rand.Reader)
	if err != nil {
		return fmt.Errorf("wrap the identity key: %w", err)
	}
	b, err := k.Bytes()
	if err != nil {
		return fmt.Errorf("write the wrapped key: %w", err)
	}
	if err := owner.client.Home.PutKeep(ctx, b); err != nil {
		return fmt.Errorf("leave the wrapped key at the node: %w", err)
	}
	w.portal = w.h.node.BaseURL() + "/my#/restore/" + w.owner + "/" + strings.ReplaceAll(words, " ", "-")
	return nil
}

// waitFor asks until the anchor has described the thing.
func waitFor(ctx context.Context, c *client.Client, what string) (client.Target, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		target, err := c.Find(what)
		if err == nil {
			return target, nil
		}
		select {
		case <-ctx.Done():
			return client.Target{}, fmt.Errorf("wait for %s: %w", what, err)
		case <-tick.C:
		}
	}
}

func (w *world) firstValue(ctx context.Context, adviser *client.Client, id string) error {
	for v := range adviser.Watch(ctx, id) {
		if len(v.Value) > 0 && v.State == "" {
			w.say("local.first", "Adviser", w.adviser, "Thing", shared, "Value", string(v.Value)+" "+v.Unit)
			return nil
		}
	}
	return fmt.Errorf("no value came within a minute: %w", context.Cause(ctx))
}

// printScreen is what a newcomer reads.
func (w *world) printScreen() {
	p := w.o.Program
	w.say("local.see")
	w.say("local.where", "Dir", w.dir, "H", w.h.node.BaseURL()+"/", "HFiles", filepath.Join(w.dir, "node-h"),
		"S", w.s.node.BaseURL()+"/", "SFiles", filepath.Join(w.dir, "node-s"))
	w.say("local.portal", "URL", w.portal, "Own", w.h.node.BaseURL()+"/my")
	w.say("local.names", "Product", w.h.node.BaseURL()+"/"+product, "Roof", w.h.node.BaseURL()+"/open/"+weather+"/"+roof, "Services", w.s.node.BaseURL()+"/services")
	w.say("local.try")
	for _, c := range [][2]string{
		{"local.try.watch", "watch " + shared + " --as " + w.adviser},
		{"local.try.bytes", "local bytes"},
		{"local.try.grants", "grants --as " + w.owner},
		{"local.try.share", "share lamp/state " + w.adviser + " --may read,write --for 1d --yes --as " + w.owner},
		{"local.try.send", "send lamp/state ON --as " + w.adviser},
		{"local.try.resolve", "resolve " + product2 + " --via " + w.h.node.Authority()},
		{"local.try.withdraw", "withdraw " + shared + " --as " + w.owner},
	} {
		_, _ = fmt.Fprintf(w.o.Out, "  # %s\n  %s\n\n", w.o.Words.Get(c[0]), strings.TrimSpace(p+" "+c[1]))
	}
	w.say("local.stop")
}
