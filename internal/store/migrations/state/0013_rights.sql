-- +goose Up
-- Objections and complaints. Who knows a case's id may read it; account is
-- empty where nobody signed.
CREATE TABLE cases (
    id       TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    state    TEXT NOT NULL,
    account  TEXT NOT NULL,
    about    TEXT NOT NULL,
    reply    TEXT NOT NULL,
    opened   INTEGER NOT NULL,
    due      INTEGER NOT NULL, -- when an answer is promised
    changed  INTEGER NOT NULL,
    receipt  TEXT NOT NULL     -- JSON of wire.RightReceipt
) WITHOUT ROWID;
CREATE INDEX cases_account ON cases (account, opened) WHERE account <> '';
CREATE INDEX cases_open ON cases (due) WHERE state IN ('received', 'appealed');
CREATE INDEX cases_end ON cases (changed);

CREATE TABLE case_steps (
    case_id TEXT NOT NULL,
    n       INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    by      TEXT NOT NULL,
    what    TEXT NOT NULL,
    text    TEXT NOT NULL,
    PRIMARY KEY (case_id, n)
) WITHOUT ROWID;

-- Names of erased accounts, as keyed hashes: they are never given again.
CREATE TABLE erased (
    name BLOB PRIMARY KEY,
    at   INTEGER NOT NULL
) WITHOUT ROWID;

-- The history of a grant stays append-only; an erasure may empty the documents
-- of an entry, and nothing else.
DROP TRIGGER grant_events_stay;
-- +goose StatementBegin
CREATE TRIGGER grant_events_stay BEFORE UPDATE ON grant_events
WHEN new.document <> '' OR new.receipt <> '' OR new.grant_id <> old.grant_id OR new.n <> old.n OR new.state <> old.state
    OR new.at <> old.at OR new.by <> old.by OR new.hash <> old.hash
BEGIN
    SELECT RAISE(ABORT, 'grant events are append-only');
END;
-- +goose StatementEnd

-- The key of those hashes.
CREATE TABLE erased_key (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key BLOB NOT NULL
);
INSERT INTO erased_key (one, key) VALUES (1, randomblob(32));
