package oath

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// Budget bounds what a check spends.
type Budget struct {
	Time     time.Duration
	Bytes    int64 // both directions, as on the wire
	Requests int64 // requests and connections
}

// DefaultBudget is for a whole check.
func DefaultBudget() Budget { return Budget{Time: 20 * time.Minute, Bytes: 128 << 20, Requests: 6000} }

// DefaultClauseBudget is what one clause may spend; its file may say less or
// more time.
func DefaultClauseBudget() Budget {
	return Budget{Time: 3 * time.Minute, Bytes: 24 << 20, Requests: 1500}
}

func (b Budget) or(def Budget) Budget {
	if b.Time <= 0 {
		b.Time = def.Time
	}
	if b.Bytes <= 0 {
		b.Bytes = def.Bytes
	}
	if b.Requests <= 0 {
		b.Requests = def.Requests
	}
	return b
}

// purse counts what a check spends, in all and for the clause at work. Safe for
// concurrent use: the machines of a cast go on between the clauses.
type purse struct {
	mu     sync.Mutex
	total  spent
	clause spent
}

type spent struct {
	bytes, requests int64
	limit           Budget
}

func (s *spent) add(bytes, requests int64) error {
	s.bytes += bytes
	s.requests += requests
	switch {
	case s.bytes > s.limit.Bytes:
		return fmt.Errorf("%w: more than %d bytes", ErrBudget, s.limit.Bytes)
	case s.requests > s.limit.Requests:
		return fmt.Errorf("%w: more than %d requests", ErrBudget, s.limit.Requests)
	}
	return nil
}

// take spends; an error says which budget is used up.
func (p *purse) take(bytes, requests int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	clause, total := p.clause.add(bytes, requests), p.total.add(bytes, requests)
	if total != nil {
		return total
	}
	return clause
}

// begin starts the account of the next clause.
func (p *purse) begin(limit Budget) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clause = spent{limit: limit}
}

// leave opens both accounts for leaving, which must be possible after all
// budgets are used up.
func (p *purse) leave(limit Budget) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clause = spent{limit: limit}
	p.total = spent{limit: limit}
}

// used is what the clause at work has spent.
func (p *purse) used() (bytes, requests int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clause.bytes, p.clause.requests
}

// counted is a connection whose bytes are paid for.
type counted struct {
	net.Conn
	purse *purse
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.pay(n, err)
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.pay(n, err)
}

// pay ends the connection when the budget is used up.
func (c *counted) pay(n int, err error) error {
	if over := c.purse.take(int64(n), 0); over != nil {
		_ = c.Close()
		return over
	}
	return err
}
