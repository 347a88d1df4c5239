package core

import "primum/grant"

// Precision is how finely an affordance is shared.
type Precision = grant.Precision
