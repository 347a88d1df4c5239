-- +goose Up
CREATE TABLE notices (
    id       TEXT PRIMARY KEY,
    account  TEXT NOT NULL,
    changed  INTEGER NOT NULL,
    document BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX notices_account ON notices (account, id);
