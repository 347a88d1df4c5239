package circle

import "time"

// Precision is how finely an affordance is shared.
type Precision struct {
	Every  time.Duration
	Stat   string
	Round  float64
	Place  int
	Delay  time.Duration
	Change bool
}
