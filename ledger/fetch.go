package ledger

import (
	"context"
	"fmt"
	"strings"
)

// MaxFetch is the most that a Fetcher has to deliver at once, in bytes: a full
// bundle of the longest entries.
const MaxFetch = 256 * (MaxEntry + 2)

// Fetcher gets what stands at an address. It returns ErrNotFound (wrapped) for
// HTTP 404 and 410, refuses more than MaxFetch bytes, and has its own timeout.
// It must be safe for concurrent use.
type Fetcher interface {
	Get(ctx context.Context, url string) ([]byte, error)
}

// FetchFunc is a function as a Fetcher.
type FetchFunc func(ctx context.Context, url string) ([]byte, error)

// Get calls the function.
func (f FetchFunc) Get(ctx context.Context, url string) ([]byte, error) { return f(ctx, url) }

// TileWidth is the number of hashes or entries in a full tile or bundle.
const TileWidth = 256

// CheckpointPath is the path of the checkpoint below a log's URL.
const CheckpointPath = "/checkpoint"

// TilePath is the path below a log's URL of the tile of a level (0 to 7) and
// index; width 256 is a full tile, less a partial one (C2SP tlog-tiles).
func TilePath(level int, index uint64, width int) string {
	return fmt.Sprintf("/tile/%d/%s", level, tileIndex(index, width))
}

// BundlePath is the path below a log's URL of a bundle of entries.
func BundlePath(index uint64, width int) string {
	return "/tile/entries/" + tileIndex(index, width)
}

// tileIndex writes 1234067 as x001/x234/067.
func tileIndex(index uint64, width int) string {
	s := fmt.Sprintf("%03d", index%1000)
	for index /= 1000; index > 0; index /= 1000 {
		s = fmt.Sprintf("x%03d/%s", index%1000, s)
	}
	if width < TileWidth {
		s += fmt.Sprintf(".p/%d", width)
	}
	return s
}

// join puts a path below a log's or witness's URL.
func join(url, path string) string { return strings.TrimSuffix(url, "/") + path }
