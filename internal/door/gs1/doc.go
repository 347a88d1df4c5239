// Package gs1door is the GS1-conformant resolver over HTTP.
package gs1door
