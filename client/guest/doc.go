// Package guest shares by link: the owner's and the guest's half of the words
// that two people compare before somebody without an account is given a grant.
// Source: docs/spec/link.md; L6.
package guest
