-- +goose Up
-- The present homes of an account, for hints about its identity document.
CREATE INDEX homes_owner ON homes (owner) WHERE ended IS NULL;
