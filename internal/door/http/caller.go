package httpdoor

import (
	"net/http"
)

// Caller is the account that signed a request for another door of this node
// (RFC 9421), or empty for one that nobody signed: a stranger. body is all of
// the request's body, which the caller has read. A signature that is there and
// does not hold is an error, a *wire.Problem, never a stranger's request; so is
// one by a node, an anchor or a link's guest. The account's limit is taken from.
func (d *Door) Caller(r *http.Request, body []byte) (account string, err error) {
	if r.Header.Get("Signature") == "" && r.Header.Get("Signature-Input") == "" {
		return "", nil
	}
	c := &call{r: r, body: body, now: d.cfg.Clock.Now()}
	rt := route{signers: byClient}
	who, err := d.authenticate(c, rt)
	if err == nil {
		err = d.noGuest(rt, who)
	}
	if err != nil {
		return "", d.explain(err)
	}
	return who.accountName(), nil
}
