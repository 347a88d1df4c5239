package engine

// Method is one row of the engine's surface: a name, and examples of what it
// takes and gives, from which the pages' types are written.
type Method struct {
	Name     string
	In, Out  any
	Sentence string // what it does, for the written types
}

// Methods is the whole surface, in plain sight.
func Methods() []Method {
	return []Method{
		{"status", Empty{}, Status{}, "how far the engine is"},
		{"account.create", CreateParams{}, Created{}, "make an identity and open its account"},
		{"account.restore", RestoreParams{}, Status{}, "make this browser a further client, by phrase or passkey"},
		{"account.check", SecretParams{}, Empty{}, "whether a secret unwraps the identity key"},
		{"account.renew", SecretParams{}, Status{}, "renew the identity document"},
		{"account.addPasskey", SecretParams{}, Status{}, "let a passkey unwrap the identity key, too"},
		{"account.newPhrase", SecretParams{}, Created{}, "replace the recovery phrase"},
		{"account.clients", Empty{}, []ClientInfo{}, "the clients of the account"},
		{"account.drop", DropParams{}, Status{}, "take a client off"},
		{"account.suspend", Empty{}, Status{}, "no client gives until the account is renewed"},
		{"account.export", Empty{}, Export{}, "everything that client, things and node hold about the account, but keys"},
		{"account.delete", SecretParams{}, Deleted{}, "withdraw everything, close the account, forget all here"},
		{"account.forget", Empty{}, Empty{}, "erase all state of this browser; the account stays"},
		{"pair.begin", PairBeginParams{}, PairOffer{}, "new device: ask to become a client"},
		{"pair.wait", Empty{}, Status{}, "new device: wait until the old one has accepted"},
		{"pair.look", PairLookParams{}, PairAsked{}, "old device: what a scanned code asks"},
		{"pair.accept", PairAcceptParams{}, Empty{}, "old device: accept the new one"},
		{"person", AccountParams{}, Person{}, "fetch somebody's identity"},
		{"person.compared", AccountParams{}, Empty{}, "note that the short codes were compared"},
		{"people", Empty{}, []Person{}, "everybody known here, without asking anybody"},

		{"things", Empty{}, ThingsResult{}, "all things, own ones first"},
		{"history", HistoryParams{}, HistoryResult{}, "past values from the thing's own end"},
		{"preview", PreviewParams{}, PreviewResult{}, "yesterday as a grantee would have seen it"},
		{"send", SendParams{}, SendResult{}, "write a property or invoke an action"},
		{"claim", ClaimParams{}, HomeResult{}, "make an edge on the local network one's own"},
		{"sandbox.start", Empty{}, HomeResult{}, "a thermometer that lives in this browser"},
		{"sandbox.remove", Empty{}, Empty{}, "end it and all its grants"},
		{"goOnWithout", GoOnParams{}, Empty{}, "excuse a silent client"},

		{"requests", Empty{}, []RequestInfo{}, "requests that wait for a yes or no"},
		{"service", ServiceParams{}, ServiceInfo{}, "read what a node offers, as requests that nobody has sent"},
		{"refuse", RefuseParams{}, Empty{}, "say no"},
		{"give", GiveParams{}, Given{}, "say yes, or share unasked"},
		{"grants", Empty{}, []GrantInfo{}, "all grants, given and received, newest first"},
		{"withdraw", WithdrawParams{}, Stop{}, "end a grant: both locks"},
		{"ask", AskParams{}, AskResult{}, "ask somebody for a value"},

		{"seen", SeenParams{}, Seen{}, "what was delivered to whom, and how far that is proved"},
		{"seen.export", SeenParams{}, Export{}, "the same with its proofs, to take away"},

		{"rights.access", Empty{}, RightsHeld{}, "what the own node holds about the account"},
		{"rights.plead", RightsPlea{}, RightsCase{}, "object, or complain to the operator"},
		{"rights.cases", Empty{}, []RightsCase{}, "what was sent, the newest first"},
		{"rights.appeal", RightsAppeal{}, RightsCase{}, "have an answered case looked at again"},

		{"ledger.verify", LedgerParams{}, LedgerReport{}, "check a node's public logs"},

		{"link.create", LinkParams{}, LinkInfo{}, "make a link to share by"},
		{"link.list", Empty{}, []LinkInfo{}, "links made here and how far they are"},
		{"link.confirm", LinkIDParams{}, LinkInfo{}, "the words agree: give"},
		{"link.cancel", LinkIDParams{}, Empty{}, "end a link, or refuse who came"},
		{"link.open", LinkOpenParams{}, LinkGuest{}, "guest: open a link; makes keys"},
		{"link.state", Empty{}, LinkGuest{}, "guest: how far it is"},

		{"alert.set", Alert{}, Alert{}, "ring when a value is so"},
		{"alert.list", Empty{}, []Alert{}, "all alerts"},
		{"alert.remove", AlertParams{}, Empty{}, "end one"},
		{"notice.put", Notice{}, NoticeResult{}, "publish a thing's public page"},
		{"notice.list", Empty{}, []Notice{}, "own public pages"},
		{"notice.remove", AlertParams{}, Empty{}, "take one down"},
		{"push.key", Empty{}, PushKey{}, "the node's key for Web Push"},
		{"push.set", PushParams{}, Empty{}, "switch Web Push on or off for this browser"},
	}
}
