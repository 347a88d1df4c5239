package peer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"primum/identity"
	"primum/ledger"
)

// Ledger asks a domain's node which logs and which witness it has. All of them
// stand below the domain's own address.
func (p *Peer) Ledger(ctx context.Context, authority string) (l ledger.NodeLedger, err error) {
	info, err := p.nodeInfo(ctx, authority)
	if err != nil {
		return l, fmt.Errorf("ask for ledger: %w", err)
	}
	if info.Ledger == nil {
		return l, fmt.Errorf("ask for ledger: %w: %w", ErrUnreachable, ledger.ErrNoLedger)
	}
	l = *info.Ledger
	names := l.Public.Origin == ledger.PublicOrigin(authority) && l.Commitments.Origin == ledger.CommitmentsOrigin(authority) &&
		l.Witness.Name == ledger.WitnessName(authority)
	base := identity.BaseURL(authority) + "/"
	for _, u := range []string{l.Public.URL, l.Commitments.URL, l.Witness.URL} {
		names = names && strings.HasPrefix(u, base)
	}
	if !names {
		return ledger.NodeLedger{}, fmt.Errorf("ask for ledger: %w: it names another domain's logs", ErrUnreachable)
	}
	return l, nil
}

// Ask posts a body to another node's address, or gets it if body is nil, and
// returns any status. Answers are bounded to ledger.MaxSubmission bytes.
func (p *Peer) Ask(ctx context.Context, target string, body []byte) (status int, kind string, answer []byte, err error) {
	u, err := url.Parse(target)
	if err != nil || u.User != nil || !strings.HasPrefix(target, identity.BaseURL(u.Host)+"/") {
		return 0, "", nil, fmt.Errorf("%w: its address is not one of a node", ErrUnreachable)
	}
	if err := p.may(u.Host); err != nil {
		return 0, "", nil, err
	}
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return 0, "", nil, fmt.Errorf("make request: %w", plain(err))
	}
	req.Header.Set("User-Agent", "primum/"+p.cfg.Version)
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, "", nil, fmt.Errorf("%w: %w", ErrUnreachable, plain(err))
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, ledger.MaxSubmission+1))
	if err != nil {
		return 0, "", nil, fmt.Errorf("%w: %w", ErrUnreachable, plain(err))
	}
	if len(answer) > ledger.MaxSubmission {
		return 0, "", nil, fmt.Errorf("%w: its answer has more than %d bytes", ErrUnreachable, ledger.MaxSubmission)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), answer, nil
}

// may tells whether another domain may be asked now.
func (p *Peer) may(authority string) error {
	if authority == p.cfg.Authority {
		return fmt.Errorf("%w: it is this node itself", ErrUnreachable)
	}
	if identity.IsLoopback(authority) && !p.cfg.Loopback {
		return fmt.Errorf("%w: %w", ErrUnreachable, ErrPrivateAddress)
	}
	if wait, ok := p.pace.take(authority, p.cfg.Clock.Now()); !ok {
		return tooOften(wait)
	}
	return nil
}
