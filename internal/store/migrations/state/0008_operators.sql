-- +goose Up
-- Those who run the node, and the passkeys that they log in with.
CREATE TABLE operators (
    name   TEXT PRIMARY KEY,
    role   TEXT NOT NULL,
    handle BLOB NOT NULL UNIQUE,
    added  INTEGER NOT NULL
) WITHOUT ROWID;

-- One-time addresses at which an operator registers a passkey.
CREATE TABLE operator_tickets (
    hash  BLOB PRIMARY KEY,
    name  TEXT NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE operator_keys (
    id         BLOB PRIMARY KEY,
    name       TEXT NOT NULL,
    added      INTEGER NOT NULL,
    credential BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX operator_keys_name ON operator_keys (name);

CREATE TABLE operator_sessions (
    hash   BLOB PRIMARY KEY,
    name   TEXT NOT NULL,
    opened INTEGER NOT NULL,
    until  INTEGER NOT NULL
) WITHOUT ROWID;

-- A public page that was taken down stays down.
CREATE TABLE notices_taken (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) WITHOUT ROWID;
