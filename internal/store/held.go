package store

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// Held answers what the node holds about one account. Every kind is a query in
// plain sight; a new table that has a person in it needs a row here and one in
// forget (a test compares both with the schema).
type Held struct{ f, log *File }

// kind is one kind of rows about an account: how to select them, and what of
// each the person gets. No secret of the node or of others is among it.
type kind struct {
	name string
	from string // FROM and WHERE; ?1 is the account
	when string // column or expression: ms since when, or 0
	size string // bytes of a row, as an expression
	row  string // json_object of a row
}

// isoTime is a kept time in RFC 3339; null for none.
func isoTime(column string) string {
	return `strftime('%Y-%m-%dT%H:%M:%fZ', nullif(` + column + `, 0) / 1000.0, 'unixepoch')`
}

func kinds() []kind {
	return []kind{
		{
			"account", `accounts WHERE address = ?1 AND closed = 0`, `created`, `length(address)`,
			`json_object('address', address, 'created', ` + isoTime("created") + `)`,
		},
		{
			"identities", `identities WHERE account = ?1`, `received`, `length(document)`,
			`json_object('version', version, 'received', ` + isoTime("received") + `, 'document', document)`,
		},
		{
			"suspension", `suspensions WHERE account = ?1`, `at`, `length(document)`,
			`json_object('client', client, 'at', ` + isoTime("at") + `, 'document', document)`,
		},
		{
			"key-packages", `key_packages WHERE account = ?1`, `0`, `coalesce(length(bytes), 0)`,
			`json_object('ref', lower(hex(ref)), 'client', client, 'suite', suite, 'lastResort', json(iif(last_resort, 'true', 'false')),
				'notAfter', ` + isoTime("not_after") + `, 'claimed', ` + isoTime("claimed") + `)`,
		},
		{
			"keep", `keeps WHERE account = ?1`, `changed`, `length(document)`,
			`json_object('serial', serial, 'changed', ` + isoTime("changed") + `, 'document', json(CAST(document AS TEXT)))`,
		},
		{
			"inbox", `inbox WHERE account = ?1`, `received`, `length(sealed)`,
			`json_object('seq', seq, 'id', id, 'kind', kind, 'from', sender, 'received', ` + isoTime("received") + `,
				'expires', ` + isoTime("expires") + `, 'sealed', json(CAST(sealed AS TEXT)))`,
		},
		{
			"outbox", `outbox WHERE sender = ?1`, `created`, `length(body)`,
			`json_object('id', id, 'to', recipient, 'created', ` + isoTime("created") + `, 'attempts', attempts, 'problem', problem)`,
		},
		{
			"homes", `homes WHERE owner = ?1`, `opened`, `length(claim) + length(countersignature)`,
			`json_object('circle', lower(hex(circle)), 'number', number, 'claim', claim, 'countersignature', countersignature,
				'opened', ` + isoTime("opened") + `, 'ended', ` + isoTime("ended") + `)`,
		},
		{"given", `grants WHERE owner = ?1`, `valid_from`, `length(envelope)`, grantRow("'envelope', envelope,")},
		{"received", `grants WHERE grantee = ?1`, `valid_from`, `length(id) + length(owner)`, grantRow("")},
		{
			"refusals", `refusals WHERE owner = ?1`, `0`, `length(sender)`,
			`json_object('from', sender, 'until', ` + isoTime("until") + `)`,
		},
		{
			"links", `links WHERE owner = ?1`, `0`, `length(guest)`,
			`json_object('guest', guest, 'step', step, 'expires', ` + isoTime("expires") + `, 'grant', grant_id)`,
		},
		{
			"notices", `notices WHERE account = ?1`, `changed`, `length(document)`,
			`json_object('id', id, 'changed', ` + isoTime("changed") + `, 'document', json(CAST(document AS TEXT)))`,
		},
		{
			"labels", `labels WHERE account = ?1`, `made`, `length(name) + length(label)`,
			`json_object('label', label, 'name', name, 'made', ` + isoTime("made") + `)`,
		},
		{
			"sessions", `page_sessions WHERE account = ?1`, `opened`, `length(client)`,
			`json_object('client', client, 'opened', ` + isoTime("opened") + `, 'until', ` + isoTime("until") + `)`,
		},
		{
			"pushes", `pushes WHERE account = ?1`, `0`, `length(endpoint)`,
			`json_object('client', client, 'endpoint', endpoint)`,
		},
		{
			"seen", `seen WHERE owner = ?1`, `day * 86400000`, `32`,
			`json_object('day', date(day * 86400, 'unixepoch'), 'grant', grant_id, 'client', client, 'deliveries', deliveries,
				'bytes', bytes, 'actions', actions, 'firstMinute', first, 'lastMinute', last)`,
		},
		{
			"cases", `cases WHERE account = ?1`, `opened`, `length(about) + length(receipt)`,
			`json_object('id', id, 'kind', kind, 'state', state, 'about', about, 'reply', reply, 'opened', ` + isoTime("opened") + `,
				'due', ` + isoTime("due") + `, 'steps', (SELECT json_group_array(json_object('at', ` + isoTime("at") + `, 'by', by, 'what', what,
				'text', text)) FROM case_steps WHERE case_id = cases.id))`,
		},
	}
}

