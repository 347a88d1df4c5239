package httpdoor

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"primum/internal/wire"
)

// problemType is the media type of RFC 9457 §3.
const problemType = "application/problem+json"

// kinds gives each problem its status and title (RFC 9457 §3.1).
func kinds() map[string]struct {
	status int
	title  string
} {
	type k = struct {
		status int
		title  string
	}
	return map[string]k{
		wire.ProbMalformed:     {http.StatusBadRequest, "The request can't be read"},
		wire.ProbTooLarge:      {http.StatusRequestEntityTooLarge, "The request is too large"},
		wire.ProbUnsigned:      {http.StatusUnauthorized, "The request must be signed"},
		wire.ProbBadSignature:  {http.StatusUnauthorized, "The signature does not verify"},
		wire.ProbClockSkew:     {http.StatusUnauthorized, "Your clock differs too much from the node's"},
		wire.ProbReplay:        {http.StatusUnauthorized, "This request was received before"},
		wire.ProbNotFound:      {http.StatusNotFound, "There is nothing here, or not for you"},
		wire.ProbConflict:      {http.StatusConflict, "The request contradicts what is stored"},
		wire.ProbForbidden:     {http.StatusForbidden, "You may not do this"},
		wire.ProbGrantRequired: {http.StatusForbidden, "No grant allows this"},
		wire.ProbPurpose:       {http.StatusForbidden, "The grant is for another purpose"},
		wire.ProbPrecision:     {http.StatusForbidden, "The grant does not allow it this fine"},
		wire.ProbAskLater:      {http.StatusTooManyRequests, "This account does not want to be asked again yet"},
		wire.ProbTooMany:       {http.StatusTooManyRequests, "Too many requests"},
		wire.ProbStaleEpoch:    {http.StatusConflict, "The circle's keys have turned since"},
		wire.ProbFenced:        {http.StatusGone, "The circle has ended"},
		wire.ProbNotYet:        {http.StatusConflict, "Not yet"},
		wire.ProbInvite:        {http.StatusForbidden, "Accounts here are by invitation"},
		wire.ProbUnreachable:   {http.StatusBadGateway, "Another node can't be reached"},
		wire.ProbStorage:       {http.StatusInsufficientStorage, "The node can't store this now"},
		wire.ProbInternal:      {http.StatusInternalServerError, "The node failed"},
		wire.ProbExpired:       {http.StatusGone, "This has expired"},
		wire.ProbCircleFull:    {http.StatusConflict, "The circle is full"},
		wire.ProbLinkUsed:      {http.StatusConflict, "Somebody has opened this link already"},
		wire.ProbQuota:         {http.StatusTooManyRequests, "Your organisation has used up its quota"},
		wire.ProbToken:         {http.StatusUnauthorized, "A publisher's token is needed"},
	}
}

// problem makes the named problem. The detail is for people and never repeats
// what the caller sent, except for names of members and places.
func problem(name, detail string) *wire.Problem {
	k, ok := kinds()[name]
	if !ok {
		name, k = wire.ProbInternal, kinds()[wire.ProbInternal]
	}
	return &wire.Problem{Type: wire.ProblemPrefix + name, Title: k.title, Status: k.status, Detail: detail}
}

// tooMany is a refusal by a limit, with the time to wait.
func tooMany(wait time.Duration, what string) *wire.Problem {
	p := problem(wire.ProbTooMany, "the limit for "+what+" is reached")
	p.Retry = seconds(wait)
	return p
}

// seconds rounds up; an HTTP Retry-After knows whole seconds (RFC 9110 §10.2.3).
func seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

func writeProblem(w http.ResponseWriter, p *wire.Problem) {
	h := w.Header()
	h.Set("Content-Type", problemType)
	h.Set("Cache-Control", "no-store")
	if p.Retry > 0 {
		h.Set("Retry-After", strconv.Itoa(p.Retry))
	}
	if p.Status == http.StatusUnauthorized {
		// RFC 9110 §11.6.1 wants a challenge with every 401.
		h.Set("WWW-Authenticate", "Signature")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// pointer is a JSON pointer (RFC 6901) to an element of an array.
func pointer(member string, i int) string { return "/" + member + "/" + strconv.Itoa(i) }

// panicPlace is the stack without its values.
func panicPlace() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs[:])])
	var b strings.Builder
	for {
		f, more := frames.Next()
		fmt.Fprintf(&b, "%s:%d ", f.Function, f.Line)
		if !more {
			return b.String()
		}
	}
}
