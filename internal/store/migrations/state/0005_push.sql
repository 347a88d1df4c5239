-- +goose Up
-- Web Push: where to ring a client, and the node's key (RFC 8292).
CREATE TABLE pushes (
    account  TEXT NOT NULL,
    client   TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    waiting  INTEGER NOT NULL,
    due      INTEGER NOT NULL,
    failed   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, client)
) WITHOUT ROWID;
CREATE INDEX pushes_due ON pushes (due) WHERE waiting = 1;

CREATE TABLE push_key (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key BLOB NOT NULL
);
