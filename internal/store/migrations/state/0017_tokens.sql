-- +goose Up
-- Tokens of publishers: programs and people who keep the node's public things.
CREATE TABLE tokens (
    name  TEXT PRIMARY KEY,
    hash  BLOB NOT NULL UNIQUE, -- SHA-256 of the token
    added INTEGER NOT NULL
) WITHOUT ROWID;
