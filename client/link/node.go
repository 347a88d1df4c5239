package link

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"primum/identity"
	"primum/internal/wire"
	"primum/ledger"
)

// Node is the node of one authority, asked by one key. Its methods are the
// node's HTTP API one to one; they retry nothing.
type Node struct {
	Calls
	Authority string
	By        Key
}

func (n Node) url(parts ...string) string {
	u := BaseURL(n.Authority) + "/v1"
	for _, p := range parts {
		u += "/" + url.PathEscape(p)
	}
	return u
}

// Info reads the node's well-known document.
func (n Node) Info(ctx context.Context) (info wire.NodeInfo, err error) {
	return info, n.JSON(ctx, Key{}, "GET", BaseURL(n.Authority)+wire.NodePath, nil, &info)
}

// NewAccount opens an account with its first identity document.
func (n Node) NewAccount(ctx context.Context, a wire.NewAccount) error {
	return n.JSON(ctx, n.By, "POST", n.url("accounts"), a, nil)
}

// Identity reads the identity document of a local user. It is the node's word:
// verify and pin it (Directory does).
func (n Node) Identity(ctx context.Context, user string) (string, error) {
	r, err := n.Send(ctx, Key{}, Request{Method: "GET", URL: n.url("identity", user), Max: wire.MaxDocument})
	return string(r.Body), err
}

// PutIdentity publishes the next identity document.
func (n Node) PutIdentity(ctx context.Context, user, compact string) error {
	return n.putDocument(ctx, n.url("identity", user), compact)
}

// PutSuspension suspends an account's giving until a newer identity document.
func (n Node) PutSuspension(ctx context.Context, user, compact string) error {
	return n.putDocument(ctx, n.url("suspension", user), compact)
}

func (n Node) putDocument(ctx context.Context, address, compact string) error {
	_, err := n.Send(ctx, n.By, Request{
		Method: "PUT", URL: address, Body: []byte(compact),
		Header: map[string]string{"Content-Type": wire.JOSE},
	})
	return err
}

// PutKeep leaves the wrapped copies of the account's identity key (client/keys)
// at the node, in place of earlier ones.
func (n Node) PutKeep(ctx context.Context, keep []byte) error {
	_, err := n.Send(ctx, n.By, Request{
		Method: "PUT", URL: n.url("keep"), Body: keep, Header: map[string]string{"Content-Type": "application/json"},
	})
	return err
}

// Keep reads what PutKeep left of a local user; anyone may. It is the node's
// word until a secret opens it.
func (n Node) Keep(ctx context.Context, user string) ([]byte, error) {
	r, err := n.Send(ctx, Key{}, Request{Method: "GET", URL: n.url("keep", user), Max: wire.MaxKeep})
	return r.Body, err
}

// CloseAccount closes the account of the calling client for good; the identity
// key has signed that.
func (n Node) CloseAccount(ctx context.Context, c wire.CloseAccount) error {
	return n.JSON(ctx, n.By, "DELETE", n.url("account"), c, nil)
}

// PutKeyPackages adds to this client's stock and tells what is left.
func (n Node) PutKeyPackages(ctx context.Context, p wire.KeyPackages) (c wire.KeyPackageCount, err error) {
	return c, n.JSON(ctx, n.By, "POST", n.url("key-packages"), p, &c)
}

// KeyPackageCount tells what is left of this client's stock.
func (n Node) KeyPackageCount(ctx context.Context) (c wire.KeyPackageCount, err error) {
	return c, n.JSON(ctx, n.By, "GET", n.url("key-packages"), nil, &c)
}

// ClaimKeyPackages asks the circle's node for one package of a suite of each of
// the grantee's clients; an anchor asks.
func (n Node) ClaimKeyPackages(ctx context.Context, circle string, suite uint16) (c wire.ClaimedPackages, err error) {
	return c, n.JSON(ctx, n.By, "POST", n.url("circles", circle, "key-packages"), wire.ClaimKeyPackages{Suite: suite}, &c)
}

// Inbox reads the items after a cursor.
func (n Node) Inbox(ctx context.Context, after uint64) (p wire.Inbox, err error) {
	return p, n.JSON(ctx, n.By, "GET", n.url("inbox")+"?after="+strconv.FormatUint(after, 10), nil, &p)
}

// Post hands a sealed document to the own node, which delivers it.
func (n Node) Post(ctx context.Context, s wire.Sealed) error {
	return n.JSON(ctx, n.By, "POST", n.url("outbox"), s, nil)
}

// FileEnvelope files a grant's envelope; idempotent.
func (n Node) FileEnvelope(ctx context.Context, e wire.NewEnvelope) (r wire.Receipt, err error) {
	return r, n.JSON(ctx, n.By, "POST", n.url("envelopes"), e, &r)
}

// FileClosing withdraws a grant; idempotent.
func (n Node) FileClosing(ctx context.Context, c wire.NewClosing) (r wire.Receipt, err error) {
	return r, n.JSON(ctx, n.By, "POST", n.url("closings"), c, &r)
}

