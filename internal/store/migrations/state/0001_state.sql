-- +goose Up
CREATE TABLE accounts (
    address TEXT PRIMARY KEY,
    created INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE invites (
    hash    BLOB PRIMARY KEY,
    created INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    used_by TEXT
) WITHOUT ROWID;

-- Every identity document ever taken, of own and of other domains' accounts.
CREATE TABLE identities (
    account      TEXT NOT NULL,
    version      INTEGER NOT NULL,
    hash         TEXT NOT NULL,
    identity_key BLOB NOT NULL,
    expires      INTEGER NOT NULL,
    received     INTEGER NOT NULL,
    checked      INTEGER NOT NULL,
    document     TEXT NOT NULL,
    PRIMARY KEY (account, version)
);

CREATE TABLE suspensions (
    account  TEXT PRIMARY KEY,
    client   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    document TEXT NOT NULL
);

CREATE TABLE key_packages (
    ref         BLOB PRIMARY KEY,
    account     TEXT NOT NULL,
    client      TEXT NOT NULL,
    last_resort INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    claimed     INTEGER,
    bytes       BLOB
);
CREATE INDEX key_packages_stock ON key_packages (account, client, last_resort, not_after) WHERE claimed IS NULL;
CREATE INDEX key_packages_end ON key_packages (not_after);

CREATE TABLE inbox_heads (
    account TEXT PRIMARY KEY,
    head    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE inbox (
    account  TEXT NOT NULL,
    seq      INTEGER NOT NULL,
    id       TEXT NOT NULL,
    kind     TEXT NOT NULL,
    sender   TEXT NOT NULL,
    received INTEGER NOT NULL,
    expires  INTEGER NOT NULL,
    sealed   BLOB NOT NULL,
    PRIMARY KEY (account, seq),
    UNIQUE (account, id)
);
CREATE INDEX inbox_sender ON inbox (account, sender, kind);
CREATE INDEX inbox_end ON inbox (expires);

CREATE TABLE outbox (
    id        TEXT PRIMARY KEY,
    sender    TEXT NOT NULL,
    recipient TEXT NOT NULL,
    authority TEXT NOT NULL,
    created   INTEGER NOT NULL,
    due       INTEGER NOT NULL,
    expires   INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    problem   TEXT NOT NULL,
    body      BLOB NOT NULL
);
CREATE INDEX outbox_due ON outbox (due);

CREATE TABLE homes (
    circle           BLOB PRIMARY KEY,
    thing_key        BLOB NOT NULL,
    number           INTEGER NOT NULL,
    owner            TEXT NOT NULL,
    anchor_key       BLOB NOT NULL,
    claim            TEXT NOT NULL,
    countersignature TEXT NOT NULL,
    opened           INTEGER NOT NULL,
    ended            INTEGER,
    UNIQUE (thing_key, number)
);

CREATE TABLE grants (
    id            TEXT PRIMARY KEY,
    circle        BLOB NOT NULL UNIQUE,
    home          BLOB NOT NULL,
    owner         TEXT NOT NULL,
    grantee       TEXT NOT NULL,
    grant_key     BLOB NOT NULL,
    anchor_key    BLOB NOT NULL,
    opening_hash  TEXT NOT NULL,
    valid_from    INTEGER NOT NULL,
    valid_until   INTEGER NOT NULL,
    ask_again     INTEGER NOT NULL,
    replaces      TEXT NOT NULL,
    state         TEXT NOT NULL,
    envelope_hash TEXT NOT NULL,
    envelope      TEXT NOT NULL
);
CREATE INDEX grants_owner ON grants (owner);
CREATE INDEX grants_grantee ON grants (grantee);
CREATE INDEX grants_home ON grants (home, state);
CREATE INDEX grants_until ON grants (state, valid_until);

CREATE TABLE grant_events (
    grant_id TEXT NOT NULL,
    n        INTEGER NOT NULL,
    state    TEXT NOT NULL,
    at       INTEGER NOT NULL,
    by       TEXT NOT NULL,
    hash     TEXT NOT NULL,
    document TEXT NOT NULL,
    receipt  TEXT NOT NULL,
    PRIMARY KEY (grant_id, n)
);
-- Append-only, whatever a program may try.
-- +goose StatementBegin
CREATE TRIGGER grant_events_stay BEFORE UPDATE ON grant_events BEGIN
    SELECT RAISE(ABORT, 'grant events are append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER grant_events_remain BEFORE DELETE ON grant_events BEGIN
    SELECT RAISE(ABORT, 'grant events are append-only');
END;
-- +goose StatementEnd

CREATE TABLE refusals (
    owner  TEXT NOT NULL,
    sender TEXT NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (owner, sender)
) WITHOUT ROWID;

CREATE TABLE node_keys (
    authority TEXT NOT NULL,
    id        TEXT NOT NULL,
    key       BLOB NOT NULL,
    pinned    INTEGER NOT NULL,
    PRIMARY KEY (authority, id)
) WITHOUT ROWID;

CREATE TABLE pins (
    account      TEXT PRIMARY KEY,
    identity_key BLOB NOT NULL,
    pinned       INTEGER NOT NULL
) WITHOUT ROWID;
