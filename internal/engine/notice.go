package engine

func (e *Engine) noticeHandlers() map[string]handler {
	return notHere("notice.put", "notice.list", "notice.remove", "push.key", "push.set")
}
