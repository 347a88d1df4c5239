-- +goose Up
-- What operators did: append-only, whatever a program may try.
CREATE TABLE acts (
    n      INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    who    TEXT NOT NULL,
    act    TEXT NOT NULL,
    about  TEXT NOT NULL,
    reason TEXT NOT NULL
);
-- +goose StatementBegin
CREATE TRIGGER acts_stay BEFORE UPDATE ON acts BEGIN
    SELECT RAISE(ABORT, 'acts are append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER acts_remain BEFORE DELETE ON acts BEGIN
    SELECT RAISE(ABORT, 'acts are append-only');
END;
-- +goose StatementEnd
