-- +goose Up
-- One row has all links of an anchor: a look-up reads one row.
CREATE TABLE items (
    anchor      TEXT PRIMARY KEY,
    description BLOB NOT NULL,
    entries     BLOB NOT NULL,
    links       INTEGER NOT NULL,
    changed     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE delegations (
    subject    TEXT PRIMARY KEY,
    handled_by TEXT NOT NULL,
    publisher  TEXT NOT NULL,
    changed    INTEGER NOT NULL
) WITHOUT ROWID;
