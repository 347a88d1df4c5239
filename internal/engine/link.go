package engine

import (
	"context"

	"primum/client"
)

func (e *Engine) linkHandlers() map[string]handler {
	return notHere("link.create", "link.list", "link.confirm", "link.cancel", "link.open", "link.state")
}

// linkWork follows the links that were made here while the account is open; it
// ends with ctx.
func (e *Engine) linkWork(context.Context, *client.Client) {}
