package httpdoor

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"primum/client/guest"
	"primum/identity"
	"primum/internal/jws"
	"primum/internal/peer"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/mls"
)

// maxPackageLife bounds how long a key package may be claimed.
const maxPackageLife = 92 * 24 * time.Hour

// getWebFinger leads from an account to its identity document (RFC 7033).
func (d *Door) getWebFinger(ctx context.Context, c *call) (any, error) {
	resource := c.r.URL.Query().Get("resource")
	name, ok := strings.CutPrefix(resource, "acct:")
	account, err := identity.ParseAddress(name)
	if !ok || err != nil {
		return nil, problem(wire.ProbMalformed, "resource must be acct:USER@DOMAIN")
	}
	if account.Authority != d.cfg.Authority {
		return nil, problem(wire.ProbNotFound, "the account is of another domain")
	}
	if _, err := d.cfg.Store.Accounts.Get(ctx, account.String()); err != nil {
		return nil, err
	}
	jrd := wire.JRD{Subject: "acct:" + account.String(), Links: []wire.Link{{
		Rel: wire.RelIdentity, Type: wire.JOSE, Href: d.cfg.Base + "/v1/identity/" + url.PathEscape(account.User),
	}}}
	c.w.Header().Set("Access-Control-Allow-Origin", "*") // RFC 7033 §5
	return jrd, nil
}

func (d *Door) getNode(_ context.Context, c *call) (any, error) {
	return wire.NodeInfo{
		Authority: d.cfg.Authority, API: d.cfg.Base + "/v1", Software: "primum", Version: d.cfg.Version, Time: c.now.UTC(),
		Keys:   []wire.NodeKey{{ID: peer.KeyName, X: d.cfg.Key.Public().(ed25519.PublicKey)}},
		Ledger: d.cfg.Ledger,
	}, nil
}

