-- +goose Up
-- A closed account keeps its row: its name is never given again.
ALTER TABLE accounts ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;

-- Identity keys, each wrapped under secrets that the node never sees.
CREATE TABLE keeps (
    account  TEXT PRIMARY KEY,
    serial   INTEGER NOT NULL,
    changed  INTEGER NOT NULL,
    document BLOB NOT NULL
) WITHOUT ROWID;

-- Sessions of pages, by the hash of their token.
CREATE TABLE page_sessions (
    hash    BLOB PRIMARY KEY,
    account TEXT NOT NULL,
    client  TEXT NOT NULL,
    opened  INTEGER NOT NULL,
    until   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX page_sessions_client ON page_sessions (account, client);
CREATE INDEX page_sessions_end ON page_sessions (until);
