package edge

import (
	"fmt"
	"strings"

	"rsc.io/qr"

	"primum/internal/wire"
)

// ClaimURL is what `primum claim` takes; empty before Ready and without a door.
func (e *Edge) ClaimURL() string {
	base := e.door.url()
	if base == "" {
		return ""
	}
	return base + "#k=" + wire.Fingerprint(e.claims.ThingKey())
}

// greet is what the terminal shows at the start: how to claim an edge that
// nobody owns, or whose it is.
func (e *Edge) greet() {
	if c, owned := e.feed.Claimed(); owned {
		if e.ClaimURL() != "" {
			e.say("edge.say.owned", "Owner", c.Owner)
		}
		return
	}
	e.ShowClaim()
}

// ShowClaim prints the QR, the claim command and a new one-time code on the
// terminal. `primum edge` calls it at each Enter. An edge that has an owner is
// claimed again (after a restore) by that owner only.
func (e *Edge) ShowClaim() {
	url := e.ClaimURL()
	if e.config.Terminal == nil || url == "" {
		return
	}
	code, err := e.NewCode()
	if err != nil {
		e.say("edge.say.nocode", "Why", err.Error())
		return
	}
	c, _ := e.feed.Claimed()
	e.print(QR(url))
	e.say("edge.say.claim", "Owner", c.Owner, "URL", url, "Seconds", int(codeLife.Seconds()), "Code", code)
}

// QR draws a text as a QR code of half blocks, for a dark terminal; empty where
// the text is too long for one.
func QR(text string) string {
	q, err := qr.Encode(text, qr.L)
	if err != nil {
		return ""
	}
	var b strings.Builder
	halfBlocks(&b, q)
	return b.String()
}

// halfBlocks draws a QR code with two rows of modules in a line, light on a
// dark terminal, with the quiet zone that scanners need.
func halfBlocks(b *strings.Builder, q *qr.Code) {
	const quiet = 2
	light := func(x, y int) bool { return x < 0 || y < 0 || x >= q.Size || y >= q.Size || !q.Black(x, y) }
	for y := -quiet; y < q.Size+quiet; y += 2 {
		for x := -quiet; x < q.Size+quiet; x++ {
			switch up, down := light(x, y), light(x, y+1); {
			case up && down:
				b.WriteRune('█')
			case up:
				b.WriteRune('▀')
			case down:
				b.WriteRune('▄')
			default:
				b.WriteRune(' ')
			}
		}
		b.WriteByte('\n')
	}
}

// say writes a sentence of the catalogue to the edge's own terminal.
func (e *Edge) say(id string, pairs ...any) { e.print(e.config.Words.Get(id, pairs...)) }

func (e *Edge) print(text string) {
	if e.config.Terminal != nil {
		_, _ = fmt.Fprintln(e.config.Terminal, text) // nobody to tell that it failed
	}
}
