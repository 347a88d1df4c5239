-- +goose Up
-- Commitments: leaves that wait for the next tick of the commitments log, and
-- where the others stand in it. A leaf is a keyed hash, which tells nothing to
-- who lacks its key.
CREATE TABLE leaves (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    hash  BLOB NOT NULL UNIQUE,
    due   INTEGER NOT NULL, -- the tick by which it was promised
    place INTEGER           -- index in the log; NULL while it waits
);
CREATE INDEX leaves_waiting ON leaves (seq) WHERE place IS NULL;
CREATE INDEX leaves_placed ON leaves (place) WHERE place IS NOT NULL;
