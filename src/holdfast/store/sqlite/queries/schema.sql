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

-- name: record_compatibility
-- After all migrations: the second one makes the column.
UPDATE holdfast_schema SET oldest_writer = :oldest_writer WHERE version = :version;

-- name: oldest_writer
-- The strictest of what this library does not know; NULL if one of them lets no older library write.
SELECT CASE WHEN count(*) = count(oldest_writer) THEN max(oldest_writer) END
FROM holdfast_schema WHERE version > :known;

-- name: count_commit
UPDATE holdfast_commits SET count = count + 1 WHERE one = 1 RETURNING count;

-- name: commits
SELECT count FROM holdfast_commits WHERE one = 1;
