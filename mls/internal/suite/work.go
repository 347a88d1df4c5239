package suite

// work is a kind of cryptographic operation that the build tag "meter" counts,
// for the bounds in the fuzz targets. Without the tag nothing is counted.
type work uint8

const (
	workSignature work = iota // made or verified
	workKey                   // an operation of the KEM
	workHashed                // bytes, those of MACs and derivations included
)
