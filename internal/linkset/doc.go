// Package linkset keeps the links of a GS1-conformant resolver and what is
// delegated to other nodes. What it keeps is public, and lies in a file of its
// own, apart from all that concerns persons.
//
// Links stand by their anchor: the canonical path of a GS1 key without its
// first slash ("01/04012345999990/10/ABC"), or another identifier in its
// canonical form. One read of one row answers a look-up, whatever the number
// of links. All methods may be called concurrently.
package linkset
