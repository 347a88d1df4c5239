package engine

func (e *Engine) consentHandlers() map[string]handler {
	return notHere("requests", "refuse", "give", "grants", "withdraw", "ask")
}
