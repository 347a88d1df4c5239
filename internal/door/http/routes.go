package httpdoor

import (
	"context"
	"net/http"

	"primum/internal/wire"
)

const (
	typeMLS  = "message/mls" // RFC 9420 §17.11
	smallMax = 4 << 10
	pleaMax  = 6*wire.MaxPlea + smallMax // every byte may be escaped in JSON
)

// routes is the whole interface of a node over HTTP, in plain sight.
func (d *Door) routes() []route {
	get, post, put, del := http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	return append([]route{
		{method: get, path: "/healthz", id: "health", summary: "Whether the store answers", outType: "text/plain", handle: d.getHealth},
		{method: get, path: wire.WebFingerPath, id: "webfinger", summary: "Find an account's identity document", query: []string{"resource"}, out: wire.JRD{}, handle: d.getWebFinger},
		{method: get, path: wire.NodePath, id: "node", summary: "What this node is, and its keys", out: wire.NodeInfo{}, handle: d.getNode},

		{method: post, path: "/v1/accounts", id: "open-account", summary: "Open an account", in: wire.NewAccount{}, max: 2 * wire.MaxDocument, handle: d.postAccount},
		{method: get, path: "/v1/identity/{user}", id: "get-identity", summary: "An account's identity document", outType: wire.JOSE, handle: d.getIdentity},
		{method: put, path: "/v1/identity/{user}", id: "put-identity", summary: "Publish the next identity document; it signs itself", inType: wire.JOSE, max: wire.MaxDocument, handle: d.putIdentity},
		right(route{method: put, path: "/v1/suspension/{user}", id: "suspend", summary: "Stop all giving until a newer identity document; it signs itself", stops: true, inType: wire.JOSE, max: wire.MaxDocument, handle: d.putSuspension}),

		{method: post, path: "/v1/key-packages", id: "publish-key-packages", summary: "Add to the calling client's stock", signers: byOwn, guests: true, in: wire.KeyPackages{}, max: wire.MaxBody, out: wire.KeyPackageCount{}, handle: d.postKeyPackages},
		{method: get, path: "/v1/key-packages", id: "count-key-packages", summary: "The calling client's stock", signers: byOwn, guests: true, out: wire.KeyPackageCount{}, handle: d.getKeyPackages},
		{method: post, path: "/v1/key-packages/claim/{user}", id: "claim-key-packages", summary: "One key package of each client of an account", signers: byNode, in: wire.ClaimKeyPackages{}, max: smallMax, out: wire.ClaimedPackages{}, handle: d.postClaim},

		{method: post, path: "/v1/inbox/{user}", id: "deliver", summary: "Deliver a sealed document", signers: byNode, in: wire.Sealed{}, max: wire.MaxBody, status: http.StatusAccepted, handle: d.postInbox},
		{method: get, path: "/v1/inbox", id: "read-inbox", summary: "The calling client's copies", signers: byOwn, guests: true, query: []string{"after"}, out: wire.Inbox{}, handle: d.getInbox},
		{method: post, path: "/v1/outbox", id: "send", summary: "Have a sealed document delivered", signers: byOwn, in: wire.Sealed{}, max: wire.MaxBody, status: http.StatusAccepted, handle: d.postOutbox},

		{method: post, path: "/v1/envelopes", id: "file-envelope", summary: "File the envelope of a grant", signers: byOwn, in: wire.NewEnvelope{}, max: 3 * wire.MaxDocument, out: wire.Receipt{}, handle: d.postEnvelope},
		right(route{method: post, path: "/v1/closings", id: "withdraw", summary: "Withdraw a grant; the documents sign themselves", stops: true, in: wire.NewClosing{}, max: 2 * wire.MaxDocument, out: wire.Receipt{}, handle: d.postClosing}),
		right(route{method: post, path: "/v1/refusals", id: "refuse", summary: "Remember that a request was refused", signers: byOwn, in: wire.NewRefusal{}, max: smallMax, handle: d.postRefusal}),
		{method: get, path: "/v1/grants", id: "list-grants", summary: "Grants given or received", signers: byClient, guests: true, query: []string{"after"}, out: []wire.GrantStatus{}, handle: d.getGrants},

		{method: put, path: "/v1/links/{id}", id: "make-link", summary: "Make a link to share by", signers: byOwn, in: wire.NewLink{}, max: smallMax, handle: d.putLink},
		{method: get, path: "/v1/links/{id}", id: "get-link", summary: "How far a link is; waits for its next step", stays: true, query: []string{"after", "wait"}, out: wire.LinkStatus{}, handle: d.getLink},
		{method: post, path: "/v1/links/{id}/answer", id: "answer-link", summary: "Open the guest's account; the first answer wins", in: wire.LinkAnswer{}, max: 2 * wire.MaxDocument, handle: d.postLinkAnswer},
		{method: post, path: "/v1/links/{id}/reveal", id: "reveal-link", summary: "Show the guest what was committed to", signers: byOwn, in: wire.LinkReveal{}, max: smallMax, handle: d.postLinkReveal},
		{method: http.MethodDelete, path: "/v1/links/{id}", id: "cancel-link", summary: "End a link and its guest", signers: byOwn, stops: true, handle: d.deleteLink},

		right(route{method: get, path: "/v1/seen", id: "who-saw-what", summary: "What was delivered to whom under the caller's grants, and its proofs", signers: byOwn, query: []string{"day", "days"}, out: wire.Seen{}, handle: d.getSeen}),

		{method: get, path: "/v1/homes", id: "list-homes", summary: "The calling account's present homes", signers: byOwn, out: []wire.Home{}, handle: d.getHomes},
		{method: post, path: "/v1/homes", id: "open-home", summary: "Open a home circle; the claim signs itself", in: wire.NewHome{}, max: wire.MaxBody, out: wire.CircleInfo{}, handle: d.postHome},
		{method: post, path: "/v1/homes/{circle}/active", id: "present-active-set", summary: "Lift the fences after a restore", signers: byAnchor, in: wire.ActiveSet{}, max: wire.MaxBody, handle: d.postActive},
		{method: post, path: "/v1/circles", id: "open-circle", summary: "Open the circle of a filed envelope", signers: byAnchor, in: wire.NewCircle{}, max: wire.MaxBody, out: wire.CircleInfo{}, handle: d.postCircle},
		{method: get, path: "/v1/circles/{circle}", id: "get-circle", summary: "A circle's head and epoch", signers: byClient | byAnchor, guests: true, out: wire.CircleInfo{}, handle: d.getCircle},
		{method: get, path: "/v1/circles/{circle}/messages", id: "read-messages", summary: "A page of sealed messages", signers: byClient | byAnchor, guests: true, query: []string{"after"}, outType: typeOctets, handle: d.getMessages},
		{method: post, path: "/v1/circles/{circle}/append", id: "append", summary: "Append a sealed message", signers: byClient | byAnchor, guests: true, inType: typeMLS, max: wire.MaxHandshake, out: appended{}, handle: d.postAppend},
		{method: post, path: "/v1/circles/{circle}/commit", id: "commit", summary: "Append a commit and its Welcome", signers: byAnchor, in: newCommit{}, max: 2*wire.MaxHandshake*4/3 + smallMax, out: appended{}, handle: d.postCommit},
		{method: post, path: "/v1/circles/{circle}/key-packages", id: "claim-for-circle", summary: "Claim key packages of the circle's other party", signers: byAnchor, in: wire.ClaimKeyPackages{}, max: smallMax, out: wire.ClaimedPackages{}, handle: d.postCirclePackages},

		{method: post, path: "/v1/live", id: "get-ticket", summary: "A one-use ticket for the live socket", signers: byClient | byAnchor, guests: true, max: smallMax, out: wire.Ticket{}, handle: d.postLive},
		{method: get, path: "/v1/live", id: "live", summary: "The live socket (WebSocket; subprotocols " + wire.Subprotocol + " and " + wire.TicketPrefix + "TICKET)", stays: true, status: http.StatusSwitchingProtocols, handle: d.getLive},

		{method: post, path: "/v1/session", id: "open-session", summary: "A cookie with which a page's requests to other nodes are carried", signers: byOwn, max: smallMax, handle: d.forPersons(d.postSession)},
		{method: del, path: "/v1/session", id: "end-session", summary: "End the calling client's sessions", signers: byOwn, max: smallMax, handle: d.deleteSession},
		{method: put, path: "/v1/keep", id: "put-keep", summary: "Store the wrapped copies of the identity key", signers: byOwn, inType: typeJSON, max: wire.MaxKeep, handle: d.forPersons(d.putKeep)},
		{method: get, path: "/v1/keep/{user}", id: "get-keep", summary: "The wrapped copies of an account's identity key, or noise of that form", outType: typeJSON, handle: d.getKeep},
		right(route{method: del, path: "/v1/account", id: "close-account", summary: "Close the account for good; its name is never given again", signers: byOwn, in: wire.CloseAccount{}, max: smallMax, handle: d.deleteAccount}),
		{method: put, path: "/v1/notices/{id}", id: "put-notice", summary: "Publish a thing's public page", signers: byOwn, in: wire.Notice{}, max: wire.MaxNotice, out: wire.NoticeKept{}, handle: d.forPersons(d.putNotice)},
		{method: get, path: "/v1/notices/{id}", id: "get-notice", summary: "What a thing's public page says", out: wire.Notice{}, handle: d.getNotice},
		{method: get, path: "/v1/notices", id: "list-notices", summary: "The caller's public pages", signers: byOwn, out: wire.Notices{}, handle: d.listNotices},
		{method: del, path: "/v1/notices/{id}", id: "delete-notice", summary: "Take a public page down", signers: byOwn, max: smallMax, handle: d.deleteNotice},
		{method: put, path: "/v1/labels", id: "put-label", summary: "A random label for a thing, which from then on is answered for by no other name", signers: byOwn, in: wire.NewLabel{}, max: smallMax, out: wire.Label{}, handle: d.forPersons(d.putLabel)},
		{method: get, path: "/v1/labels", id: "list-labels", summary: "The caller's labels", signers: byOwn, out: wire.Labels{}, handle: d.listLabels},
		{method: del, path: "/v1/labels/{label}", id: "delete-label", summary: "End a label and its public page", signers: byOwn, max: smallMax, handle: d.deleteLabel},
		{method: get, path: "/v1/push", id: "get-push", summary: "The node's key for Web Push", signers: byOwn, out: wire.PushKey{}, handle: d.getPush},
		{method: put, path: "/v1/push", id: "put-push", summary: "Ring the calling client when something arrives", signers: byOwn, in: wire.PushSubscription{}, max: smallMax, handle: d.forPersons(d.putPush)},
		{method: del, path: "/v1/push", id: "delete-push", summary: "Ring the calling client no more", signers: byOwn, max: smallMax, handle: d.deletePush},

		right(route{method: get, path: wire.LedgerProofPath, id: "ledger-proof", summary: "Proof that a leaf stands in the commitments log", query: []string{"leaf"}, outType: "text/plain", handle: d.getLedgerProof}),

		right(route{method: get, path: "/v1/rights", id: "list-cases", summary: "The caller's objections and complaints", signers: byOwn, out: wire.Cases{}, handle: d.getCases}),
		right(route{method: get, path: "/v1/rights/access", id: "access", summary: "What the node holds about the caller, why, for how long, and who gets it", signers: byOwn, guests: true, out: wire.Access{}, handle: d.getAccess}),
		right(route{method: get, path: "/v1/rights/export", id: "export", summary: "All that the node holds about the caller, in pages", signers: byOwn, guests: true, query: []string{"after"}, out: wire.NodeExport{}, handle: d.getExport}),
		right(route{method: post, path: "/v1/rights/import", id: "import", summary: "Take over what another node exported", signers: byOwn, in: wire.NodeImport{}, max: wire.MaxRightsBody, out: wire.Imported{}, handle: d.forPersons(d.postImport)}),
		right(route{method: post, path: "/v1/rights/erasure", id: "erase", summary: "Erase the account for good, and tell what remains and why", signers: byOwn, in: wire.CloseAccount{}, max: smallMax, out: wire.Erased{}, handle: d.postErasure}),
		right(route{method: post, path: "/v1/rights/objection", id: "object", summary: "Object to a thing, a page or a grant; nobody needs an account", in: wire.Plea{}, max: pleaMax, status: http.StatusCreated, out: wire.Case{}, handle: d.postPlea(wire.RightObjection)}),
		right(route{method: post, path: "/v1/rights/complaint", id: "complain", summary: "Complain about this node; nobody needs an account", in: wire.Plea{}, max: pleaMax, status: http.StatusCreated, out: wire.Case{}, handle: d.postPlea(wire.RightComplaint)}),
		right(route{method: get, path: "/v1/rights/cases/{id}", id: "get-case", summary: "How a case stands; its id is its key", out: wire.Case{}, handle: d.getCase}),
		right(route{method: post, path: "/v1/rights/cases/{id}/appeal", id: "appeal", summary: "Have an answered case looked at again", in: wire.Appeal{}, max: pleaMax, out: wire.Case{}, handle: d.postAppeal}),

		{method: get, path: "/openapi.json", id: "openapi", summary: "This description", outType: typeJSON, handle: d.getOpenAPI},
		{method: get, path: "/metrics", id: "metrics", summary: "Numbers for the operator (Prometheus)", outType: "text/plain", handle: d.getMetrics},
		{method: get, path: "/v1/usage", id: "usage", summary: "What was counted of the caller's organisation in 31 days; of persons nothing is", signers: byClient, unmetered: true, out: wire.Usage{}, handle: d.getUsage},
	}, d.factRoutes()...)
}

func (d *Door) getHealth(ctx context.Context, _ *call) (any, error) {
	if err := d.cfg.Ready(ctx); err != nil {
		return nil, err
	}
	return raw{kind: "text/plain; charset=utf-8", bytes: []byte("ok\n")}, nil
}

func (d *Door) getOpenAPI(context.Context, *call) (any, error) {
	return raw{kind: "application/openapi+json", bytes: d.openAPI, cache: "max-age=300"}, nil
}

func (d *Door) getMetrics(_ context.Context, c *call) (any, error) {
	d.metricsHandler().ServeHTTP(c.w, c.r)
	return hijacked{}, nil
}
