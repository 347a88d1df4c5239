-- +goose Up
-- Random labels under which accounts show things of theirs. An epoch is never
-- given twice, so that a thing's next owner gets a label that nobody can tie
-- to the one before. hush is a keyed hash of the name: what a resolver asks by.
CREATE TABLE labels (
    epoch   INTEGER PRIMARY KEY AUTOINCREMENT,
    label   TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    name    TEXT NOT NULL,
    hush    BLOB NOT NULL,
    made    INTEGER NOT NULL,
    UNIQUE (account, name)
);
CREATE INDEX labels_hush ON labels (hush);

-- Names that an operator was asked not to answer for, as keyed hashes only.
CREATE TABLE opted_out (
    hush BLOB PRIMARY KEY,
    made INTEGER NOT NULL
) WITHOUT ROWID;
