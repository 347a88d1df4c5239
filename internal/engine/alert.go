package engine

func (e *Engine) alertHandlers() map[string]handler {
	return notHere("alert.set", "alert.list", "alert.remove")
}

// alertsOf lists the alerts of an affordance, for "things".
func (e *Engine) alertsOf(Ref) []Alert { return nil }

// alertValue is told every value after it was kept, oldest first.
func (e *Engine) alertValue(Ref, Point) {}
