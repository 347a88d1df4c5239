// Package webtest drives a real browser in tests: one browser for a package,
// one tab for a test, and on every page what must hold on every page: no
// request to elsewhere, no report of the content security policy, no finding of
// axe-core, no error in the console.
package webtest
