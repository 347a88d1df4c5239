// Package notary writes a node's two public logs and witnesses those of others.
package notary
