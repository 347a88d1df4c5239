package client_test

import (
	"context"
	"fmt"
	"log"

	"primum/client"
	"primum/client/nethttp"
	"primum/client/vault"
)

// From a key file to values: what `primum watch` does.
func Example() {
	ctx := context.Background()
	keys, err := vault.Open(vault.DefaultHome(), "friend@s.example", "my program")
	if err != nil {
		log.Fatal(err) // primum me init friend@s.example
	}
	options, err := keys.Options(nethttp.New(nethttp.Options{}))
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.Open(ctx, options)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for v := range c.Watch(ctx, "water/flow") {
		fmt.Println(v.At, string(v.Value), v.Unit)
	}
}
