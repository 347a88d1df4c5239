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

// ShowClaim prints the QR, the claim command and a new one-time code on the
// terminal. `primum edge` calls it at each Enter; Run calls it at the start.
func (e *Edge) ShowClaim() {
	url := e.ClaimURL()
	if e.config.Terminal == nil || url == "" {
		return
	}
	if c, owned := e.feed.Claimed(); owned {
		e.say("This edge belongs to " + c.Owner + ". Press Enter to let its owner claim it again.")
		return
	}
	code, err := e.NewCode()
	if err != nil {
		e.say("No code could be made: " + err.Error())
		return
	}
	e.say(claimText(url, code))
}

func claimText(url, code string) string {
	var b strings.Builder
	if q, err := qr.Encode(url, qr.L); err == nil {
		halfBlocks(&b, q)
	}
	fmt.Fprintf(&b, "\nNobody owns this edge yet. On the owner's machine, in this network, run\n\n  primum claim '%s'\n\n", url)
	fmt.Fprintf(&b, "and type this code within %d seconds: %s\n(press Enter here for another one)\n", int(codeLife.Seconds()), code)
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

// say writes to the edge's own terminal.
func (e *Edge) say(text string) {
	if e.config.Terminal != nil {
		_, _ = fmt.Fprintln(e.config.Terminal, text) // nobody to tell that it failed
	}
}
