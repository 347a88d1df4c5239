//go:build !js

// Command engine is what pages run in a worker, as WebAssembly. On other
// systems it only says so.
package main

import "fmt"

func main() {
	fmt.Println("This is the engine of Primum's pages: build it with GOOS=js GOARCH=wasm.")
}
