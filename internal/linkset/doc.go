// Package linkset keeps the links of a GS1-conformant resolver and what is delegated.
package linkset
