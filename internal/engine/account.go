package engine

// loadAccount reads the account that is here, nil where there is none.
func (e *Engine) loadAccount() (*account, error) { return nil, nil }

// accountStatus fills in what the account's own files say: Name, Expires,
// Renew, HasPhrase, HasPasskey, Suspended.
func (e *Engine) accountStatus(*Status) {}

func (e *Engine) accountHandlers() map[string]handler {
	return notHere("account.create", "account.restore", "account.check", "account.renew", "account.addPasskey",
		"account.newPhrase", "account.clients", "account.drop", "account.suspend", "account.export", "account.delete",
		"account.forget", "pair.begin", "pair.wait", "pair.look", "pair.accept", "person", "person.compared", "people")
}
