package notary

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"primum/ledger"
)

// BenchmarkMillion fills a commitments log with 1,000,000 entries (fewer with
// -short), then proves and checks random ones.
func BenchmarkMillion(b *testing.B) {
	total := 1_000_000
	if testing.Short() {
		total = 50_000
	}
	h := newTown(b).home("a").mustOpen()
	began := time.Now()
	for i := 0; i < total; i += batchMax {
		batch := make([][]byte, min(batchMax, total-i))
		for j := range batch {
			batch[j] = make([]byte, ledger.LeafSize)
			binary.BigEndian.PutUint64(batch[j], uint64(i+j))
		}
		if _, err := h.commitments.append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	rate := float64(total) / time.Since(began).Seconds()
	began = time.Now()
	h.mustFlush()
	signed := time.Since(began)
	random := rand.New(rand.NewPCG(1, 2))
	var took []time.Duration
	for b.Loop() {
		index := random.Uint64N(uint64(total))
		began := time.Now()
		text, err := h.Proof(b.Context(), Commitments, index)
		took = append(took, time.Since(began))
		if err != nil {
			b.Fatal(err)
		}
		entry := make([]byte, ledger.LeafSize)
		binary.BigEndian.PutUint64(entry, index)
		r, err := ledger.ParseReceipt(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Verify(entry, h.commitments.log); err != nil {
			b.Fatal(err)
		}
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "proof-p99-ms")
	h.mustClose()
	began = time.Now()
	h.mustOpen()
	b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "open-ms")
	b.ReportMetric(float64(signed.Microseconds())/1000, "sign-ms")
	b.ReportMetric(rate, "entries/s")
	b.ReportMetric(float64(bytesBelow(b, filepath.Join(h.cfg.Dir, Commitments)))/float64(total), "B/entry")
}

func bytesBelow(b *testing.B, dir string) (sum int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		sum += i.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return sum
}
