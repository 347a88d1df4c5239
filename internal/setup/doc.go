// Package setup helps an operator to a running node, and checks it from outside.
package setup
