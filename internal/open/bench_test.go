package open_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"primum/internal/open"
)

// minutes fills a room with a value a minute, and is ready to add more.
func minutes(b *testing.B, n int) (book *open.Book, add func(from, n int)) {
	b.Helper()
	book, err := open.Open(b.Context(), b.TempDir(), open.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = book.Close() })
	d, err := open.ReadDescription([]byte(air))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := book.PutService(b.Context(), open.Service{Name: "air", Title: "Air", KeepDays: open.MaxKeep}); err != nil {
		b.Fatal(err)
	}
	if _, err := book.PutThing(b.Context(), open.Thing{Service: "air", Name: "square", Description: d}); err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	add = func(from, n int) {
		for ; n > 0; from, n = from+open.MaxBatch, n-open.MaxBatch {
			all := make([]open.Sample, min(n, open.MaxBatch))
			for i := range all {
				all[i] = sample("pm10", fmt.Sprint((from+i)%97), now.Add(-time.Duration(from+i)*time.Minute))
			}
			if _, err := book.Add(b.Context(), "air", all); err != nil {
				b.Fatal(err)
			}
		}
	}
	add(0, n)
	return book, add
}

// BenchmarkAdd keeps values by batches of 1,000, each on the disk when Add
// returns.
func BenchmarkAdd(b *testing.B) {
	_, add := minutes(b, 0)
	n := 0
	for b.Loop() {
		add(n, open.MaxBatch)
		n += open.MaxBatch
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "values/s")
}

// BenchmarkChart reads 120 windows of 30 days out of 100,000 values.
func BenchmarkChart(b *testing.B) {
	book, _ := minutes(b, 100_000)
	for b.Loop() {
		r := open.Range{Service: "air", Thing: "square", Property: "pm10", From: time.Now().Add(-30 * 24 * time.Hour), To: time.Now(), Limit: open.MaxPage}
		if w, _, err := book.Windows(b.Context(), r, 6*time.Hour); err != nil || len(w) < 100 {
			b.Fatal(len(w), err)
		}
	}
}

// BenchmarkNewest reads the newest of 10,000 values.
func BenchmarkNewest(b *testing.B) {
	book, _ := minutes(b, 10_000)
	for b.Loop() {
		if s, ok, err := book.Newest(b.Context(), "air", "square", "pm10"); err != nil || !ok || !json.Valid(s.Value) {
			b.Fatal(ok, err)
		}
	}
}
