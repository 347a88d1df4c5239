package link

import (
	"context"
	"fmt"

	"primum/ledger"
)

// Get implements ledger.Fetcher: what stands at an address of a node, unsigned.
// Nothing at the address is ledger.ErrNotFound.
func (c Calls) Get(ctx context.Context, url string) ([]byte, error) {
	r := Request{Method: "GET", URL: url, Max: ledger.MaxFetch, Header: map[string]string{"Accept": "application/json, */*;q=0.5"}}
	resp, err := c.Transport.Do(ctx, r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask %s: %w", hostOf(url), err)
	case resp.Status == 404 || resp.Status == 410:
		return nil, fmt.Errorf("%s: %w", url, ledger.ErrNotFound)
	case resp.Status != 200:
		return nil, fmt.Errorf("ask %s: %w", url, problemOf(resp, hostOf(url)))
	}
	return resp.Body, nil
}
