-- name: create_schema_table
CREATE TABLE IF NOT EXISTS holdfast_schema (
    version INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at REAL NOT NULL
);

-- name: has_schema_table
SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'holdfast_schema';

-- name: schema_version
SELECT coalesce(max(version), 0) FROM holdfast_schema;

-- name: record_migration
INSERT INTO holdfast_schema (version, name, applied_at) VALUES (:version, :name, :now);

-- name: count_commit
UPDATE holdfast_commits SET count = count + 1 WHERE one = 1 RETURNING count;

-- name: commits
SELECT count FROM holdfast_commits WHERE one = 1;
