-- +goose Up
-- Leaves that commit to epochs, written with their commits, until they are
-- queued in the other file, which has the queue.
CREATE TABLE commitments (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL
);
