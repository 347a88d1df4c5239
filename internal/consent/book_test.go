package consent_test

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/store"
	"primum/internal/wire"
)

func TestFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.give()
	first := w.file(g)
	if first.State != string(grant.Given) {
		t.Fatalf("state is %s", first.State)
	}
	r, err := grant.VerifyReceipt(first.Receipt, authority, public(w.nodeKey), g.Envelope)
	w.must(err)
	if r.Event != string(grant.Given) || !r.At.Equal(start()) {
		t.Fatalf("receipt is %+v", r)
	}
	w.clock.Advance(time.Hour)
	if again := w.file(g); again != first {
		t.Fatalf("filed again: %+v, first %+v", again, first)
	}
	if got := w.states(g.Grant); got != "Given by owner;" {
		t.Fatalf("history is %s", got)
	}
	if !slices.Contains(w.changed, "owner@"+authority) || !slices.Contains(w.changed, w.friend.Account.String()) {
		t.Fatalf("told of the change: %q", w.changed)
	}
	account, err := w.book.Party(t.Context(), circleID(t, g.circle))
	w.must(err)
	key, err := w.book.AnchorKey(t.Context(), circleID(t, g.circle))
	w.must(err)
	if account != w.friend.Account.String() || !key.Equal(public(g.anchor)) {
		t.Fatalf("party %s", account)
	}
	_, err = w.book.Party(t.Context(), wire.CircleID{1})
	w.refused(err, wire.ProbNotFound)
}

func TestFileRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	known := w.give()
	w.file(known)
	try := func(name string, g *given) wire.Refusal {
		t.Helper()
		_, err := w.book.File(t.Context(), wire.NewEnvelope{Envelope: g.Envelope})
		r := w.refused(err, name)
		if _, err := w.store.Grants.Get(t.Context(), g.Grant); err == nil && g != known {
			t.Fatal("a refused grant is in the book")
		}
		return r
	}
	stranger := newKey(t)
	try(wire.ProbBadSignature, w.give(func(p *grant.Params) { p.Signer = stranger }))
	try(wire.ProbBadSignature, w.give(func(p *grant.Params) { p.Client = "phone" }))
	try(wire.ProbForbidden, w.give(func(p *grant.Params) { p.Owner = w.address("owner@x.example") }))
	try(wire.ProbNotFound, w.give(func(p *grant.Params) { p.Owner = w.address("nobody@" + authority) }))
	try(wire.ProbConflict, w.give(func(p *grant.Params) { p.Circle = known.circle }))
	over := w.give(func(p *grant.Params) { p.Valid.Until = start().Add(time.Minute) })
	early := w.give(func(p *grant.Params) { p.Now = start().Add(time.Hour); p.Valid.From = p.Now })
	try(wire.ProbNotYet, early)
	old := w.give()
	w.clock.Advance(25 * time.Hour)
	try(wire.ProbForbidden, old) // stale: to be signed again
	w.clock.Set(start().Add(2 * time.Minute))
	try(wire.ProbExpired, over)
	for name, envelope := range map[string]string{
		"empty": "", "no JWS": "a.b", "another document": known.Closing, "long": strings.Repeat("a", grant.MaxSize+1),
		"unknown member": withMember(t, known.Envelope), "cut": known.Envelope[:len(known.Envelope)-4],
	} {
		_, err := w.book.File(t.Context(), wire.NewEnvelope{Envelope: envelope})
		if err == nil {
			t.Fatalf("%s: taken", name)
		}
		if r := w.refused(err, wire.ProbMalformed); name == "unknown member" && r.Pointer != "/surprise" {
			t.Fatalf("%s: pointer %q", name, r.Pointer)
		}
	}
}