// grantRow is a grant with its history, for one of its parties.
func grantRow(more string) string {
	return `json_object('id', id, 'state', state, 'owner', owner, 'grantee', grantee, 'circle', lower(hex(circle)), ` + more + `
		'from', ` + isoTime("valid_from") + `, 'until', ` + isoTime("valid_until") + `, 'events', (SELECT json_group_array(json_object(
		'state', state, 'at', ` + isoTime("at") + `, 'by', by, 'hash', hash, 'document', document, 'receipt', receipt))
		FROM grant_events WHERE grant_id = grants.id))`
}

// Count is how much of a kind is held.
type Count struct {
	Kind  string
	N     int
	Bytes int64
	Since time.Time
}

// Messages is the kind of the sealed frames in the circles of an account. They
// are counted only: whoever may read them reads them as messages.
const Messages = "messages"

// Counts counts every kind of which something is held.
func (h *Held) Counts(ctx context.Context, account string) (all []Count, err error) {
	counted, err := Many(ctx, h.f, "what is held", scanCount, countsQuery(), account)
	if err != nil {
		return nil, err
	}
	for _, c := range counted {
		if c.N > 0 {
			all = append(all, c)
		}
	}
	circles, err := h.circles(ctx, account)
	c := Count{Kind: Messages}
	for _, id := range circles {
		got, err := One(ctx, h.log, "messages held", scanCount, `SELECT '', head - oldest + 1, bytes, opened FROM circles WHERE circle = ?`, id)
		if err == nil {
			c.N, c.Bytes = c.N+max(0, got.N), c.Bytes+got.Bytes
			if c.Since.IsZero() || got.Since.Before(c.Since) {
				c.Since = got.Since
			}
		}
	}
	if c.N > 0 {
		all = append(all, c)
	}
	return all, err
}

// countsQuery counts all kinds at once: an answer that costs one query is there
// soon, also while others read.
func countsQuery() string {
	var parts []string
	for _, k := range kinds() {
		parts = append(parts, `SELECT '`+k.name+`', count(*), coalesce(sum(`+k.size+`), 0), coalesce(min(nullif(`+k.when+`, 0)), 0) FROM `+k.from)
	}
	return strings.Join(parts, " UNION ALL ")
}

func scanCount(r Row) (c Count, err error) {
	var since int64
	err = r.Scan(&c.Kind, &c.N, &c.Bytes, &since)
	c.Since = at(since)
	return c, err
}

// circles are those that the account pays attention to: its homes and the
// grants that it gave or has.
func (h *Held) circles(ctx context.Context, account string) ([][]byte, error) {
	return Many(ctx, h.f, "circles of an account", func(r Row) (b []byte, err error) { return b, r.Scan(&b) },
		`SELECT circle FROM homes WHERE owner = ?1 UNION SELECT circle FROM grants WHERE owner = ?1 OR grantee = ?1`, account)
}

// rowsStep bounds what one query of Rows reads, and rowsBytes what one answer
// holds (beyond it by one step at most).
const (
	rowsStep  = 20
	rowsBytes = 2 << 20
)

// Rows are rows as JSON objects, of the kinds from the given one on (empty: the
// first), after skipping some of it; up to limit, and about 2 MiB. next and
// skipped tell where to go on; next is empty at the end.
func (h *Held) Rows(ctx context.Context, account, from string, skip, limit int) (rows map[string][]json.RawMessage, next string, skipped int, err error) {
	rows = map[string][]json.RawMessage{}
	size, n, begun := 0, 0, from == ""
	for _, k := range kinds() {
		if begun = begun || k.name == from; !begun {
			continue
		}
		for {
			got, err := Many(ctx, h.f, "what is held", scanJSON, `SELECT `+k.row+` FROM `+k.from+` ORDER BY 1 LIMIT ?2 OFFSET ?3`, account, rowsStep, skip)
			if err != nil {
				return nil, "", 0, err
			}
			for _, row := range got {
				rows[k.name] = append(rows[k.name], row)
				size += len(row)
			}
			n, skip = n+len(got), skip+len(got)
			if n >= limit || size >= rowsBytes {
				return rows, k.name, skip, nil
			}
			if len(got) < rowsStep {
				break
			}
		}
		skip = 0
	}
	return rows, "", 0, nil
}

func scanJSON(r Row) (json.RawMessage, error) {
	var text string
	err := r.Scan(&text)
	return json.RawMessage(text), err
}
