package client

import (
	"context"
	"fmt"
	"time"

	"primum/circle"
	"primum/identity"
	"primum/internal/wire"
)

// inboxInfo is the HPKE info of everything in an inbox.
const inboxInfo = "primum inbox"

func inboxAAD(from, to, client string) []byte {
	return []byte(from + "\x00" + to + "\x00" + client)
}

// SealInbox seals a document to every client of the recipient.
func SealInbox(kind, from string, to *identity.Verified, expires time.Time, document []byte) (wire.Sealed, error) {
	s := wire.Sealed{Kind: kind, From: from, To: to.Address().String(), Expires: expires.UTC()}
	for _, c := range to.Clients() {
		enc, box, err := identity.Seal(c.InboxKey, []byte(inboxInfo), inboxAAD(s.From, s.To, c.Name), document)
		if err != nil {
			return s, fmt.Errorf("seal to client %s of %s: %w", c.Name, s.To, err)
		}
		s.Copies = append(s.Copies, wire.SealCopy{Client: c.Name, Enc: enc, Box: box})
	}
	return s, nil
}

// OpenInbox opens this client's copy of a sealed document.
func OpenInbox(s wire.Sealed, to, client string, key *identity.InboxKey) ([]byte, error) {
	if s.To != to {
		return nil, fmt.Errorf("open inbox item: it is for %s", s.To)
	}
	for _, c := range s.Copies {
		if c.Client == client {
			return key.Open([]byte(inboxInfo), inboxAAD(s.From, s.To, client), c.Enc, c.Box)
		}
	}
	return nil, fmt.Errorf("open inbox item: %w", identity.ErrNoClient)
}

// sendInbox performs circle.EffectSendInbox.
func (d *driver) sendInbox(ctx context.Context, n Node, e circle.Effect) error {
	to, err := d.inbox.directory.Learn(e.Identity)
	if err != nil {
		return fmt.Errorf("send to %s: %w", e.Account, err)
	}
	s, err := SealInbox(e.InboxKind, d.inbox.account, to, e.Expires, e.Document)
	if err != nil {
		return err
	}
	return n.Post(ctx, s)
}
