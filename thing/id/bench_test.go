package id

import "testing"

// BenchmarkDigitalLink is what a resolver does first with each request.
func BenchmarkDigitalLink(b *testing.B) {
	for name, path := range map[string]string{"plain": "/01/04012345999990/10/ABC/21/12345", "compressed": "/CwdMZOqE7IdXgujcNkIEq"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k, err := ParseDigitalLink(path, "", Options{})
				if err != nil || k.Path() == "" {
					b.Fatal(err)
				}
			}
		})
	}
}
