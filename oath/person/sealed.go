package person

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"primum/client"
	"primum/internal/wire"
	"primum/oath"
	"primum/oath/trace"
)

// lookAtTheRoster (O06): who is in a's circle, by the keys themselves, and as
// whom the node shows a to the person.
//
// Facts: identity-as-signed (the node shows a's own identity document),
// shown-clients; members, strangers (members who are neither the thing nor a
// client that a made), stranger-names, missing (clients of a that are not in).
func (c *Cast) lookAtTheRoster(ctx context.Context, _ oath.Args) (oath.Observation, error) {
	o := oath.Observation{Facts: facts{}}
	look, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	seen, err := c.owner.open.Directory.Lookup(look, c.a.address.String())
	if err != nil {
		return o, fmt.Errorf("find the grantee: %w", err)
	}
	o.Facts["identity-as-signed"] = oath.Yes(seen.Compact() == c.a.doc.Compact())
	if seen.Compact() != c.a.doc.Compact() {
		c.forged = true
		o.Evidence = append(o.Evidence, oath.Evidence{
			What: "The identity document that the node shows of " + c.a.address.String() + ", which this account did not sign.", At: c.clock.Now(), Bytes: []byte(seen.Compact()),
			Replay: "Compare identityKey with the one that the account's owner holds: " + base64.RawURLEncoding.EncodeToString(pub(c.a.key)),
		})
		return o, nil
	}
	g, err := c.base(ctx)
	if err != nil {
		return o, err
	}
	seat := c.spare.sit(wire.CircleID(g.Circle))
	if err := seat.read(ctx); err != nil {
		return o, fmt.Errorf("read a circle as a grantee: %w", err)
	}
	if seat.group == nil {
		return o, oath.Unshown("the grantee's second client is not in the circle")
	}
	c.noteRoster(&o, seat)
	return o, nil
}

// noteRoster compares the members with those that there should be.
func (c *Cast) noteRoster(o *oath.Observation, s *seat) {
	o.Evidence = append(o.Evidence, oath.Evidence{
		What: "The ratchet tree of the circle, as its keys prove it.", At: c.clock.Now(), Bytes: cut(s.group.Tree()),
		Replay: "Read the tree (RFC 9420 §7.8): each leaf has a signature key.",
	})
	expected := map[string]string{}
	if signer := c.thing.Signer([16]byte(s.circle)); signer != nil {
		if key, ok := signer.Public().(ed25519.PublicKey); ok {
			expected[string(key)] = "the thing"
		}
	}
	for _, m := range c.a.machines {
		expected[string(pub(m.key))] = m.name
	}
	var strangers []string
	members := s.group.Members()
	for _, m := range members {
		if expected[string(m.SignatureKey)] == "" {
			strangers = append(strangers, fmt.Sprintf("%s, key %s", printable(m.Identity), base64.RawURLEncoding.EncodeToString(m.SignatureKey)))
		}
		delete(expected, string(m.SignatureKey))
	}
	o.Facts["members"], o.Facts["strangers"] = oath.Number(len(members)), oath.Number(len(strangers))
	o.Facts["missing"] = oath.Number(len(expected))
	if len(strangers) > 0 {
		o.Facts["stranger-names"] = oath.Text(strings.Join(strangers, "; "))
		o.Evidence = append(o.Evidence, oath.Evidence{
			What: "The ratchet tree of the circle, with a member that nobody let in.", At: c.clock.Now(), Bytes: cut(s.group.Tree()),
			Replay: "Read the tree (RFC 9420 §7.8): its signature keys are the thing's, the two clients' of the grantee, and another.",
		})
	}
}

func cut(b []byte) []byte { return b[:min(len(b), oath.MaxEvidence)] }

// printable is text of a stranger that may stand in a report.
func printable(b []byte) string {
	if slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' }) {
		return fmt.Sprintf("%x", b[:min(len(b), 16)])
	}
	return string(b[:min(len(b), 80)])
}

// lookForCanaries (O06): what was told sealed is looked for, in every spelling,
// in all that the node ever said to anybody of the cast and in all its public
// pages; and every message of the circle is looked at from outside.
//
// Facts: canaries, searched-bytes, found, found-where; whole (nothing was too
// much to search); sealed, unsealed (messages of the circle that are neither
// sealed nor a handshake), first-unsealed.
func (c *Cast) lookForCanaries(ctx context.Context, _ oath.Args) (oath.Observation, error) {
	o := oath.Observation{Facts: facts{}}
	g, err := c.base(ctx)
	if err != nil {
		return o, err
	}
	values, stop := c.values(ctx, c.a, g.ID)
	defer stop()
	for range 3 {
		if _, err := c.tellCanary(); err != nil {
			return o, err
		}
	}
	c.until(ctx, patience, func() bool { return len(values()) > 0 })
	o.Facts["control"] = oath.Number(len(values()))
	stranger := trace.NewTape(c.net, c.clock)
	c.readEverything(ctx, stranger)
	c.searchTapes(&o, stranger)

	seat := c.spare.sit(wire.CircleID(g.Circle))
	if err := seat.read(ctx); err != nil {
		return o, fmt.Errorf("read a circle as a grantee: %w", err)
	}
	sealedOnes, unsealed := 0, 0
	for _, f := range seat.forms {
		if f.sealed {
			sealedOnes++
		}
		if !f.known {
			if unsealed++; unsealed == 1 {
				o.Facts["first-unsealed"] = oath.Text(f.what)
				o.Evidence = append(o.Evidence, c.evidence("A message of the circle that is not sealed.", trace.Crossing{At: c.clock.Now(), Bytes: f.message}, c.again("O06")))
			}
		}
	}
	o.Facts["sealed"], o.Facts["unsealed"] = oath.Number(sealedOnes), oath.Number(unsealed)
	return o, nil
}

