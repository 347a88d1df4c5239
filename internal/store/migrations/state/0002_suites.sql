-- +goose Up
-- Key packages are kept per cipher suite; those from before are of suite 1.
ALTER TABLE key_packages ADD COLUMN suite INTEGER NOT NULL DEFAULT 1;
DROP INDEX key_packages_stock;
CREATE INDEX key_packages_stock ON key_packages (account, client, suite, last_resort, not_after) WHERE claimed IS NULL;
