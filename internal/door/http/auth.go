package httpdoor

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"primum/identity"
	"primum/internal/meter"
	"primum/internal/peer"
	"primum/internal/sign"
	"primum/internal/wire"
)

// signers says whose signature an operation takes.
type signers uint8

const (
	byNobody signers = 0
	byClient signers = 1 << iota // a client of an account of this or any other node
	byOwn                        // a client of an account of this node
	byNode                       // another node
	byAnchor                     // an anchor, with its leaf key of a circle
)

func (s signers) describe() string {
	var who []string
	for _, k := range []struct {
		bit  signers
		name string
	}{{byClient, "a client of any node's account"}, {byOwn, "a client of an account of this node"}, {byNode, "a node"}, {byAnchor, "an anchor"}} {
		if s&k.bit != 0 {
			who = append(who, k.name)
		}
	}
	if len(who) == 0 {
		return "Not signed."
	}
	return "Signed by " + strings.Join(who, " or ") + "."
}

// caller is who signed a request or opened a live socket. Exactly one of
// account, node and anchor is set.
type caller struct {
	account identity.Address
	client  string
	doc     *identity.Verified // the account's document, as of the request
	node    string             // authority
	anchor  bool
	circle  wire.CircleID     // of an anchor
	key     ed25519.PublicKey // that signed
	// organisation whose use is counted; nobody for persons.
	organisation meter.Organisation
}

// accountName is the account's address, empty for nodes and anchors.
func (c caller) accountName() string { return c.account.String() }

// bucket names who is limited together.
func (c caller) bucket() string {
	switch {
	case c.node != "":
		return "n" + c.node
	case c.anchor:
		return "c" + string(c.circle[:])
	}
	return "a" + c.account.String()
}

// authenticate checks the signature of a request (RFC 9421) in the order of
// cost: form, time, key, signature, and only then the memory of nonces.
func (d *Door) authenticate(c *call, rt route) (caller, error) {
	in, err := sign.ParseInput(func(name string) string { return strings.Join(c.r.Header.Values(name), ", ") })
	if err != nil {
		return caller{}, problem(wire.ProbUnsigned, plainly(err, sign.ErrNotSigned))
	}
	id, err := identity.ParseKeyID(in.KeyID)
	if err != nil {
		return caller{}, problem(wire.ProbUnsigned, "the keyid is none of acct:USER@DOMAIN#CLIENT, circle:HEX, https://DOMAIN/.well-known/primum#KID")
	}
	if err := in.CheckTime(c.now); err != nil {
		return caller{}, d.skewed(c)
	}
	if err := d.allowed(id, rt.signers); err != nil {
		return caller{}, err
	}
	who, err := d.resolve(c.r.Context(), id)
	if err != nil {
		return caller{}, err
	}
	req := sign.Request{Method: c.r.Method, TargetURI: d.cfg.Base + c.r.URL.RequestURI(), Body: c.body}
	if err := in.Verify(req, who.key); err != nil {
		return caller{}, problem(wire.ProbBadSignature, plainly(err, sign.ErrSignature))
	}
	return who, d.admitCaller(c, rt, who, in)
}

func (d *Door) skewed(c *call) error {
	p := problem(wire.ProbClockSkew, "set your clock; the node's time is in the member now")
	now := c.now.UTC()
	p.Now = &now
	return p
}

// admitCaller is for those who proved who they are.
func (d *Door) admitCaller(c *call, rt route, who caller, in sign.Input) error {
	if who.doc != nil && who.account.Authority != d.cfg.Authority && who.doc.ExpiredAt(c.now) {
		return problem(wire.ProbExpired, "your identity document has expired; renew it at your own node")
	}
	limit, nonces := d.perAccount, d.nonces
	switch {
	case rt.right:
		limit, nonces = d.rights, d.asked
	case who.node != "":
		limit = d.perDomain
	}
	if wait, ok := limit.take(who.bucket()); !ok {
		return tooMany(wait, "your signed requests")
	}
	switch err := nonces.Check(in, d.invents(who)); {
	case errors.Is(err, sign.ErrReplayed):
		return problem(wire.ProbReplay, "its nonce was used before; sign every attempt anew")
	case errors.Is(err, sign.ErrBusy):
		return tooMany(sign.Window, "signed requests in some minutes")
	case err != nil:
		return d.skewed(c)
	}
	return nil
}

// invents names who could make a caller like this one: another domain makes
// accounts as it likes, and shares the memory of nonces as one.
func (d *Door) invents(who caller) string {
	if domain := who.account.Authority; domain != "" && domain != d.cfg.Authority {
		return caller{node: domain}.bucket()
	}
	return who.bucket()
}

// allowed refuses the wrong kind of signer before anything is looked up.
func (d *Door) allowed(id identity.KeyID, allowed signers) error {
	kind := byClient
	switch {
	case id.Circle != "":
		kind = byAnchor
	case id.Authority != "":
		kind = byNode
	case id.Account.Authority == d.cfg.Authority:
		kind = byClient | byOwn
	}
	if allowed&kind == 0 {
		return problem(wire.ProbForbidden, allowed.describe())
	}
	return nil
}

