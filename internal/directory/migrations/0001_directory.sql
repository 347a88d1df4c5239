-- +goose Up
CREATE TABLE entries (
    n          INTEGER PRIMARY KEY,
    id         TEXT NOT NULL,
    owner      TEXT NOT NULL, -- an account; empty: the operator
    visibility TEXT NOT NULL,
    td         BLOB NOT NULL,
    created    INTEGER NOT NULL,
    modified   INTEGER NOT NULL,
    expires    INTEGER NOT NULL, -- 0: never
    ttl        INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    UNIQUE (owner, id)
);
-- What strangers see is listed without a look at the rest.
CREATE UNIQUE INDEX public_ids ON entries (id) WHERE visibility = 'public';
CREATE INDEX listing ON entries (id, visibility, owner);
CREATE INDEX expiring ON entries (expires) WHERE expires > 0;

-- What filters ask for most: title, types, names of affordances.
CREATE TABLE terms (
    scope TEXT NOT NULL, -- who may see the entry
    kind  INTEGER NOT NULL,
    term  TEXT NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (scope, kind, term, entry)
) WITHOUT ROWID;
CREATE INDEX terms_of ON terms (entry);

-- before and after are the entry's visibility; empty: it was not there.
CREATE TABLE events (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    id     TEXT NOT NULL,
    owner  TEXT NOT NULL,
    before TEXT NOT NULL,
    after  TEXT NOT NULL,
    diff   BLOB NOT NULL
);
CREATE INDEX events_of ON events (owner);

-- How often what a viewer may see has changed, for entity tags.
CREATE TABLE revisions (
    scope TEXT PRIMARY KEY,
    n     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO secrets VALUES ('events', randomblob(16)), ('tags', randomblob(32));
