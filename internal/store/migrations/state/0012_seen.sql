-- +goose Up
-- What was delivered to whom, for the owner of the grant: one row for each day
-- of UTC and client. Days are counted from 1970-01-01, minutes from its start.
CREATE TABLE seen (
    owner      TEXT NOT NULL,
    day        INTEGER NOT NULL,
    grant_id   TEXT NOT NULL,
    client     TEXT NOT NULL,
    deliveries INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    actions    INTEGER NOT NULL,
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    PRIMARY KEY (owner, day, grant_id, client)
) WITHOUT ROWID;

-- The days that have rows. One that is closed has a root, the secret that
-- hides it, and the tick by which its leaf is in the commitments log.
CREATE TABLE seen_days (
    owner  TEXT NOT NULL,
    day    INTEGER NOT NULL,
    secret BLOB,
    root   BLOB,
    due    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, day)
) WITHOUT ROWID;
CREATE INDEX seen_days_open ON seen_days (day) WHERE root IS NULL;
CREATE INDEX seen_days_end ON seen_days (day);
