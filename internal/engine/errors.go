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
	for _, name := range []string{
		wire.ProbMalformed, wire.ProbTooLarge, wire.ProbUnsigned, wire.ProbBadSignature, wire.ProbClockSkew, wire.ProbReplay,
		wire.ProbNotFound, wire.ProbConflict, wire.ProbForbidden, wire.ProbGrantRequired, wire.ProbPurpose, wire.ProbPrecision,
		wire.ProbAskLater, wire.ProbTooMany, wire.ProbStaleEpoch, wire.ProbFenced, wire.ProbNotYet, wire.ProbInvite,
		wire.ProbUnreachable, wire.ProbStorage, wire.ProbInternal, wire.ProbExpired, wire.ProbCircleFull, wire.ProbLinkUsed,
		"wrong-code", "claim-refused",
	} {
		if p.Named(name) {
			out.Code = "node." + name
			problemData(p, out)
			return true
		}
	}
	if isErr(err, client.ErrUnreachable) {
		out.Code = "unreachable"
		return true
	}
	out.Code = "node.refused"
	return true
}

func problemData(p *wire.Problem, out *Error) {
	if p.Retry > 0 {
		out.Data = map[string]string{"Seconds": strconv.FormatInt(int64(p.Retry), 10)}
	}
}

// thingError is the refusal of a thing's end.
func thingError(err error, out *Error) bool {
	var p *circle.Problem
	if !errors.As(err, &p) {
		return false
	}
	switch p.Kind {
	case "grant-required", "precision-exceeded", "paused", "expired", "replayed", "not-found", "not-supported", "no-history",
		"too-many-requests", "too-large", "timeout", "refused":
		out.Code = "thing." + p.Kind
	default:
		out.Code = "thing.refused"
	}
	return true
}

// deniedError is a right that is missing, found here.
func deniedError(err error, out *Error) bool {
	var d *grant.Denied
	if !errors.As(err, &d) {
		return false
	}
	out.Code = "node." + d.Kind
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
		{client.ErrTimeout, "thing.timeout"},
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
