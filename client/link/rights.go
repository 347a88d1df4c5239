package link

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"primum/internal/wire"
)

// Access tells what the node holds about the calling account.
func (n Node) Access(ctx context.Context) (a wire.Access, err error) {
	return a, n.JSON(ctx, n.By, "GET", n.url("rights", "access"), nil, &a)
}

// Export reads a page of all that the node holds about the calling account;
// after is More of the page before, or empty.
func (n Node) Export(ctx context.Context, after string) (e wire.NodeExport, err error) {
	address := n.url("rights", "export")
	if after != "" {
		address += "?after=" + url.QueryEscape(after)
	}
	r, err := n.Send(ctx, n.By, Request{Method: "GET", URL: address, Max: maxExport})
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(r.Body, &e); err != nil {
		return e, fmt.Errorf("read export: %w", err)
	}
	return e, nil
}

// maxExport is the largest page of an export: some rows of any size.
const maxExport = 16 << 20

// Import gives the node what another node exported.
func (n Node) Import(ctx context.Context, in wire.NodeImport) (out wire.Imported, err error) {
	return out, n.JSON(ctx, n.By, "POST", n.url("rights", "import"), in, &out)
}

// Erase erases the calling account for good; the identity key has signed that.
func (n Node) Erase(ctx context.Context, c wire.CloseAccount) (out wire.Erased, err error) {
	return out, n.JSON(ctx, n.By, "POST", n.url("rights", "erasure"), c, &out)
}

// Plead opens a case: right is wire.RightObjection or wire.RightComplaint. With
// an empty By it stands in nobody's list.
func (n Node) Plead(ctx context.Context, right string, p wire.Plea) (c wire.Case, err error) {
	return c, n.JSON(ctx, n.By, "POST", n.url("rights", right), p, &c)
}

// Cases lists the calling account's own cases.
func (n Node) Cases(ctx context.Context) (c wire.Cases, err error) {
	return c, n.JSON(ctx, n.By, "GET", n.url("rights"), nil, &c)
}

// Case tells how a case stands; its id is its key.
func (n Node) Case(ctx context.Context, id string) (c wire.Case, err error) {
	return c, n.JSON(ctx, Key{}, "GET", n.url("rights", "cases", id), nil, &c)
}

// Appeal asks for a second look at an answered case.
func (n Node) Appeal(ctx context.Context, id string, a wire.Appeal) (c wire.Case, err error) {
	return c, n.JSON(ctx, Key{}, "POST", n.url("rights", "cases", id, "appeal"), a, &c)
}
