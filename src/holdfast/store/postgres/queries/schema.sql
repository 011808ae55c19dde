-- name: create_schema
CREATE SCHEMA IF NOT EXISTS {schema};

-- name: schema_exists
-- Looked at first: a role that may not create anything can use what is there.
SELECT
    EXISTS (SELECT FROM pg_namespace WHERE nspname = %(name)s),
    EXISTS (SELECT FROM pg_tables WHERE schemaname = %(name)s AND tablename = 'schema_version');

-- name: create_schema_table
CREATE TABLE IF NOT EXISTS {schema}.schema_version (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at double precision NOT NULL
);

-- name: lock_migrations
-- A migration may take its time, and so may those who wait for it.
SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true), pg_advisory_xact_lock(%(key)s);

-- name: schema_version
SELECT coalesce(max(version), 0) FROM {schema}.schema_version;

-- name: record_migration
INSERT INTO {schema}.schema_version (version, name, applied_at)
VALUES (%(version)s, %(name)s, extract(epoch FROM clock_timestamp())::float8);

-- name: record_compatibility
-- After all migrations: the second one makes the column.
UPDATE {schema}.schema_version SET oldest_writer = %(oldest_writer)s WHERE version = %(version)s;

-- name: oldest_writer
-- The strictest of what this library does not know; NULL if one of them lets no older library write.
SELECT CASE WHEN count(*) = count(oldest_writer) THEN max(oldest_writer) END
FROM {schema}.schema_version WHERE version > %(known)s;

-- name: durability
-- Whether what this server acknowledges survives a crash of it.
SELECT current_setting('fsync') = 'on', current_setting('synchronous_commit') <> 'off';

-- name: server_role
SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on';

-- name: connection_counts
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::integer;

-- name: schema_privileges
SELECT has_schema_privilege(%(name)s, 'USAGE'), has_schema_privilege(%(name)s, 'CREATE');

-- name: database_privileges
-- Of a schema that is not there yet.
SELECT true, has_database_privilege(current_database(), 'CREATE') AND %(name)s::text IS NOT NULL;
