package directory

import (
	"encoding/json"

	"primum/internal/store"
)

// queries are the reads for one sort of viewer. ?1 is the viewer's own owner,
// ?2 a JSON list of the owners who grant it something.
type queries struct {
	get   string // ?3 id
	among string // ?3 JSON list of ids
	page  string // ?3 limit, ?4 offset
	after string // ?3 id, ?4 limit
	pick  string // ?3 JSON list of row numbers
	count string
}

const columns = `e.n, e.id, e.owner, e.visibility, e.td, e.created, e.modified, e.expires, e.ttl, e.version`

// strangerQueries read what is public by its own index, so that what is hidden
// costs no time either.
func strangerQueries() queries {
	const from = ` FROM entries e WHERE e.visibility = 'public' AND (?1 = ?1 OR ?2 = ?2)`
	return queriesOf(from, `SELECT e.n`+from)
}

// viewerQueries know three sorts of visible entries; of several with one id
// the one that is nearest to the viewer is seen.
func viewerQueries() queries {
	visible := func(e string) string {
		return `(` + e + `.visibility = 'public' OR ` + e + `.owner = ?1 OR ` + e +
			`.visibility = 'grantees' AND ` + e + `.owner IN (SELECT value FROM json_each(?2)))`
	}
	rank := func(e string) string {
		return `CASE WHEN ` + e + `.owner = ?1 THEN 0 WHEN ` + e + `.owner = '' THEN 1 WHEN ` + e + `.visibility = 'public' THEN 2 ELSE 3 END`
	}
	where := ` WHERE ` + visible("e") + ` AND NOT EXISTS (SELECT 1 FROM entries o WHERE o.id = e.id AND o.n <> e.n AND ` +
		visible("o") + ` AND (` + rank("o") + `, o.owner) < (` + rank("e") + `, e.owner))`
	return queriesOf(` FROM entries e`+where, `SELECT e.n FROM entries e INDEXED BY listing`+where)
}

func queriesOf(from, listed string) queries {
	return queries{
		get:   `SELECT ` + columns + from + ` AND e.id = ?3`,
		among: `SELECT ` + columns + from + ` AND e.id IN (SELECT value FROM json_each(?3)) ORDER BY e.id LIMIT 1`,
		page: `SELECT ` + columns + ` FROM entries e JOIN (` + listed + ` ORDER BY e.id LIMIT ?3 OFFSET ?4) p ON p.n = e.n
			ORDER BY e.id`,
		after: `SELECT ` + columns + ` FROM entries e JOIN (` + listed + ` AND e.id > ?3 ORDER BY e.id LIMIT ?4) p ON p.n = e.n
			ORDER BY e.id`,
		pick:  `SELECT ` + columns + from + ` AND e.n IN (SELECT value FROM json_each(?3)) ORDER BY e.id`,
		count: `SELECT count(*) FROM (` + listed + `)`,
	}
}

// queriesFor a viewer, and their first two arguments.
func (d *Directory) queriesFor(v Viewer) (q queries, own, owners string, err error) {
	if v.stranger() {
		return d.stranger, "", "", nil
	}
	list := v.Owners
	if list == nil {
		list = []string{}
	}
	b, err := json.Marshal(list)
	return d.viewer, v.own(), string(b), err
}

func scanEntry(r store.Row) (e Entry, err error) {
	var created, modified, expires, ttl int64
	err = r.Scan(&e.n, &e.ID, &e.Owner, &e.Visibility, &e.TD, &created, &modified, &expires, &ttl, &e.version)
	e.Created, e.Modified, e.Expires = at(created), at(modified), at(expires)
	e.TTL = seconds(ttl)
	return e, err
}
