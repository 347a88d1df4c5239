package directory_test

import (
	"fmt"
	"sync"
	"testing"

	"primum/internal/directory"
)

// BenchmarkCreate: 32 at a time, each answered after fsync.
func BenchmarkCreate(b *testing.B) {
	r := open(b)
	doc := lamp("", "Sensor", `,"@type":"Sensor","properties":{"p":{"type":"number","unit":"%","minimum":0,"maximum":100,"readOnly":true,"forms":[{"href":"https://lan.example/p","op":["readproperty"],"contentType":"application/json"}]}}`)
	var all sync.WaitGroup
	for part := range 32 {
		all.Go(func() {
			for i := part; i < b.N; i += 32 {
				if _, err := r.Create(b.Context(), publisher, doc, directory.Change{}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkSearch: 10,000 descriptions, one of them found by the index.
func BenchmarkSearch(b *testing.B) {
	r := open(b)
	var all sync.WaitGroup
	for part := range 32 {
		all.Go(func() {
			for i := part; i < 10000; i += 32 {
				r.put(publisher, fmt.Sprint("urn:", i), fmt.Sprint("Sensor ", i), "", "")
			}
		})
	}
	all.Wait()
	for b.Loop() {
		if got := r.search(stranger, `$[?@.title=='Sensor 4711'].id`); got != `["urn:4711"]` {
			b.Fatal(got)
		}
	}
}
