package node

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"primum/internal/meter"
	"primum/internal/notary"
	"primum/internal/peer"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/internal/words"
	"primum/ledger"
)

const (
	typeDocument = "application/json"
	// factsEvery is how soon a document that another process added stands in
	// the log.
	factsEvery = 2 * time.Second
	factsStep  = 50
	// lookBack is how far back in the log a document is looked for that may
	// stand there without the store's knowing, after a crash.
	lookBack = 256
)

// facts sees to it that the node's public documents stand in its public log:
// those about itself, made anew when they change, and those that operators add.
type facts struct {
	cfg    Config
	key    ed25519.PublicKey
	assets string        // SHA-256 of the web assets' manifest
	kept   time.Duration // how long messages of an epoch that ended are kept, at most
	store  *store.Facts
	log    *notary.Notary

	placed bool // Owned by run: the log's end was looked at.

	mu   sync.Mutex
	last wire.Measurements // guarded by mu; of the results up to of
	of   int64             // guarded by mu
}

// run adds the documents about the node itself, and then places what waits.
func (f *facts) run(ctx context.Context) {
	for own := false; ; {
		if !own {
			if err := f.addOwn(ctx); err != nil {
				f.complain(ctx, err)
			} else {
				own = true
			}
		}
		if err := f.place(ctx); err != nil {
			f.complain(ctx, err)
		}
		timer := f.cfg.Clock.NewTimer(factsEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
		}
	}
}

func (f *facts) complain(ctx context.Context, err error) {
	if ctx.Err() == nil {
		f.cfg.Log.Error("public facts wait", "error", err)
	}
}

