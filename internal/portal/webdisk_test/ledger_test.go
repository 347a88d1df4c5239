package webdisk_test

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"primum/internal/webtest"
	"primum/ledger"
)

const (
	millionLeaves = 1_000_000
	publicFacts   = 1500 // a year of ticks
)

// bigLog is a log laid out in memory.
type bigLog struct {
	ledger.Log
	signer  note.Signer
	entries [][]byte
	levels  [4][][32]byte
}

func newBigLog(t *testing.T, origin, url string, p ledger.Purpose, entries [][]byte) *bigLog {
	t.Helper()
	key, err := ledger.DeriveKey(make([]byte, 32), p)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.NewSigner(origin, key)
	if err != nil {
		t.Fatal(err)
	}
	l := &bigLog{
		Log:    ledger.Log{Origin: origin, URL: url, Key: ledger.LogKey(origin, key.Public().(ed25519.PublicKey))},
		signer: signer, entries: entries,
	}
	for _, e := range entries {
		l.levels[0] = append(l.levels[0], ledger.LeafHash(e))
	}
	for i := range l.levels[1:] {
		for tile := range slices.Chunk(l.levels[i], ledger.TileWidth) {
			if len(tile) == ledger.TileWidth {
				l.levels[i+1] = append(l.levels[i+1], ledger.TreeRoot(tile))
			}
		}
	}
	return l
}

func (l *bigLog) body() string {
	return ledger.Body(l.Origin, uint64(len(l.entries)), ledger.TreeRoot(l.levels[0]))
}

func (l *bigLog) checkpoint(t *testing.T) []byte {
	t.Helper()
	b, err := note.Sign(&note.Note{Text: l.body()}, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tile answers a path below "/tile/".
func (l *bigLog) tile(path string) []byte {
	path, partial, isPartial := strings.Cut(path, ".p/")
	width := ledger.TileWidth
	if isPartial {
		width, _ = strconv.Atoi(partial)
	}
	kind, number, _ := strings.Cut(path, "/")
	index, _ := strconv.Atoi(strings.NewReplacer("x", "", "/", "").Replace(number))
	from := index * ledger.TileWidth
	var b []byte
	if kind == "entries" {
		for _, e := range l.entries[from : from+width] {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(e))), e...)
		}
		return b
	}
	level, _ := strconv.Atoi(kind)
	for _, h := range l.levels[level][from : from+width] {
		b = append(b, h[:]...)
	}
	return b
}

// bigNode is the ledger of an authority: a million commitments, a year of facts.
// It answers the node's document, checkpoints and tiles.
func bigNode(t *testing.T, authority string) http.Handler {
	t.Helper()
	var leaves, facts [][]byte
	for i := range millionLeaves {
		leaf := ledger.Leaf([]byte("k"), strconv.Itoa(i))
		leaves = append(leaves, leaf[:])
	}
	base := "http://" + authority + "/ledger/"
	commitments := newBigLog(t, ledger.CommitmentsOrigin(authority), base+"commitments", ledger.CommitmentsKey, leaves)
	for i := range publicFacts {
		facts = append(facts, commitmentsFact(t, commitments, millionLeaves-64*(publicFacts-1-i)))
	}
	public := newBigLog(t, ledger.PublicOrigin(authority), base+"public", ledger.PublicKey, facts)
	info, err := json.Marshal(map[string]any{
		"authority": authority, "ledger": ledger.NodeLedger{Public: public.Log, Commitments: commitments.Log},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc(ledger.NodePath, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(info) })
	for name, log := range map[string]*bigLog{"public": public, "commitments": commitments} {
		checkpoint := log.checkpoint(t)
		mux.HandleFunc("/ledger/"+name+"/checkpoint", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(checkpoint) })
		mux.HandleFunc("/ledger/"+name+"/tile/", func(w http.ResponseWriter, r *http.Request) {
			_, path, _ := strings.Cut(r.URL.Path, "/tile/")
			_, _ = w.Write(log.tile(path))
		})
	}
	return mux
}

// commitmentsFact names a checkpoint; only the newest few are looked at, so only
// they are computed.
func commitmentsFact(t *testing.T, l *bigLog, size int) []byte {
	t.Helper()
	c := ledger.Checkpoint{Origin: l.Origin, Size: uint64(size)}
	if size > millionLeaves-64*16 {
		c.Root = ledger.TreeRoot(l.levels[0][:size])
	}
	line, err := ledger.Entry{T: ledger.TypeCommitments, At: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), SHA256: c.BodyHash(), Ref: strconv.Itoa(size)}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// A page verifies the ledger of a node with a million commitments and a year of
// public facts, at the first visit and at the next one. The engine's own time is
// printed: what counts for a person is below 100 ms.
func TestLedgerOfAMillion(t *testing.T) {
	if !webtest.Available() {
		skip(t, "no chromium here: tools/setup installs it")
	}
	var logs atomic.Pointer[http.Handler]
	url := built(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h := logs.Load(); h != nil && (strings.HasPrefix(r.URL.Path, "/ledger/") || r.URL.Path == ledger.NodePath) {
				(*h).ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	authority := strings.TrimPrefix(url, "http://")
	node := bigNode(t, authority)
	logs.Store(&node)
	tab := webtest.NewTab(t)
	tab.MayLog("404") // there is no node here
	tab.Open(url + "/my")
	ready(tab)
	for _, visit := range []string{"first visit", "again", "once more"} {
		var got struct {
			Public, Commitments struct{ Size, Read, Requests int }
			Found               []any
			Took                float64
		}
		answer := callEngine(tab, "ledger.verify", fmt.Sprintf(`{"authority":%q}`, authority))
		if err := json.Unmarshal([]byte(answer), &got); err != nil || len(got.Found) > 0 {
			t.Fatalf("%s: %s", visit, answer)
		}
		if got.Commitments.Size != millionLeaves || got.Public.Size != publicFacts {
			t.Errorf("sizes: %s", answer)
		}
		t.Logf("%s: %.1f ms with %d requests, %d entries read", visit, got.Took,
			got.Public.Requests+got.Commitments.Requests, got.Public.Read+got.Commitments.Read)
	}
}

// callEngine asks the page's engine as another tab would.
func callEngine(tab *webtest.Tab, method, params string) (answer string) {
	tab.Eval(fmt.Sprintf(`new Promise((done) => {
		const channel = new BroadcastChannel("primum"), id = crypto.randomUUID();
		channel.onmessage = (e) => { if (e.data.t === "answer" && e.data.id === id) { channel.close(); done(e.data.ok ?? e.data.error) } };
		channel.postMessage({t: "call", id, method: %q, params: %q});
	})`, method, params), &answer)
	return answer
}
