-- +goose Up
-- Links to share by, and the guests that they open. Of one that has ended only
-- id, guest, step and reason are left: neither is given out again.
CREATE TABLE links (
    id           BLOB PRIMARY KEY,
    guest        TEXT NOT NULL UNIQUE,
    owner        TEXT NOT NULL,
    expires      INTEGER NOT NULL,
    door         BLOB NOT NULL,
    commitment   BLOB NOT NULL,
    mac          BLOB NOT NULL,
    step         TEXT NOT NULL,
    reason       TEXT NOT NULL,
    identity     TEXT NOT NULL,
    nonce        BLOB NOT NULL,
    reveal_nonce BLOB NOT NULL,
    reveal_key   BLOB NOT NULL,
    reveal_mac   BLOB NOT NULL,
    grant_id     TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX links_owner ON links (owner) WHERE owner <> '';
CREATE INDEX links_expires ON links (expires) WHERE expires > 0;
CREATE INDEX links_grant ON links (grant_id) WHERE grant_id <> '';
