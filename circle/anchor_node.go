package circle

import (
	"crypto/ed25519"
	"time"

	"primum/grant"
	"primum/identity"
)

// ended takes the news that the node delivers nothing more in a circle. Only
// documents end a grant; the node can at most keep it from flowing.
func (an *Anchor) ended(r *room, reason string, _ time.Time) {
	if reason == "restored" {
		an.st.Present = true
		an.touch(partAnchor)
		r.synced, r.headKnown = false, false
		return
	}
	an.fence(r, "fenced")
}

// planPresent tells a restored node which grants live.
func (an *Anchor) planPresent(home *room) {
	if !an.st.Present || an.wishes["present"] != nil {
		return
	}
	doc, err := an.activeSet(home)
	if err != nil {
		an.log.Error("sign the active set", "error", err)
		return
	}
	an.wish("present", Effect{Kind: EffectPresentActive, Node: home.Node, Circle: home.ID, Document: []byte(doc)})
}

func (an *Anchor) activeSet(home *room) (string, error) {
	id, err := identity.NewID(an.rand, an.now())
	if err != nil {
		return "", err
	}
	active := grant.Active{ID: id, Home: home.ID.String(), Grants: []grant.ActiveGrant{}, At: an.now().Truncate(time.Second)}
	for _, gid := range sortedKeys(an.grants) {
		if g := an.grants[gid]; g.live() {
			active.Grants = append(active.Grants, grant.ActiveGrant{Grant: g.ID, Opening: g.envelope.OpeningHash, Circle: g.Circle.String()})
		}
	}
	return grant.SignActive(active, ed25519.NewKeyFromSeed(home.Seed))
}

// presented: the node knows what lives; every circle is opened there again, in
// the epoch that it has here.
func (an *Anchor) presented(refused *Refusal) {
	if refused != nil {
		an.problem(ID{}, "", refused.Kind, "the restored node does not take the list of grants: "+refused.Error())
	}
	an.st.Present = false
	an.touch(partAnchor)
	if refused != nil {
		return
	}
	for _, r := range an.rooms {
		r.Opened = false
		if r.Fenced == "restored" || r.Fenced == "fenced" {
			r.Fenced = ""
		}
		an.touch(r.part())
	}
}
