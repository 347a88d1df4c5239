-- +goose Up
CREATE TABLE circles (
    id         INTEGER PRIMARY KEY,
    circle     BLOB NOT NULL UNIQUE,
    home       INTEGER NOT NULL,
    anchor_key BLOB NOT NULL,
    account    TEXT NOT NULL,
    epoch      INTEGER NOT NULL,
    head       INTEGER NOT NULL,
    oldest     INTEGER NOT NULL,
    welcome    INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    opened     INTEGER NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_till INTEGER NOT NULL,
    retention  INTEGER NOT NULL,
    fence      TEXT NOT NULL,
    fenced     INTEGER NOT NULL,
    closed     INTEGER NOT NULL
);
CREATE INDEX circles_till ON circles (valid_till) WHERE fence = '' AND valid_till > 0;
CREATE INDEX circles_ended ON circles (fenced) WHERE fence <> '' AND head >= oldest;

-- The keyless view of each circle's group; apart from circles, whose rows
-- change with every message.
CREATE TABLE trackers (
    id   INTEGER PRIMARY KEY,
    view BLOB NOT NULL
);

-- The first frame of each epoch, and of those that ended: when they are erased.
CREATE TABLE epochs (
    circle INTEGER NOT NULL,
    epoch  INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    erase  INTEGER,
    PRIMARY KEY (circle, epoch)
) WITHOUT ROWID;
CREATE INDEX epochs_erase ON epochs (erase) WHERE erase IS NOT NULL;

-- Since which frame a leaf is who it is, and when it last proposed an Update.
CREATE TABLE leaves (
    circle  INTEGER NOT NULL,
    leaf    INTEGER NOT NULL,
    since   INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (circle, leaf)
) WITHOUT ROWID;

-- The primary key is UNIQUE(circle, seq); rows of one circle lie together, so
-- that a read by cursor and the trimming of an epoch touch few pages.
CREATE TABLE frames (
    circle INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    epoch  INTEGER NOT NULL,
    bytes  BLOB NOT NULL,
    PRIMARY KEY (circle, seq)
) WITHOUT ROWID;
