//go:build !full

package circle

// crashPoints is at how many instants the fast tests crash each actor.
const crashPoints = 40
