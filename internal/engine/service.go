package engine

import (
	"cmp"
	"context"
	"strconv"
	"sync"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/internal/wire"
)

// maxOffers bounds the services that a session remembers.
const maxOffers = 32

// offers are the services as they were shown, so that a yes is to what the
// person saw and not to what the node has put in its place since. Safe for
// concurrent use.
type offers struct {
	mu    sync.Mutex
	shown map[ServiceRef]grant.Request // guarded by mu
}

func newOffers() *offers { return &offers{shown: make(map[ServiceRef]grant.Request)} }

func (o *offers) keep(ref ServiceRef, q grant.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.shown) >= maxOffers {
		clear(o.shown) // who reads so many reads again
	}
	o.shown[ref] = q
}

func (o *offers) get(ref ServiceRef) (grant.Request, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	q, ok := o.shown[ref]
	return q, ok
}

// service reads what a node offers. It tells nobody who asks; the provider's
// identity is fetched, and compared with what is known of it.
func (e *Engine) service(ctx context.Context, p ServiceParams) (ServiceInfo, error) {
	s, err := e.current()
	if err != nil {
		return ServiceInfo{}, err
	}
	offer, err := s.client.Service(ctx, p.Node, p.Name)
	if err != nil {
		return ServiceInfo{}, serviceError(err)
	}
	v, err := s.client.Directory.Lookup(ctx, offer.Provider.String())
	if err != nil {
		return ServiceInfo{}, accountError(err)
	}
	language := cmp.Or(p.Language, "en")
	text, in := offer.Text(language)
	node := offer.Provider.Authority
	info := ServiceInfo{
		Node: node, Name: offer.Name, Title: clean(text.Title, maxTitle), Offer: cleanLines(text.Body, 2*maxText), Language: in, Page: offer.Page, Asks: []RequestInfo{},
	}
	now := e.o.Clock.Now()
	for i := range offer.Asks {
		q := offer.Request(i, language, now)
		s.offers.keep(ServiceRef{node, offer.Name, i}, q)
		info.Asks = append(info.Asks, s.requestInfo(circle.RequestInfo{From: offer.Provider.String(), Identity: v.Compact(), Request: q, Received: now}))
	}
	return info, nil
}

func serviceError(err error) error {
	if isErr(err, client.ErrService) || isErr(err, grant.ErrDocument) || client.IsProblem(err, wire.ProbNotFound) {
		return &Error{Code: "no-service", Detail: err.Error()}
	}
	return err
}

// connecting takes from an ask of a service what the person does not decide.
func (s *session) connecting(q *circle.GiveParams, p *GiveParams) error {
	ask, ok := s.offers.get(*p.Service)
	switch {
	case !ok:
		return &Error{Code: "no-service", Detail: "ask " + strconv.Itoa(p.Service.Ask) + " was not shown here"}
	case p.Request != "" || p.Account != "" && p.Account != ask.From.String():
		return &Error{Code: "params", Detail: "account and service are of two people"}
	}
	p.Account, p.Notice = ask.From.String(), ""
	q.Purpose, q.Service, q.Retention, q.DeletesWithin = ask.Purpose, ask.Service, ask.Retention, ask.DeletesWithin
	q.Conditionality, q.Notice = ask.Conditionality, ask.Notice
	return nil
}
