package anchor

import (
	"crypto/ed25519"
	"time"

	"primum/circle/internal/core"
	"primum/grant"
	"primum/identity"
)

// CutOff takes the news that the node delivers nothing more in a circle. Only
// documents end a grant; the node can at most keep it from flowing.
func (an *Anchor) CutOff(r *core.Room, reason string, _ time.Time) {
	if reason == "restored" {
		an.State.Present = true
		an.Touch(partAnchor)
		r.Synced, r.HeadKnown = false, false
		return
	}
	an.Fence(r, "fenced")
}

// planPresent tells a restored node which grants live.
func (an *Anchor) planPresent(home *core.Room) {
	if !an.State.Present || an.Wishes["present"] != nil {
		return
	}
	doc, err := an.activeSet(home)
	if err != nil {
		an.Log.Error("sign the active set", "error", err)
		return
	}
	an.Wish("present", core.Effect{Kind: core.EffectPresentActive, Node: home.Node, Circle: home.ID, Document: []byte(doc)})
}

func (an *Anchor) activeSet(home *core.Room) (string, error) {
	id, err := identity.NewID(an.Rand, an.Now())
	if err != nil {
		return "", err
	}
	active := grant.Active{ID: id, Home: home.ID.String(), Grants: []grant.ActiveGrant{}, At: an.Now().Truncate(time.Second)}
	for _, gid := range core.SortedKeys(an.Grants) {
		if g := an.Grants[gid]; g.live() {
			active.Grants = append(active.Grants, grant.ActiveGrant{Grant: g.ID, Opening: g.envelope.OpeningHash, Circle: g.Circle.String()})
		}
	}
	return grant.SignActive(active, ed25519.NewKeyFromSeed(home.Seed))
}

// presented: the node knows what lives; every circle is opened there again, in
// the epoch that it has here.
func (an *Anchor) presented(refused *core.Refusal) {
	if refused != nil {
		an.Problem(core.ID{}, "", refused.Kind, "the restored node does not take the list of grants: "+refused.Error())
	}
	an.State.Present = false
	an.Touch(partAnchor)
	if refused != nil {
		return
	}
	for _, r := range an.Rooms {
		r.Opened = false
		if r.Fenced == "restored" || r.Fenced == "fenced" {
			r.Fenced = ""
		}
		an.Touch(r.Part())
	}
}
