// Package resolver follows a name from ordinary DNS and HTTPS to what it names.
package resolver