// withMember adds a member that nobody knows to a JWS's payload.
func withMember(t *testing.T, compact string) string {
	t.Helper()
	parts := strings.Split(compact, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(append([]byte(`{"surprise":1,`), payload[1:]...))
	return strings.Join(parts, ".")
}

func TestSuspendedAccountGivesNothingAndWithdraws(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.give()
	w.file(g)
	w.must(w.store.Identities.Suspend(t.Context(), store.Suspension{
		Account: w.owner.Address().String(), Client: "phone", At: w.clock.Now(), Version: w.owner.Version(), Document: "signed",
	}))
	_, err := w.book.File(t.Context(), wire.NewEnvelope{Envelope: w.give().Envelope})
	w.refused(err, wire.ProbForbidden)
	_, err = w.book.Close(t.Context(), w.closing(g, "phone"))
	w.must(err)
	w.publish("laptop", "phone") // a newer document ends it
	w.file(w.give())
}

func TestEnvelopeSignedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.give()
	w.file(g)
	w.publish("phone") // the laptop is dropped
	owner, err := identity.First(w.owner.Compact())
	w.must(err)
	_, err = grant.VerifyEnvelope(g.Envelope, owner)
	if err == nil {
		t.Fatal("a dropped client's envelope verifies")
	}
	env := w.filed(g.Grant)
	env.ID, env.Client, env.Issued = w.id(), "phone", w.clock.Now()
	again, err := grant.SignEnvelope(env, w.clients["phone"])
	w.must(err)
	r, err := w.book.File(t.Context(), wire.NewEnvelope{Envelope: again})
	w.must(err)
	if r.State != string(grant.Given) || w.states(g.Grant) != "Given by owner;Given by owner;" {
		t.Fatalf("state %s, history %s", r.State, w.states(g.Grant))
	}
	kept, err := w.store.Grants.Get(t.Context(), g.Grant)
	w.must(err)
	if kept.Envelope != again {
		t.Fatal("the old envelope stayed")
	}
	env.ID, env.ValidUntil = w.id(), env.ValidUntil.Add(time.Hour)
	changed, err := grant.SignEnvelope(env, w.clients["phone"])
	w.must(err)
	_, err = w.book.File(t.Context(), wire.NewEnvelope{Envelope: changed})
	w.refused(err, wire.ProbConflict)
}

// filed reads a filed envelope back through its owner's eyes.
func (w *world) filed(id string) grant.Envelope {
	w.t.Helper()
	g, err := w.store.Grants.Get(w.t.Context(), id)
	w.must(err)
	doc, err := w.store.Identities.Version(w.t.Context(), g.Owner, 1)
	w.must(err)
	owner, err := identity.First(doc.Document)
	w.must(err)
	env, err := grant.VerifyEnvelope(g.Envelope, owner)
	w.must(err)
	return env
}

// TestWithdraw is lock one, from the closing to the fence.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.give()
	w.file(g)
	w.openCircle(g)
	w.must(w.send(g))
	w.clock.Advance(time.Minute)
	first, err := w.book.Close(t.Context(), w.closing(g, "phone")) // any client of the owner
	w.must(err)
	if first.State != string(grant.Withdrawn) || !first.At.Equal(start().Add(time.Minute)) {
		t.Fatalf("answer is %+v", first)
	}
	_, err = grant.VerifyReceipt(first.Receipt, authority, public(w.nodeKey), g.Closing)
	w.must(err)
	w.refused(w.send(g), wire.ProbFenced)
	w.clock.Advance(time.Hour)
	again, err := w.book.Close(t.Context(), w.closing(g, "laptop"))
	w.must(err)
	if again != first {
		t.Fatalf("closed again: %+v", again)
	}
	// A terminal grant stays so, whatever is replayed.
	if r := w.file(g); r.State != string(grant.Withdrawn) {
		t.Fatalf("filed again: %+v", r)
	}
	info, _ := w.groupInfo(circleID(t, g.circle), g.anchor)
	_, err = w.book.OpenCircle(t.Context(), circleID(t, g.circle), public(g.anchor), info)
	w.refused(err, wire.ProbFenced)
	_, err = w.book.Party(t.Context(), circleID(t, g.circle))
	w.refused(err, wire.ProbFenced)
	if got := w.states(g.Grant); got != "Given by owner;Withdrawn by owner;" {
		t.Fatalf("history is %s", got)
	}
	// And the grantee may not ask again for 90 days.
	ask := w.refused(w.book.MayAsk(t.Context(), w.owner.Address().String(), w.friend.Account.String()), wire.ProbAskLater)
	if want := 90*24*time.Hour - time.Hour; ask.Retry != want {
		t.Fatalf("may ask again in %v, want %v", ask.Retry, want)
	}
}

func TestWithdrawRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, other := w.give(), w.give()
	w.file(g)
	w.file(other)
	w.openCircle(g)
	try := func(name string, c wire.NewClosing) {
		t.Helper()
		_, err := w.book.Close(t.Context(), c)
		w.refused(err, name)
		w.must(w.send(g))
	}
	good := w.closing(g, "laptop")
	try(wire.ProbNotFound, w.closing(w.give(), "laptop")) // its envelope was never filed
	try(wire.ProbMalformed, wire.NewClosing{Closing: g.Envelope, Countersignature: good.Countersignature})
	try(wire.ProbMalformed, wire.NewClosing{Closing: g.Closing})
	try(wire.ProbConflict, wire.NewClosing{Closing: g.Closing, Countersignature: w.closing(other, "laptop").Countersignature})
	forged, err := grant.SignClosing(grant.Closing{ID: w.id(), Grant: g.Grant, Opening: grant.Hash(g.Opening)}, newKey(t))
	w.must(err)
	try(wire.ProbBadSignature, wire.NewClosing{Closing: forged, Countersignature: w.countersign("laptop", forged)})
	w.clients["thief"] = newKey(t)
	try(wire.ProbBadSignature, w.closing(g, "thief"))
	w.publish("phone")
	try(wire.ProbBadSignature, w.closing(g, "laptop")) // dropped
	w.clock.Advance(29 * 24 * time.Hour)
	// An identity document that has expired suffices, for a grant that lives on.
	long := w.give(func(p *grant.Params) {
		p.Client, p.Signer = "phone", w.clients["phone"]
		p.Valid.Until = w.clock.Now().Add(30 * 24 * time.Hour)
	})
	w.file(long)
	w.clock.Advance(2 * 24 * time.Hour)
	if !w.owner.ExpiredAt(w.clock.Now()) {
		t.Fatal("the document is still valid")
	}
	_, err = w.book.File(t.Context(), wire.NewEnvelope{Envelope: w.give(func(p *grant.Params) { p.Client, p.Signer = "phone", w.clients["phone"] }).Envelope})
	w.refused(err, wire.ProbExpired)
	_, err = w.book.Close(t.Context(), w.closing(long, "phone"))
	w.must(err)
}

// TestWithdrawAfterCrash: the fence was written, the state was not.
func TestWithdrawAfterCrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.give()
	w.file(g)
	w.openCircle(g)
	w.must(w.relay.Fence(t.Context(), circleID(t, g.circle), "withdrawn"))
	w.must(w.store.Close())
	w.open(w.dir)
	w.refused(w.send(g), wire.ProbFenced)
	r, err := w.book.Close(t.Context(), w.closing(g, "laptop"))
	w.must(err)
	if r.State != string(grant.Withdrawn) {
		t.Fatalf("state is %s", r.State)
	}
}

