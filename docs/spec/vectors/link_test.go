package vectors

import (
	"encoding/hex"
	"testing"
	"time"

	"primum/client/guest"
	"primum/identity"
	"primum/internal/jws"
	"primum/internal/wire"
)

// TestLink is a whole share by link from fixed seeds.
func TestLink(t *testing.T) {
	l := must[guest.Link](t)(guest.New(&stream{seed: "link"}, "h.example"))
	owner := guest.Owner{
		Link:    l,
		Self:    guest.Party{Account: address(t, "owner@h.example"), Key: public("owner identity"), Nonce: seedOf("owner link nonce")},
		Expires: now().Add(24 * time.Hour),
	}
	offer := must[wire.NewLink](t)(owner.Offer())
	status := wire.LinkStatus{
		Step: wire.LinkOpen, Owner: "owner@h.example", Guest: l.ID.GuestName() + "@h.example",
		Expires: offer.Expires, Commitment: offer.Commitment, MAC: offer.MAC,
	}
	visitor := must[guest.Visitor](t)(guest.Look(l, status))
	visitor.Self.Key, visitor.Self.Nonce = public("guest identity"), seedOf("guest link nonce")
	document := must[string](t)(identity.Sign(identity.Document{
		ID: newID(t, &stream{seed: "guest"}), Address: visitor.Self.Account, Kind: identity.Person,
		IdentityKey: public("guest identity"), RecoveryKey: public("guest recovery"), Version: 1,
		Clients: []identity.Client{{
			Name: "browser", Key: public("guest client"), InboxKey: inboxKey(t, "guest inbox").Public(), Suites: []uint16{1}, Browser: true, Added: now(),
		}},
		Issued: now(), Expires: now().Add(identity.MaxValidity), Link: must[[]byte](t)(visitor.Mark()),
	}, signer("guest identity")))
	answer := must[wire.LinkAnswer](t)(visitor.Answer(document))
	status.Step, status.Answer = wire.LinkAnswered, &wire.LinkShown{Identity: answer.Identity, Nonce: answer.Nonce}
	met, reveal, err := owner.Meet(status)
	if err != nil {
		t.Fatal(err)
	}
	status.Step, status.Reveal = wire.LinkRevealed, &reveal
	if words, _, err := visitor.Compare(status); err != nil || words != met.Words {
		t.Errorf("two people see %q and %q: %v", met.Words, words, err)
	}
	compare(t, "link.json", map[string]any{
		"about": "a share by link: what each side sends, what the node shows, and the two words; bytes of messages are base64 as on the wire",
		"url":   l.URL(), "id": hex.EncodeToString(l.ID[:]), "secret": hex.EncodeToString(l.Secret[:]),
		"keys":  []key{ed25519Key("owner identity"), ed25519Key("guest identity"), ed25519Key("guest recovery"), ed25519Key("guest client")},
		"offer": offer, "answer": answer, "mark": jws.Bytes(must[[]byte](t)(visitor.Mark())), "reveal": reveal, "status": status, "words": met.Words,
	})
}
