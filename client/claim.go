package client

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"primum/circle"
	"primum/internal/durable"
	"primum/internal/wire"
)

// ErrWrongThing: the door answers with another key than the label pins.
var ErrWrongThing = errors.New("this is another thing than the label says")

// Claim makes the edge behind a claim URL ("http://192.168.1.7:8410#k=…") the
// account's own. code proves presence: the edge shows it in its own terminal.
// On the way back the home circle is joined; its things arrive soon after.
func (c *Client) Claim(ctx context.Context, claimURL, code string) (circle.ID, error) {
	return c.TakeOver(ctx, claimURL, code, nil)
}

// TakeOver is Claim for an edge that may be another account's: release finds its
// owner's word (grant.Release) by the thing's key; empty, or nil, for none.
func (c *Client) TakeOver(ctx context.Context, claimURL, code string, release func(thingKey ed25519.PublicKey) string) (circle.ID, error) {
	base, fingerprint, err := wire.ParseClaimURL(claimURL)
	if err != nil {
		return circle.ID{}, err
	}
	key, err := c.doorKey(ctx, base, fingerprint)
	if err != nil {
		return circle.ID{}, err
	}
	request, err := c.Owner.BeginClaim(c.Home.Authority)
	if err != nil {
		return circle.ID{}, fmt.Errorf("begin claim: %w", err)
	}
	if release != nil {
		request.Release = release(key)
	}
	body, err := json.Marshal(request)
	if err != nil {
		return circle.ID{}, fmt.Errorf("begin claim: %w", err)
	}
	proof, err := wire.DoorProof(code, key, string(body))
	if err != nil {
		return circle.ID{}, err
	}
	var offer wire.DoorOffer
	if err := c.lan(ctx, "POST", base+wire.DoorBegin, wire.DoorClaim{Request: string(body), Proof: proof}, &offer); err != nil {
		return circle.ID{}, fmt.Errorf("claim: %w", err)
	}
	signed, err := c.Owner.SignClaim(request, circle.ClaimOffer(offer), key)
	if err != nil {
		return circle.ID{}, fmt.Errorf("check the edge's claim: %w", err)
	}
	var welcome wire.DoorWelcome
	if err := c.lan(ctx, "POST", base+wire.DoorFinish, wire.DoorSigned{Countersignature: signed}, &welcome); err != nil {
		return circle.ID{}, fmt.Errorf("finish claim: %w", err)
	}
	home, err := c.Owner.JoinHome(circle.ClaimOffer(offer), circle.HomeWelcome(welcome))
	if err != nil {
		return circle.ID{}, fmt.Errorf("join the home circle: %w", err)
	}
	return home, c.rememberDoor(home, base)
}

// doorKey asks the door for its key and holds it against the label.
func (c *Client) doorKey(ctx context.Context, base, fingerprint string) (ed25519.PublicKey, error) {
	var info wire.DoorInfo
	if err := c.lan(ctx, "GET", base+wire.DoorHello, nil, &info); err != nil {
		return nil, fmt.Errorf("knock at the edge: %w", err)
	}
	key := ed25519.PublicKey(info.ThingKey)
	if len(key) != ed25519.PublicKeySize || wire.Fingerprint(key) != fingerprint {
		return nil, ErrWrongThing
	}
	return key, nil
}

func (c *Client) lan(ctx context.Context, method, address string, in, out any) error {
	if c.o.LAN == nil {
		return fmt.Errorf("%w: no local network here", ErrUnreachable)
	}
	calls := c.o.Calls
	calls.Transport = c.o.LAN
	return calls.JSON(ctx, Key{}, method, address, in, out)
}

// doors says where homes were claimed: where a withdrawal is tried first.
func (c *Client) doors() (map[string]string, error) {
	doors := make(map[string]string)
	b, err := durable.ReadFile(filepath.Join(c.o.Dir, "doors.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return doors, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &doors)
	}
	return doors, err
}

func (c *Client) rememberDoor(home circle.ID, base string) error {
	doors, err := c.doors()
	if err != nil {
		return fmt.Errorf("read doors: %w", err)
	}
	doors[home.String()] = base
	b, err := json.Marshal(doors)
	if err == nil {
		err = durable.WriteFile(filepath.Join(c.o.Dir, "doors.json"), b)
	}
	if err != nil {
		return fmt.Errorf("keep door: %w", err)
	}
	return nil
}

// withdrawOnLAN asks the thing itself, where it can be reached. Not reaching
// it is no error: the home circle carries the same.
func (c *Client) withdrawOnLAN(ctx context.Context, grantID string) {
	doors, err := c.doors()
	if err != nil || c.o.LAN == nil {
		return
	}
	base := ""
	for _, g := range c.Owner.Given() {
		if g.ID == grantID {
			base = doors[g.Home.String()]
		}
	}
	if base == "" {
		return
	}
	w, err := c.Owner.LANWithdrawal(grantID)
	if err != nil {
		return
	}
	var s wire.DoorStatement
	if err := c.lan(ctx, "POST", base+wire.DoorWithdraw, w, &s); err != nil {
		c.o.Calls.Log.Info("edge not reached on the LAN", "why", err)
		return
	}
	if err := c.Owner.Statement(s.Statement); err != nil {
		c.o.Calls.Log.Warn("edge's statement not taken", "why", err)
		return
	}
	c.notify()
}
