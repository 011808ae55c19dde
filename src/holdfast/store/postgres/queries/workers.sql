-- name: put_worker
INSERT INTO {schema}.workers AS k
    (worker_id, host, pid, process_started, started_at, heartbeat_at, lease_until, suspect_id, alive)
VALUES (%(worker_id)s, %(host)s, %(pid)s, %(process_started)s, %(started_at)s, %(now)s, %(lease_until)s, %(suspect_id)s,
    true)
ON CONFLICT (worker_id) DO UPDATE
SET heartbeat_at = excluded.heartbeat_at, lease_until = excluded.lease_until
WHERE k.alive;

-- name: extend_lease
UPDATE {schema}.workers SET heartbeat_at = %(now)s, lease_until = %(lease_until)s WHERE worker_id = %(worker_id)s AND alive
RETURNING worker_id;

-- name: live_workers
SELECT worker_id, host, pid, process_started, started_at, heartbeat_at, lease_until, suspect_id, alive
FROM {schema}.workers WHERE alive ORDER BY worker_id;

-- name: lock_doomed_worker
-- The strongest lock: it waits for whoever takes work for this worker at the moment, and makes others wait.
SELECT worker_id FROM {schema}.workers WHERE worker_id = %(worker_id)s AND alive
FOR UPDATE;

-- name: bury_worker
UPDATE {schema}.workers SET alive = false, suspect_id = NULL WHERE worker_id = %(worker_id)s AND alive;

-- name: set_suspect
UPDATE {schema}.workers SET suspect_id = %(workflow_id)s WHERE worker_id = %(worker_id)s;

-- name: clear_suspect
UPDATE {schema}.workers SET suspect_id = NULL WHERE worker_id = %(worker_id)s AND suspect_id = %(workflow_id)s;

-- name: heartbeat_age
-- By one clock. Without a server that has been up for a while, other processes' locks say nothing: they may be on
-- their way back.
SELECT
    coalesce(%(now)s::float8, extract(epoch FROM clock_timestamp())::float8) - k.heartbeat_at,
    extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8
FROM {schema}.workers AS k WHERE k.worker_id = %(worker_id)s;

-- name: try_lock
-- Given up at the end of this very statement: it only looks.
SELECT pg_try_advisory_xact_lock(%(key)s);

-- name: hold_lock
SELECT pg_try_advisory_lock(%(key)s);

-- name: drop_lock
SELECT pg_advisory_unlock(%(key)s);
