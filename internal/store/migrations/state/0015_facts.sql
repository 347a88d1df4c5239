-- +goose Up
-- Documents that the node shows to everybody, each with its entry in the public
-- log. They stay, whatever a program may try; only the place in the log is
-- filled in, once.
CREATE TABLE facts (
    n      INTEGER PRIMARY KEY AUTOINCREMENT,
    type   TEXT NOT NULL,
    name   TEXT NOT NULL,    -- which of several of the type
    kind   TEXT NOT NULL,    -- media type
    sha256 TEXT NOT NULL,    -- of body, hexadecimal
    counts TEXT NOT NULL,    -- JSON of a legal-demand's counts, or empty
    about  TEXT NOT NULL,    -- domain that a check is about, or empty
    at     INTEGER NOT NULL,
    place  INTEGER,          -- index in the public log; NULL while it waits
    body   BLOB NOT NULL     -- the last one: lists don't read over it
);
-- Those up to the newest n here stand in a log that is lost.
CREATE TABLE facts_lost (
    n INTEGER PRIMARY KEY
);
CREATE INDEX facts_waiting ON facts (n) WHERE place IS NULL;
CREATE INDEX facts_type ON facts (type, name, n);
CREATE INDEX facts_sha256 ON facts (sha256);
-- +goose StatementBegin
CREATE TRIGGER facts_stay BEFORE UPDATE ON facts
WHEN old.place IS NOT NULL OR new.n <> old.n OR new.type <> old.type OR new.name <> old.name OR new.kind <> old.kind
    OR new.sha256 <> old.sha256 OR new.body <> old.body OR new.counts <> old.counts OR new.about <> old.about OR new.at <> old.at
BEGIN
    SELECT RAISE(ABORT, 'facts are append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER facts_remain BEFORE DELETE ON facts BEGIN
    SELECT RAISE(ABORT, 'facts are append-only');
END;
-- +goose StatementEnd
