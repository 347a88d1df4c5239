-- +goose Up
-- What organisations used: sums by the hour of UTC and the organisation's
-- domain. There is no place here for a person or an account.
CREATE TABLE usage (
    hour   INTEGER NOT NULL, -- since 1970-01-01
    domain TEXT NOT NULL,
    meter  TEXT NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (hour, domain, meter)
) WITHOUT ROWID;
