package portal

import (
	"math"
	"strconv"
)

// rings are the picture of who sees how much: a disk for the owner, a ring for
// those who see all, one for those who see less, and outside the operator, who
// sees sealed bytes. Dots on a ring are its parties.
type rings struct {
	Disks []disk
	Dots  []dot
}

type disk struct {
	R     string // radius
	Class string
}

type dot struct{ X, Y string }

// Radii in a picture of 200 × 200, centre at 100.
const (
	ringOwner, ringInner, ringOuter = 26.0, 58.0, 90.0
	ringMiddle                      = 100.0
	maxDots                         = 20
)

func ringsOf(inner, outer int) rings {
	r := rings{Disks: []disk{
		{coordinate(ringOuter), "ring-3"}, {coordinate(ringInner), "ring-2"}, {coordinate(ringOwner), "ring-1"},
	}}
	r.Dots = append(dots(inner, (ringOwner+ringInner)/2), dots(outer, (ringInner+ringOuter)/2)...)
	return r
}

// dots lie evenly on a circle, the first on top.
func dots(n int, radius float64) (all []dot) {
	n = min(n, maxDots)
	for i := range n {
		a := 2*math.Pi*float64(i)/float64(n) - math.Pi/2
		all = append(all, dot{coordinate(ringMiddle + radius*math.Cos(a)), coordinate(ringMiddle + radius*math.Sin(a))})
	}
	return all
}

func coordinate(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
