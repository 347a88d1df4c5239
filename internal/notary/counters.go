package notary

import "sync/atomic"

// counters are the notary's numbers.
type counters struct {
	ticks, failed, unwitnessed, liars, cosigned, halted, witnessed, refused, forks, damaged atomic.Int64
}

// Counts are numbers for the operator, since the start where not said otherwise.
type Counts struct {
	Public, Commitments int64 // entries that the shown checkpoints cover
	Ticks               int64
	Failed              int64 // appends, signatures or ticks that failed
	Cosignatures        int64 // of the newest checkpoint
	Unwitnessed         int64 // times that a witness gave no good answer
	Liars               int64 // times that a witness showed what this node never signed
	Halted              int64 // 1: signs no more
	Damaged             int64 // 1: the last reading of the whole ledger found damage
	Witnessed           int64 // checkpoints of others that were cosigned
	Refused             int64 // checkpoints of others that were refused
	Forks               int64 // others' logs seen with two histories
}

// Counts are the notary's numbers now.
func (n *Notary) Counts() Counts {
	c := &n.counters
	return Counts{
		Public: int64(n.public.shown().Size), Commitments: int64(n.commitments.shown().Size),
		Ticks: c.ticks.Load(), Failed: c.failed.Load(), Cosignatures: c.cosigned.Load(), Unwitnessed: c.unwitnessed.Load(),
		Liars: c.liars.Load(), Halted: c.halted.Load(), Damaged: c.damaged.Load(), Witnessed: c.witnessed.Load(), Refused: c.refused.Load(), Forks: c.forks.Load(),
	}
}
