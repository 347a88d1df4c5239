//go:build full

package circle

// crashPoints: every instant.
const crashPoints = 1 << 20
