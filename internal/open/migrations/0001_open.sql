-- +goose Up
CREATE TABLE service (
    name     TEXT PRIMARY KEY,
    document TEXT NOT NULL,
    modified INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE thing (
    id          INTEGER PRIMARY KEY,
    service     TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL, -- Thing Description, without our forms
    key         TEXT NOT NULL, -- path of its GS1 key, or empty
    class       TEXT NOT NULL, -- the same without its serial
    modified    INTEGER NOT NULL,
    UNIQUE (service, name)
);
CREATE INDEX thing_class ON thing (class, key) WHERE class <> '';

CREATE TABLE series (
    id       INTEGER PRIMARY KEY,
    thing    INTEGER NOT NULL,
    property TEXT NOT NULL,
    UNIQUE (thing, property)
);

-- A number that is written as it was sent has no text.
CREATE TABLE value (
    series INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    number REAL,
    text   TEXT,
    PRIMARY KEY (series, at)
) WITHOUT ROWID;

CREATE TABLE hour (
    series INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    total  REAL NOT NULL,
    least  REAL NOT NULL,
    most   REAL NOT NULL,
    PRIMARY KEY (series, at)
) WITHOUT ROWID;
