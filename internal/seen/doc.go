// Package seen counts what a node delivered to whom, for the owner's eyes only:
// per grant, client of the grantee and day of UTC, how many sealed messages
// were handed over, how many came back, and from when to when.
//
// The relay tells it of every delivery, on its fast path: that only counts in
// memory. What was counted is written every half minute, when an owner asks, and
// at the end of Run. After a crash (kill -9, loss of power) what came since the last
// write is missing, half a minute at most while the disk takes writes, and
// nothing tells that it is.
//
// A day that is over becomes a Merkle tree; its root goes, hidden under a key
// that node and owner alone have, into the commitments log. Later change of a
// row is then provable; what the node never counted is not. Who could read at
// all is shown by the circle's roster.
package seen