// resolve finds the key that a key id names.
func (d *Door) resolve(ctx context.Context, id identity.KeyID) (caller, error) {
	switch {
	case id.Circle != "":
		return d.resolveAnchor(ctx, id.Circle)
	case id.Authority != "":
		key, err := d.cfg.Peer.NodeKey(ctx, id.Authority, id.NodeKey)
		if err != nil {
			return caller{}, d.keyProblem(err)
		}
		return caller{node: id.Authority, key: key}, nil
	}
	doc, err := d.cfg.Peer.IdentityWith(ctx, id.Account, id.Client)
	if err != nil {
		return caller{}, d.keyProblem(err)
	}
	client, ok := doc.Client(id.Client)
	if !ok {
		return caller{}, problem(wire.ProbBadSignature, "the account lists no client of that name")
	}
	return caller{account: id.Account, client: id.Client, doc: doc, key: ed25519.PublicKey(client.Key), organisation: meter.Of(doc)}, nil
}

// keyProblem says why a signer's key could not be found.
func (d *Door) keyProblem(err error) error {
	var p *wire.Problem
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return problem(wire.ProbUnreachable, "the signer's domain took too long to answer")
	case errors.Is(err, peer.ErrKeyChanged):
		return problem(wire.ProbBadSignature, "the signer's domain shows another key than on first contact")
	case errors.Is(err, peer.ErrUnreachable):
		return problem(wire.ProbUnreachable, "the signer's domain could not be asked for the key")
	case errors.As(err, &p) && p.Named(wire.ProbNotFound):
		return problem(wire.ProbBadSignature, "the signer's account does not exist")
	case errors.Is(err, identity.ErrDocument), errors.Is(err, identity.ErrSigner), errors.Is(err, identity.ErrRollback):
		return problem(wire.ProbBadSignature, "the signer's identity document is not one this node takes")
	}
	return err
}

// resolveAnchor finds an anchor's leaf key: of an open circle, or of a circle
// for which an envelope is filed.
func (d *Door) resolveAnchor(ctx context.Context, text string) (caller, error) {
	id, err := wire.ParseCircleID(text)
	if err != nil {
		return caller{}, problem(wire.ProbUnsigned, err.Error())
	}
	key, err := d.cfg.Book.AnchorKey(ctx, id)
	return caller{anchor: true, circle: id, key: key}, err
}

// plainly is err's text without the text of its kind, which the title says.
func plainly(err, kind error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), kind.Error()), ": ")
}

// admitAddress limits requests per client address.
func (d *Door) admitAddress(r *http.Request, limit *limiter) error {
	if wait, ok := limit.take(d.addressOf(r)); !ok {
		return tooMany(wait, "requests from your address")
	}
	return nil
}

// addressOf is the client's address, an IPv6 one by its /64. It serves limits
// only and is kept nowhere else.
func (d *Door) addressOf(r *http.Request) string {
	forwarded := ""
	if all := r.Header["X-Forwarded-For"]; len(all) > 0 {
		forwarded = all[len(all)-1]
	}
	return d.addressFrom(r.RemoteAddr, forwarded)
}

// addressFrom is addressOf of a connection's other end and the last
// X-Forwarded-For.
func (d *Door) addressFrom(remote, forwarded string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	if d.cfg.Proxy && isLoopback(host) && forwarded != "" {
		host = strings.TrimSpace(forwarded[strings.LastIndexByte(forwarded, ',')+1:])
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return "unknown"
	}
	if a = a.Unmap().WithZone(""); a.Is6() {
		p, _ := a.Prefix(64) // 64 bits are always within an IPv6 address
		return p.String()
	}
	return a.String()
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// localAccount is the address of a user of this node, from a path.
func (d *Door) localAccount(user string) (identity.Address, error) {
	a, err := identity.ParseAddress(user + "@" + d.cfg.Authority)
	if err != nil {
		return a, problem(wire.ProbNotFound, "")
	}
	return a, nil
}

// circleOf reads the circle id in a path; an anchor may name only its own.
func (d *Door) circleOf(c *call) (wire.CircleID, error) {
	id, err := wire.ParseCircleID(c.r.PathValue("circle"))
	if err != nil {
		return id, problem(wire.ProbMalformed, err.Error())
	}
	if c.who.anchor && c.who.circle != id {
		return id, problem(wire.ProbForbidden, "the request is signed for another circle")
	}
	return id, nil
}

// causeOf is an error for the log. Only failures of the node itself come here;
// they are about files and the program, not about people.
func causeOf(err error) string {
	var r *wire.Refusal
	if errors.As(err, &r) && r.Err != nil {
		err = r.Err
	}
	return err.Error()
}