// LedgerProof asks for the tlog-proof of a leaf of the node's commitments log.
// A problem of wire.ProbNotYet says that it waits for the tick.
func (n Node) LedgerProof(ctx context.Context, leaf [32]byte) ([]byte, error) {
	r, err := n.Send(ctx, Key{}, Request{
		Method: "GET", URL: BaseURL(n.Authority) + wire.LedgerProofPath + "?leaf=" + hex.EncodeToString(leaf[:]), Max: ledger.MaxReceipt,
	})
	return r.Body, err
}

// Refuse records that a request was refused.
func (n Node) Refuse(ctx context.Context, r wire.NewRefusal) error {
	return n.JSON(ctx, n.By, "POST", n.url("refusals"), r, nil)
}

// Grants lists the grants this account gave or received at this node.
func (n Node) Grants(ctx context.Context) (g []wire.GrantStatus, err error) {
	return g, n.JSON(ctx, n.By, "GET", n.url("grants"), nil, &g)
}

// Seen asks what was delivered to whom on days up to last (empty: today).
func (n Node) Seen(ctx context.Context, last string, days int) (wire.Seen, error) {
	r, err := n.Send(ctx, n.By, Request{
		Method: "GET", URL: n.url("seen") + "?day=" + url.QueryEscape(last) + "&days=" + strconv.Itoa(days), Max: wire.MaxSeen,
	})
	if err != nil {
		return wire.Seen{}, err
	}
	return wire.ReadSeen(r.Body)
}

// Homes lists the present homes of the calling account.
func (n Node) Homes(ctx context.Context) (h []wire.Home, err error) {
	return h, n.JSON(ctx, n.By, "GET", n.url("homes"), nil, &h)
}

// OpenHome opens a home circle; idempotent by its claim.
func (n Node) OpenHome(ctx context.Context, h wire.NewHome) error {
	return n.JSON(ctx, n.By, "POST", n.url("homes"), h, nil)
}

// Activate presents the active set of a restored node's home circle.
func (n Node) Activate(ctx context.Context, circle, document string) error {
	return n.JSON(ctx, n.By, "POST", n.url("homes", circle, "active"), wire.ActiveSet{Document: document}, nil)
}

// OpenCircle opens a grant circle; an anchor asks; idempotent.
func (n Node) OpenCircle(ctx context.Context, groupInfo []byte) error {
	return n.JSON(ctx, n.By, "POST", n.url("circles"), wire.NewCircle{GroupInfo: groupInfo}, nil)
}

// Circle tells a circle's head and epoch.
func (n Node) Circle(ctx context.Context, circle string) (i wire.CircleInfo, err error) {
	return i, n.JSON(ctx, n.By, "GET", n.url("circles", circle), nil, &i)
}

// Messages reads one page after a cursor; an empty page is the end.
func (n Node) Messages(ctx context.Context, circle string, after uint64) ([]wire.Frame, error) {
	r, err := n.Send(ctx, n.By, Request{
		Method: "GET", URL: n.url("circles", circle, "messages") + "?after=" + strconv.FormatUint(after, 10),
		Max: wire.PageMessageMax + wire.PageMessages*32 + wire.MaxHandshake,
	})
	if err != nil {
		return nil, err
	}
	f, err := wire.ParsePage(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read page of %s: %w", n.Authority, err)
	}
	return f, nil
}

// Append appends a message and tells its sequence number.
func (n Node) Append(ctx context.Context, circle string, message []byte) (uint64, error) {
	var out Appended
	r, err := n.Send(ctx, n.By, Request{
		Method: "POST", URL: n.url("circles", circle, "append"), Body: message,
		Header: map[string]string{"Content-Type": "application/octet-stream"},
	})
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(r.Body, &out); err != nil {
		return 0, fmt.Errorf("read answer of %s: %w", n.Authority, err)
	}
	return out.Seq, nil
}

// Appended answers append and commit.
type Appended struct {
	Seq       uint64 `json:"seq"`
	WelcomeAt uint64 `json:"welcomeAt,omitempty"`
}

// Commit appends a commit and its Welcome in one step.
func (n Node) Commit(ctx context.Context, circle string, commit, welcome []byte) (a Appended, err error) {
	in := struct {
		Commit  []byte `json:"commit"`
		Welcome []byte `json:"welcome,omitempty"`
	}{commit, welcome}
	return a, n.JSON(ctx, n.By, "POST", n.url("circles", circle, "commit"), in, &a)
}

// Ticket gets a one-use ticket for the live socket.
func (n Node) Ticket(ctx context.Context) (t wire.Ticket, err error) {
	return t, n.JSON(ctx, n.By, "POST", n.url("live"), nil, &t)
}

// PublishFirst publishes an identity document that stands for itself, without
// the key of a client that the node knows.
func PublishFirst(ctx context.Context, c Calls, compact string) error {
	v, err := identity.First(compact)
	if err != nil {
		return fmt.Errorf("publish identity document: %w", err)
	}
	n := Node{Calls: c, Authority: v.Address().Authority}
	return n.PutIdentity(ctx, v.Address().User, compact)
}
