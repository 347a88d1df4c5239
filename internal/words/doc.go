// Package words is the catalogue of everything a person reads, in the program,
// on pages and in the browser: one folder per language, one file per part, the
// same ids in each.
package words
