package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"primum/grant"
	"primum/identity"
	"primum/internal/wire"
)

// ErrService: a node shows a service that can't be connected to.
var ErrService = errors.New("the service can't be connected to")

// Service reads what a node offers under a name. Nobody is told who asks: the
// request carries no signature. The provider must be of the domain that was
// asked, so that nobody offers in another's name. Errors: ErrService,
// grant.ErrDocument, a *wire.Problem.
func (c *Client) Service(ctx context.Context, authority, name string) (grant.Service, error) {
	authority, err := identity.ParseAuthority(authority)
	if err != nil {
		return grant.Service{}, fmt.Errorf("read service: %w", err)
	}
	if !grant.IsServiceName(name) {
		return grant.Service{}, fmt.Errorf("%w: %q is no name of one", ErrService, name[:min(len(name), 64)])
	}
	href := identity.BaseURL(authority) + wire.ServiceListPath + "/" + url.PathEscape(name)
	r, err := c.o.Calls.Send(ctx, Key{}, Request{Method: "GET", URL: href, Max: grant.MaxService})
	if err != nil {
		return grant.Service{}, fmt.Errorf("read service: %w", err)
	}
	s, err := grant.ParseService(r.Body)
	switch {
	case err != nil:
		return s, err
	case s.Name != name || len(s.Asks) == 0 || s.Ended:
		return s, fmt.Errorf("%w: it asks for nothing", ErrService)
	case s.Provider.Authority != authority:
		return s, fmt.Errorf("%w: its provider %s is not of %s", ErrService, s.Provider, authority)
	}
	return s, nil
}

// ParseServiceName reads what a person has of a service: the address of its
// page (https://h.example/services/advice), or h.example/advice.
func ParseServiceName(s string) (authority, name string, err error) {
	s = strings.TrimSpace(s)
	if u, urlErr := url.Parse(s); urlErr == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		authority, name = u.Host, strings.TrimPrefix(strings.TrimPrefix(u.Path, wire.ServiceListPath), wire.ServicePages)
		name = strings.TrimPrefix(name, "/")
	} else {
		authority, name, _ = strings.Cut(s, "/")
	}
	if authority, err = identity.ParseAuthority(authority); err != nil || !grant.IsServiceName(name) {
		return "", "", fmt.Errorf("%w: say DOMAIN/NAME, or the address of its page", ErrService)
	}
	return authority, name, nil
}