func TestWithdrawBeforeTheCircleOpens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.give()
	w.file(g)
	_, err := w.book.Close(t.Context(), w.closing(g, "laptop"))
	w.must(err)
	id := circleID(t, g.circle)
	info, _ := w.groupInfo(id, g.anchor)
	_, err = w.book.OpenCircle(t.Context(), id, public(g.anchor), info)
	w.refused(err, wire.ProbFenced)
	if _, err := w.store.Circles.Get(t.Context(), id); err == nil {
		t.Fatal("the circle was opened")
	}
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.give()
	w.file(old)
	w.openCircle(old)
	renewal := w.give(func(p *grant.Params) { p.Replaces = old.Grant })
	closing := w.closing(old, "laptop")
	other := w.give()
	w.file(other)
	wrong := w.closing(other, "laptop")
	_, err := w.book.File(t.Context(), wire.NewEnvelope{Envelope: renewal.Envelope, Replaces: &wrong})
	w.refused(err, wire.ProbMalformed)
	forged := closing
	forged.Countersignature = wrong.Countersignature
	_, err = w.book.File(t.Context(), wire.NewEnvelope{Envelope: renewal.Envelope, Replaces: &forged})
	w.refused(err, wire.ProbConflict)
	w.must(w.send(old))
	for range 2 {
		r, err := w.book.File(t.Context(), wire.NewEnvelope{Envelope: renewal.Envelope, Replaces: &closing})
		w.must(err)
		if r.State != string(grant.Given) {
			t.Fatalf("state is %s", r.State)
		}
	}
	if f := w.refused(w.send(old), wire.ProbFenced); f.Reason != "superseded" {
		t.Fatalf("reason is %q", f.Reason)
	}
	if got := w.states(old.Grant); got != "Given by owner;Superseded by owner;" {
		t.Fatalf("history of the old one is %s", got)
	}
	// A renewal is no refusal: the grantee may ask.
	w.must(w.book.MayAsk(t.Context(), w.owner.Address().String(), w.friend.Account.String()))
	// The old one is over already: nothing to supersede.
	third := w.give(func(p *grant.Params) { p.Replaces = old.Grant })
	_, err = w.book.File(t.Context(), wire.NewEnvelope{Envelope: third.Envelope, Replaces: &closing})
	w.must(err)
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.give()
	w.file(g)
	w.openCircle(g)
	_, err := w.book.Revoke(t.Context(), "stranger@x.example", g.Grant)
	w.refused(err, wire.ProbNotFound)
	_, err = w.book.Revoke(t.Context(), w.friend.Account.String(), w.id())
	w.refused(err, wire.ProbNotFound)
	w.must(w.send(g))
	for range 2 {
		r, err := w.book.Revoke(t.Context(), w.friend.Account.String(), g.Grant)
		w.must(err)
		if r.State != string(grant.Revoked) {
			t.Fatalf("state is %s", r.State)
		}
	}
	w.refused(w.send(g), wire.ProbFenced)
	// Withdrawing afterwards is answered with what is.
	r, err := w.book.Close(t.Context(), w.closing(g, "laptop"))
	w.must(err)
	if r.State != string(grant.Revoked) {
		t.Fatalf("state is %s", r.State)
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, friend := w.owner.Address().String(), w.friend.Account.String()
	until := start().Add(24 * time.Hour)
	w.must(w.book.MayAsk(t.Context(), owner, friend))
	w.must(w.book.Refuse(t.Context(), owner, wire.NewRefusal{From: friend, Until: until}))
	w.must(w.book.Refuse(t.Context(), owner, wire.NewRefusal{From: friend, Until: start()})) // shortens nothing
	if r := w.refused(w.book.MayAsk(t.Context(), owner, friend), wire.ProbAskLater); r.Retry != 24*time.Hour {
		t.Fatalf("retry after %v", r.Retry)
	}
	w.must(w.book.MayAsk(t.Context(), friend, owner))
	w.must(w.book.MayAsk(t.Context(), owner, "another@s.localhost:8402"))
	w.clock.Set(until)
	w.must(w.book.MayAsk(t.Context(), owner, friend))
	for pointer, r := range map[string]wire.NewRefusal{
		"/from":  {From: "nonsense", Until: until.Add(time.Hour)},
		"/until": {From: friend, Until: until.Add(3 * 366 * 24 * time.Hour)},
	} {
		if got := w.refused(w.book.Refuse(t.Context(), owner, r), wire.ProbMalformed).Pointer; got != pointer {
			t.Fatalf("pointer is %q, want %q", got, pointer)
		}
	}
}

