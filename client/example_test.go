package client_test

import (
	"context"
	"fmt"
	"log"

	"primum/client/nethttp"
	"primum/client/vault"
)

// From a key file to values: what `primum watch` does.
func Example() {
	ctx := context.Background()
	c, err := vault.OpenClient(ctx, vault.DefaultHome(), "friend@s.example", nethttp.New(nethttp.Options{}))
	if err != nil {
		log.Fatal(err) // primum me init friend@s.example
	}
	defer func() { _ = c.Close() }()
	for v := range c.Watch(ctx, "water/flow") {
		fmt.Println(v.At, string(v.Value), v.Unit)
	}
}
