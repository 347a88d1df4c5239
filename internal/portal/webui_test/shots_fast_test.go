//go:build !shots

package webui_test

// full says whether every state is looked at in every way.
const full = false
