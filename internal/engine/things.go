package engine

func (e *Engine) thingHandlers() map[string]handler {
	return notHere("things", "history", "preview", "send", "claim", "sandbox.start", "sandbox.remove", "goOnWithout")
}
