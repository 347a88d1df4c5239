package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strconv"
	"syscall"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/identity"
	"primum/internal/wire"
)

// errorOf is what a page sees of an error: the most telling sentence first.
func errorOf(err error) *Error {
	var shown *Error
	if errors.As(err, &shown) {
		return shown
	}
	if errors.As(accountError(err), &shown) {
		return shown
	}
	out := &Error{Code: "internal", Detail: clean(err.Error(), maxText)}
	for _, known := range []func(error, *Error) bool{
		diskError, problemError, thingError, deniedError, knownError,
	} {
		if known(err, out) {
			break
		}
	}
	return out
}

// Shown is an error as JSON of an Error, as pages get it.
func Shown(err error) string {
	b, err := json.Marshal(errorOf(err))
	if err != nil {
		return `{"code":"internal"}`
	}
	return string(b)
}

// isErr tells whether err wraps one of several errors.
func isErr(err error, any ...error) bool {
	for _, a := range any {
		if errors.Is(err, a) {
			return true
		}
	}
	return false
}

// problemError is a node's or an edge's refusal.
func problemError(err error, out *Error) bool {
	var p *wire.Problem
	if !errors.As(err, &p) {
		return false
	}
	for _, k := range []struct{ name, code string }{
		{wire.ProbClockSkew, "clock"},
		{wire.ProbNotFound, "no-such"},
		{wire.ProbForbidden, "forbidden"},
		{wire.ProbGrantRequired, "grant-required"},
		{wire.ProbPurpose, "purpose-mismatch"},
		{wire.ProbPrecision, "precision-exceeded"},
		{wire.ProbAskLater, "ask-later"},
		{wire.ProbTooMany, "busy"},
		{wire.ProbFenced, "ended"},
		{wire.ProbNotYet, "not-yet"},
		{wire.ProbInvite, "invite"},
		{wire.ProbUnreachable, "unreachable"},
		{wire.ProbStorage, "node-storage"},
		{wire.ProbExpired, "expired"},
		{wire.ProbCircleFull, "circle-full"},
		{wire.ProbLinkUsed, "link-used"},
		{wire.ProbTooLarge, "too-large"},
		{"wrong-code", "wrong-code"},
		{"claim-refused", "claim-refused"},
	} {
		if p.Named(k.name) {
			out.Code = k.code
			if p.Retry > 0 {
				out.Data = map[string]string{"Seconds": strconv.Itoa(p.Retry)}
			}
			return true
		}
	}
	out.Code = "node-refused"
	if isErr(err, client.ErrUnreachable) {
		out.Code = "unreachable"
	}
	return true
}

// thingError is the refusal of a thing's end.
func thingError(err error, out *Error) bool {
	var p *circle.Problem
	if !errors.As(err, &p) {
		return false
	}
	for _, k := range []struct{ kind, code string }{
		{grant.KindGrantRequired, "grant-required"},
		{grant.KindPrecision, "precision-exceeded"},
		{"paused", "paused"},
		{"expired", "expired"},
		{circle.KindNotFound, "thing-gone"},
		{"no-history", "no-history"},
		{circle.KindTooMany, "busy"},
		{"too-large", "too-large"},
		{"timeout", "thing-away"},
	} {
		if p.Kind == k.kind {
			out.Code = k.code
			return true
		}
	}
	out.Code = "thing-refused"
	return true
}

// deniedError is a right that is missing, found here.
func deniedError(err error, out *Error) bool {
	var d *grant.Denied
	if !errors.As(err, &d) {
		return false
	}
	for _, kind := range []string{grant.KindGrantRequired, grant.KindPurpose, grant.KindPrecision} {
		if d.Kind == kind {
			out.Code = kind
			return true
		}
	}
	out.Code = "refused"
	return true
}

// knownError is an error value of the packages below.
func knownError(err error, out *Error) bool {
	for _, k := range []struct {
		err  error
		code string
	}{
		{client.ErrNoAccount, "no-such-account"},
		{client.ErrWrongThing, "wrong-thing"},
		{client.ErrNoSuch, "no-such"},
		{client.ErrAmbiguous, "ambiguous"},
		{client.ErrTimeout, "thing-away"},
		{client.ErrUnreachable, "unreachable"},
		{identity.ErrPinChanged, "key-changed"},
		{circle.ErrClosed, "closed"},
		{circle.ErrWeakSuite, "weak"},
		{circle.ErrEnded, "ended"},
		{circle.ErrFull, "busy"},
		{circle.ErrUnknown, "no-such"},
		{circle.ErrNotYet, "not-yet"},
		{grant.ErrExpired, "expired"},
		{grant.ErrNotYet, "clock"},
		{grant.ErrStale, "stale"},
		{grant.ErrAudience, "document"},
		{grant.ErrSigner, "document"},
		{grant.ErrMismatch, "document"},
		{grant.ErrDocument, "document"},
		{circle.ErrRefused, "refused"},
		{context.DeadlineExceeded, "timeout"},
		{context.Canceled, "closed"},
	} {
		if errors.Is(err, k.err) {
			out.Code = k.code
			return true
		}
	}
	return false
}

// diskError is what the browser's or the machine's storage says.
func diskError(err error, out *Error) bool {
	var path *fs.PathError
	switch {
	case isErr(err, syscall.ENOSPC):
		out.Code = "storage-full"
	case errors.As(err, &path):
		out.Code = "storage"
	default:
		return false
	}
	return true
}