// TestList: who receives learns neither envelope nor owner from the node.
func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.give()
	w.file(g)
	own, err := w.book.List(t.Context(), w.owner.Address().String(), "")
	w.must(err)
	theirs, err := w.book.List(t.Context(), w.friend.Account.String(), "")
	w.must(err)
	if len(own) != 1 || own[0].Envelope != g.Envelope || own[0].State != string(grant.Given) || len(own[0].Events) != 1 {
		t.Fatalf("the owner sees %+v", own)
	}
	if len(theirs) != 1 || theirs[0].Envelope != "" || theirs[0].Owner != "" || theirs[0].Circle != g.circle {
		t.Fatalf("the grantee sees %+v", theirs)
	}
	none, err := w.book.List(t.Context(), w.owner.Address().String(), g.Grant)
	w.must(err)
	if len(none) != 0 {
		t.Fatalf("after the last one: %+v", none)
	}
}

// TestExpiryByClock: Run ends at the very moment what was filed while it slept.
func TestExpiryByClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := w.book.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	w.must(w.clock.BlockUntil(ctx, 1))
	g := w.give(func(p *grant.Params) { p.Valid.Until = start().Add(2 * time.Second) })
	w.file(g)
	w.openCircle(g)
	w.must(w.send(g))
	for w.states(g.Grant) != "Given by owner;Expired by clock;" {
		w.must(w.clock.BlockUntil(ctx, 1))
		w.clock.Advance(time.Second)
		if w.clock.Now().After(start().Add(time.Hour)) {
			t.Fatalf("an hour later: %s", w.states(g.Grant))
		}
	}
	if f := w.refused(w.send(g), wire.ProbFenced); f.Reason != store.FenceExpired {
		t.Fatalf("reason is %q", f.Reason)
	}
	r, err := w.book.Close(t.Context(), w.closing(g, "laptop"))
	w.must(err)
	if r.State != string(grant.Expired) {
		t.Fatalf("closed after its end: %s", r.State)
	}
	cancel()
	<-ended
}

func FuzzDocuments(f *testing.F) {
	w := newWorld(f)
	g := w.give()
	_, err := w.book.File(context.Background(), wire.NewEnvelope{Envelope: g.Envelope})
	w.must(err)
	c := w.closing(g, "laptop")
	f.Add(g.Envelope, c.Closing, c.Countersignature)
	f.Add(g.Envelope[:40], c.Closing[:40], "")
	f.Add(c.Closing, g.Envelope, c.Countersignature)
	f.Fuzz(func(t *testing.T, envelope, closing, countersignature string) {
		if closing == c.Closing && countersignature == c.Countersignature {
			t.Skip("the one closing that holds")
		}
		ctx := context.Background()
		if _, err := w.book.File(ctx, wire.NewEnvelope{Envelope: envelope}); err != nil && envelope == g.Envelope {
			t.Fatal(err)
		}
		_, _ = w.book.OpenHome(ctx, wire.NewHome{Claim: envelope, Countersignature: countersignature})
		_ = w.book.Active(ctx, wire.CircleID{}, wire.ActiveSet{Document: closing})
		if _, err := w.book.Close(ctx, wire.NewClosing{Closing: closing, Countersignature: countersignature}); err == nil {
			t.Fatal("foreign bytes withdrew a grant")
		}
		if known, err := w.store.Grants.Get(ctx, g.Grant); err != nil || known.State != string(grant.Given) {
			t.Fatalf("the grant is %s: %v", known.State, err)
		}
	})
}

// TestRecoveredAccount: the recovery key signs a document with another
// identity key; the account goes on giving and withdrawing.
func TestRecoveredAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.give()
	w.file(g)
	w.idKey, w.signer = newKey(t), w.recovery
	w.publish("phone")
	_, err := w.book.Close(t.Context(), w.closing(g, "laptop"))
	w.refused(err, wire.ProbBadSignature)
	_, err = w.book.Close(t.Context(), w.closing(g, "phone"))
	w.must(err)
	w.signer = nil
	w.publish("phone") // the new identity key signs the one after
	w.file(w.give(func(p *grant.Params) { p.Client, p.Signer = "phone", w.clients["phone"] }))
}