// searchTapes looks for all canaries in all that the node said.
func (c *Cast) searchTapes(o *oath.Observation, more *trace.Tape) {
	var all []trace.Sought
	for _, k := range c.told() {
		all = append(all, trace.Sought{What: k.what, Needle: trace.NeedleOf([]byte(k.text))})
	}
	tapes := c.tapes()
	tapes["a stranger"] = more
	size, found, whole := 0, 0, true
	var searched [][]trace.Crossing
	for who, t := range tapes {
		whole, searched = whole && t.Whole(), append(searched, t.Since(0))
		for _, x := range t.Since(0) {
			if !x.Said() {
				continue
			}
			said := append([]byte(trace.HeaderText(x.Header)), x.Bytes...)
			size += len(said)
			i := slices.IndexFunc(all, func(s trace.Sought) bool { return s.In(said) != "" })
			if i < 0 {
				continue
			}
			if found++; found == 1 {
				o.Facts["found-where"] = oath.Text(x.Name() + ", said to " + who)
				o.Evidence = append(o.Evidence, c.evidence(fmt.Sprintf("%s, which only travelled sealed, stands in %s, as %s", all[i].What, x.Name(), all[i].In(said)), x, c.again("O06")))
			}
		}
	}
	o.Evidence = append(o.Evidence, c.looked("What the secret words were looked for in", "O06", searched...))
	o.Facts["canaries"], o.Facts["searched-bytes"] = oath.Number(len(all)), oath.Number(size)
	o.Facts["found"], o.Facts["whole"] = oath.Number(found), oath.Yes(whole)
}

// logPages are the newest pages of the node's logs (C2SP tlog-tiles: 256 entries
// in each full one).
func (c *Cast) logPages(ctx context.Context, stranger *human) (pages []string) {
	const full = 256
	for _, log := range []string{"/ledger/public/", "/ledger/commitments/"} {
		resp, err := c.ask(ctx, stranger, client.Key{}, http.MethodGet, log+"checkpoint", nil, "")
		lines := strings.Split(string(resp.Body), "\n")
		if err != nil || resp.Status != http.StatusOK || len(lines) < 2 {
			continue
		}
		size, err := strconv.ParseUint(lines[1], 10, 32)
		if err != nil || size/full > 999 {
			continue
		}
		if size%full > 0 {
			pages = append(pages, fmt.Sprintf("%stile/entries/%03d.p/%d", log, size/full, size%full))
		}
		if size >= full {
			pages = append(pages, fmt.Sprintf("%stile/entries/%03d", log, size/full-1))
		}
	}
	return pages
}

// readEverything reads every page of the node that needs no secret, as a
// stranger, and as the person everything that is theirs.
func (c *Cast) readEverything(ctx context.Context, t *trace.Tape) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stranger := &human{tape: t, calls: client.Calls{Transport: t, Clock: c.clock}}
	var listed struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if resp, err := c.ask(ctx, stranger, client.Key{}, http.MethodGet, "/openapi.json", nil, ""); err == nil {
		_ = json.Unmarshal(resp.Body, &listed) // what is no list adds nothing
	}
	paths := []string{
		"/", wire.NodePath, wire.FactsPath, wire.PoliciesPath, wire.IncidentsPath, wire.ReleasePath, wire.MeasurementsPath, wire.ServicesPath,
		"/metrics",
	}
	paths = append(paths, c.logPages(ctx, stranger)...)
	for path, methods := range listed.Paths {
		if _, ok := methods["get"]; ok && len(paths) < 120 {
			paths = append(paths, strings.NewReplacer("{user}", c.owner.address.User).Replace(path))
		}
	}
	for _, path := range paths {
		if strings.ContainsAny(path, "{}") || !strings.HasPrefix(path, "/") || path == "/v1/live" {
			continue
		}
		_, _ = c.ask(ctx, stranger, client.Key{}, http.MethodGet, path, nil, "") // the tape has what came
		if strings.HasPrefix(path, "/v1/") {
			_, _ = c.ask(ctx, c.owner, c.owner.node(phone).By, http.MethodGet, path, nil, "")
		}
	}
}
