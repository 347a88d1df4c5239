package grant

import "slices"

// Allows finds the detail by which t lets its grantee do op on an affordance
// of a thing (its pseudonym of this circle). Without one the error is a
// *Denied of kind grant-required. Time, state and circle are the caller's.
func Allows(t Terms, thing, op, affordance string) (Detail, error) {
	for _, d := range t.Details {
		if d.Identifier == thing && slices.Contains(d.Actions, op) && slices.Contains(d.Datatypes, affordance) {
			return d, nil
		}
	}
	return Detail{}, deny(KindGrantRequired, "no grant lets you %s %s; ask for one with: primum request", verb(op), clip(affordance))
}

// AllowsPurpose is nil when values may be used for class: the purpose granted
// or a narrower one. Else a *Denied of kind purpose-mismatch.
func AllowsPurpose(t Terms, class string) error {
	if IsA(class, t.Process.Purpose.Class) {
		return nil
	}
	return deny(KindPurpose, "granted for %s only", t.Process.Purpose.Class)
}

func verb(op string) string {
	switch op {
	case OpRead, OpObserve:
		return "read"
	case OpWrite:
		return "write"
	case OpInvoke:
		return "start"
	case OpSubscribe:
		return "follow"
	}
	return "use"
}