func (d *Door) getIdentity(ctx context.Context, c *call) (any, error) {
	account, err := d.localAccount(c.r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	doc, err := d.cfg.Store.Identities.Current(ctx, account.String())
	if err != nil {
		return nil, err
	}
	return raw{kind: wire.JOSE, bytes: []byte(doc.Document), cache: "no-cache"}, nil
}

// postAccount opens an account. The identity document signs itself.
func (d *Door) postAccount(ctx context.Context, c *call) (any, error) {
	var in wire.NewAccount
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	v, err := identity.First(in.Identity)
	if err != nil {
		return nil, documentProblem(err, "/identity")
	}
	if err := d.takes(v, c.now); err != nil {
		return nil, err
	}
	if v.Version() != 1 {
		return nil, at(problem(wire.ProbMalformed, "the first document of an account has version 1"), "/identity")
	}
	if guest.IsGuest(v.Address()) {
		return nil, at(problem(wire.ProbForbidden, "names that begin with "+wire.GuestPrefix+" are for guests by link"), "/identity")
	}
	if wait, ok := d.signUps.take(d.addressOf(c.r)); !ok {
		return nil, tooMany(wait, "new accounts from your address")
	}
	var invite []byte
	if d.cfg.Invite {
		h := sha256.Sum256([]byte(in.Invite))
		invite = h[:]
	}
	account := store.Account{Address: v.Address().String(), Created: c.now}
	err = d.cfg.Store.Accounts.Create(ctx, account, peer.Stored(v, c.now), invite)
	if errors.Is(err, store.ErrExists) {
		return nil, problem(wire.ProbConflict, "an account of this name exists; choose another name")
	}
	return nil, err
}

// takes tells whether a document is of this node and valid now.
func (d *Door) takes(v *identity.Verified, now time.Time) error {
	if v.Address().Authority != d.cfg.Authority {
		return at(problem(wire.ProbForbidden, "the document is for an account of another domain"), "/identity")
	}
	if err := v.ValidAt(now); err != nil {
		return documentProblem(err, "/identity")
	}
	return nil
}

// putIdentity takes the next version of an account's document.
func (d *Door) putIdentity(ctx context.Context, c *call) (any, error) {
	account, err := d.localAccount(c.r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	previous, err := d.cfg.Peer.Identity(ctx, account)
	if err != nil {
		return nil, err
	}
	v, err := identity.Verify(string(c.body), previous)
	if err != nil {
		return nil, documentProblem(err, "")
	}
	if err := d.takes(v, c.now); err != nil {
		return nil, err
	}
	if guest.IsGuest(account) && guest.CheckDocument(v, account) != nil {
		return nil, at(problem(wire.ProbForbidden, "a guest by link has one client"), "/clients")
	}
	if v.Hash() == previous.Hash() {
		return nil, nil
	}
	if err := d.cfg.Store.Identities.Put(ctx, peer.Stored(v, c.now), previous.Version()); err != nil {
		return nil, err
	}
	d.hintParties(ctx, v.Address().String())
	return nil, d.dropped(ctx, previous, v)
}

// maxHints bounds the circles whose anchors are told of one identity document.
const maxHints = 200

// hintParties tells the anchors that are here, and share a circle with an
// account, that it has a newer identity document or key packages: a new client
// of a person gets in at once. What can't be told now they find within the hour.
func (d *Door) hintParties(ctx context.Context, account string) {
	circles := make(map[wire.CircleID]bool)
	homes, err := d.cfg.Store.Homes.OwnedBy(ctx, account, maxHints)
	for _, h := range homes {
		circles[h.Circle] = true
	}
	grants, err2 := d.cfg.Store.Grants.Of(ctx, account, "", maxHints)
	for _, g := range grants {
		if g.Grantee == account {
			circles[g.Circle] = true
		}
	}
	if err = errors.Join(err, err2); err != nil {
		d.cfg.Log.Warn("circles of an account not read", "error", err)
	}
	if len(circles) > 0 {
		d.live.hint(circles)
	}
}

// dropped ends what clients had who are no longer on the list.
func (d *Door) dropped(ctx context.Context, previous, v *identity.Verified) error {
	var keep []string
	for _, c := range v.Clients() {
		if old, ok := previous.Client(c.Name); !ok || string(old.Key) == string(c.Key) {
			keep = append(keep, c.Name)
		}
	}
	for _, s := range d.live.of(v.Address().String()) {
		if _, ok := v.ClientByKey(s.who.key); !ok {
			s.cut(websocket.StatusPolicyViolation, reasonDropped)
		}
	}
	return errors.Join(
		d.cfg.Store.KeyPackages.Drop(ctx, v.Address().String(), keep),
		d.cfg.Store.Sessions.Drop(ctx, v.Address().String(), keep),
	)
}

func (d *Door) putSuspension(ctx context.Context, c *call) (any, error) {
	account, err := d.localAccount(c.r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	owner, err := d.cfg.Peer.Identity(ctx, account)
	if err != nil {
		return nil, err
	}
	s, err := identity.VerifySuspension(string(c.body), owner, c.now)
	if err != nil {
		return nil, documentProblem(err, "")
	}
	return nil, d.cfg.Store.Identities.Suspend(ctx, store.Suspension{
		Account: account.String(), Client: s.Client, At: s.At, Version: owner.Version(), Document: string(c.body),
	})
}

// postKeyPackages takes the calling client's own packages.
func (d *Door) postKeyPackages(ctx context.Context, c *call) (any, error) {
	var in wire.KeyPackages
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	var oneTime []store.KeyPackage
	for i, b := range in.OneTime {
		kp, err := c.keyPackage(b, in.Suite, false)
		if err != nil {
			return nil, at(err, pointer("oneTime", i))
		}
		oneTime = append(oneTime, kp)
	}
	var last *store.KeyPackage
	if in.LastResort != nil {
		kp, err := c.keyPackage(in.LastResort, in.Suite, true)
		if err != nil {
			return nil, at(err, "/lastResort")
		}
		last = &kp
	}
	err := d.cfg.Store.KeyPackages.Publish(ctx, oneTime, last, wire.OneTimeStock, c.now)
	if errors.Is(err, store.ErrQuota) {
		return nil, problem(wire.ProbConflict, "the stock is full: publish one-time packages only as they are used up")
	}
	if err != nil {
		return nil, err
	}
	if last != nil { // a client that is new, or has been away
		d.hintParties(ctx, c.who.accountName())
	}
	return d.getKeyPackages(ctx, c)
}

// keyPackage checks that a package is the caller's and fit to be claimed.
func (c *call) keyPackage(b []byte, suite uint16, lastResort bool) (store.KeyPackage, error) {
	if len(b) > wire.MaxMessage {
		return store.KeyPackage{}, problem(wire.ProbTooLarge, "a key package is too large")
	}
	kp, err := mls.ParseKeyPackage(b)
	if err != nil {
		return store.KeyPackage{}, problem(wire.ProbMalformed, "this is not a key package (RFC 9420 §10)")
	}
	switch {
	case string(kp.SignatureKey()) != string(c.who.key):
		err = problem(wire.ProbForbidden, "the key package is for another key than the caller's")
	case uint16(kp.Suite()) != suite:
		err = problem(wire.ProbMalformed, "the key package is of another cipher suite than the request names")
	case string(kp.Identity()) != c.who.accountName():
		err = problem(wire.ProbForbidden, "the key package is for another account than the caller's")
	case kp.LastResort() != lastResort:
		err = problem(wire.ProbMalformed, "one-time and last-resort packages are confused")
	case !kp.NotAfter().After(c.now):
		err = problem(wire.ProbExpired, "the key package has expired")
	case kp.NotAfter().Sub(c.now) > maxPackageLife:
		err = problem(wire.ProbMalformed, "the key package is valid for more than 90 days")
	}
	return store.KeyPackage{
		Account: c.who.accountName(), Client: c.who.client, Suite: suite, Ref: kp.Ref(), LastResort: lastResort, NotAfter: kp.NotAfter(), Bytes: b,
	}, err
}

func (d *Door) getKeyPackages(ctx context.Context, c *call) (any, error) {
	stock, err := d.cfg.Store.KeyPackages.Count(ctx, c.who.accountName(), c.who.client, c.now)
	if err != nil {
		return nil, err
	}
	out := wire.KeyPackageCount{Stock: []wire.SuiteCount{}}
	for _, s := range stock {
		out.Stock = append(out.Stock, wire.SuiteCount(s))
	}
	return out, nil
}

// postClaim gives another node one package of each client of an account.
func (d *Door) postClaim(ctx context.Context, c *call) (any, error) {
	account, err := d.localAccount(c.r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	if guest.IsGuest(account) {
		return nil, problem(wire.ProbForbidden, "a guest by link has grants of this domain only")
	}
	suite, err := c.suite()
	if err != nil {
		return nil, err
	}
	if wait, ok := d.claims.take(c.who.node + " " + account.String()); !ok {
		return nil, tooMany(wait, "key packages of this account claimed by your domain")
	}
	return d.claimLocal(ctx, account, suite, c.now)
}

// suite is the cipher suite that a claim of key packages names.
func (c *call) suite() (uint16, error) {
	var in wire.ClaimKeyPackages
	if err := c.decode(&in); err != nil {
		return 0, err
	}
	if in.Suite == 0 {
		return 0, at(problem(wire.ProbMalformed, "the claim names no cipher suite"), "/suite")
	}
	return in.Suite, nil
}

func (d *Door) claimLocal(ctx context.Context, account identity.Address, suite uint16, now time.Time) (wire.ClaimedPackages, error) {
	out := wire.ClaimedPackages{Account: account.String(), Packages: []wire.ClaimedPackage{}}
	doc, err := d.cfg.Peer.Identity(ctx, account)
	if err != nil {
		return out, err
	}
	var names []string
	for _, client := range doc.Clients() {
		if names = append(names, client.Name); len(names) == wire.MaxClients {
			break
		}
	}
	claimed, err := d.cfg.Store.KeyPackages.Claim(ctx, account.String(), suite, names, now)
	for _, k := range claimed {
		out.Packages = append(out.Packages, wire.ClaimedPackage{Client: k.Client, KeyPackage: k.Bytes, LastResort: k.LastResort})
	}
	return out, err
}

// documentProblem says what is wrong with an identity document or suspension.
func documentProblem(err error, where string) error {
	name := wire.ProbMalformed
	switch {
	case errors.Is(err, identity.ErrExpired):
		name = wire.ProbExpired
	case errors.Is(err, identity.ErrNotYet):
		name = wire.ProbNotYet
	case errors.Is(err, identity.ErrRollback):
		name = wire.ProbConflict
	case errors.Is(err, identity.ErrSigner), errors.Is(err, identity.ErrNoClient), errors.Is(err, jws.ErrSignature):
		name = wire.ProbBadSignature
	case errors.Is(err, jws.ErrTooLarge):
		name = wire.ProbTooLarge
	}
	p := problem(name, err.Error())
	var place *jws.PlaceError
	if errors.As(err, &place) {
		p.Pointer = place.Pointer
	}
	return at(p, where)
}