// check compares the public log with what the store knows to stand in it. A log
// that has been begun anew gets everything again; one that lacks an entry is an
// older copy, and may not be written on.
func (f *facts) check(ctx context.Context) error {
	last, err := f.store.Last(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	there, err := f.log.Entries(ctx, notary.Public, last.Index, 1)
	if err != nil {
		return err
	}
	if len(there) == 1 {
		if e, err := ledger.ParseEntry(there[0]); err == nil && e.SHA256 == last.SHA256 {
			return nil
		}
	}
	first, err := f.log.Entries(ctx, notary.Public, 0, 1)
	if err != nil {
		return err
	}
	if len(first) == 0 {
		f.cfg.Log.Warn("the public log begins anew: all public documents get new entries")
		return f.store.Again(ctx, f.cfg.Clock.Now())
	}
	return &ledger.Finding{
		Kind: ledger.ErrRollback, Log: ledger.PublicOrigin(f.cfg.Authority),
		Detail: fmt.Sprintf("the database says that entry %d holds the %s of %s, which does not stand there. "+
			"Stop everything that writes here, put the newest copy of the folder %s back in place, and start again",
			last.Index, last.Type, last.At.Format(time.RFC3339), filepath.Join(f.cfg.DataDir, ledgerFolder)),
	}
}

// place gives every document that waits its entry in the log, in order.
func (f *facts) place(ctx context.Context) error {
	for {
		waiting, err := f.store.Pending(ctx, factsStep)
		if err != nil || len(waiting) == 0 {
			return err
		}
		for _, doc := range waiting {
			if err := f.placeOne(ctx, doc); err != nil {
				return err
			}
		}
	}
}

func (f *facts) placeOne(ctx context.Context, doc store.Fact) error {
	e := ledger.Entry{T: ledger.Type(doc.Type), At: doc.At, SHA256: doc.SHA256, Ref: wire.FactPath(doc.SHA256), Counts: doc.Counts}
	if doc.About != "" {
		e.Domains = []string{doc.About}
	}
	index, there, err := f.stands(ctx, e)
	if err == nil && !there {
		index, err = f.log.Publish(ctx, e)
	}
	if err != nil {
		return fmt.Errorf("publish %s %s: %w", doc.Type, doc.Name, err)
	}
	return f.store.Placed(ctx, doc.N, index)
}

// stands looks for an entry at the end of the log, once after a start: a crash
// may have come between the log and the store.
func (f *facts) stands(ctx context.Context, e ledger.Entry) (index uint64, there bool, err error) {
	if f.placed {
		return 0, false, nil
	}
	line, err := e.Marshal()
	if err != nil {
		return 0, false, err
	}
	from := max(f.log.Size(notary.Public), lookBack) - lookBack
	tail, err := f.log.Entries(ctx, notary.Public, from, 2*lookBack)
	for i, entry := range tail {
		if string(entry) == string(line) {
			return from + uint64(i), true, err
		}
	}
	f.placed = err == nil
	return 0, false, err
}

// addOwn adds the documents about the node itself that have changed.
func (f *facts) addOwn(ctx context.Context) error {
	in, err := factWords()
	if err != nil {
		return err
	}
	release, err := f.release()
	if err != nil {
		return err
	}
	naming, err := f.naming(ctx, in)
	if err != nil {
		return err
	}
	own := []struct {
		of   ledger.Type
		name string
		doc  any
	}{
		{ledger.TypeKey, "", wire.Keys{V: 1, Authority: f.cfg.Authority, Keys: []wire.NodeKey{{ID: peer.KeyName, X: f.key}}}},
		{ledger.TypeRelease, "", release},
		{ledger.TypePolicy, "node", wire.Policy{V: 1, Name: "node", Texts: texts(in, "facts.policy.node."), Settings: f.settings()}},
		{ledger.TypeMeterCatalogue, "", meter.Catalogue(f.cfg.Quotas, in)},
		{ledger.TypeNamingPolicy, namingName, naming},
	}
	for _, o := range own {
		b, err := json.MarshalIndent(o.doc, "", "  ") // people read it, too
		if err != nil {
			return fmt.Errorf("write %s: %w", o.of, err)
		}
		fact := store.Fact{Type: string(o.of), Name: o.name, Kind: typeDocument, Body: b, At: f.cfg.Clock.Now()}
		if _, _, err := f.store.Add(ctx, fact); err != nil {
			return err
		}
	}
	return nil
}

// settings are what this program enforces of the policy "node".
func (f *facts) settings() map[string]string {
	return map[string]string{
		"ledger-every": cmp.Or(time.Duration(f.cfg.LedgerEvery), notary.DefaultEvery).String(),
		"usage-kept":   meter.KeepFor.String(), "messages-kept-at-most": f.kept.String(),
	}
}

// factWords are the sentences in every language that is there.
func factWords() (meter.Languages, error) {
	in := meter.Languages{}
	for _, lang := range words.Available() {
		w, err := words.NewPart("facts", lang)
		if err != nil {
			return nil, err
		}
		in[lang] = func(id string) string { return w.Get(id) }
	}
	return in, nil
}

// texts are a title and a body in every language.
func texts(in meter.Languages, id string) map[string]wire.Text {
	out := map[string]wire.Text{}
	for lang, get := range in {
		out[lang] = wire.Text{Title: get(id + "title"), Body: get(id + "body")}
	}
	return out
}

func (f *facts) release() (wire.Release, error) {
	r := wire.Release{V: 1, Version: f.cfg.Version, Platform: runtime.GOOS + "/" + runtime.GOARCH, Assets: f.assets}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				r.Revision = s.Value
			}
		}
	}
	if f.cfg.Program == "" {
		return r, nil
	}
	var err error
	r.Binary, err = hashOf(f.cfg.Program)
	return r, err
}

func hashOf(file string) (string, error) {
	in, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("hash the program: %w", err)
	}
	defer func() { _ = in.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil {
		return "", fmt.Errorf("hash the program: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// AddFact adds a public document to the node of dataDir, running or not. A
// running node has it in its log within seconds, another one when it is started.
// added is false where the newest of its type and name is the same. Errors:
// fs.ErrNotExist.
func AddFact(ctx context.Context, dataDir string, f store.Fact, now time.Time) (sha256 string, added bool, err error) {
	if err := checkFact(&f); err != nil {
		return "", false, err
	}
	f.At = now
	err = withStore(ctx, dataDir, func(st *store.Store) (err error) {
		sha256, added, err = st.Facts.Add(ctx, f)
		return err
	})
	return sha256, added, err
}
