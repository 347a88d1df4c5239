// Package open keeps values that concern nobody, for anyone to read.
package open
