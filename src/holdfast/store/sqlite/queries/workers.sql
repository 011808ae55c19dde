-- name: put_worker
INSERT INTO holdfast_workers (
    worker_id, host, pid, process_started, started_at, heartbeat_at, lease_until, suspect_id, alive
) VALUES (:worker_id, :host, :pid, :process_started, :started_at, :now, :lease_until, :suspect_id, 1)
ON CONFLICT (worker_id) DO UPDATE
SET heartbeat_at = excluded.heartbeat_at, lease_until = excluded.lease_until
WHERE alive;

-- name: extend_lease
UPDATE holdfast_workers SET heartbeat_at = :now, lease_until = :lease_until WHERE worker_id = :worker_id AND alive;

-- name: live_workers
SELECT worker_id, host, pid, process_started, started_at, heartbeat_at, lease_until, suspect_id, alive
FROM holdfast_workers WHERE alive ORDER BY worker_id;

-- name: dead_workers
-- Which of these have been declared dead. Nothing new may become theirs: nobody would take it over.
SELECT worker_id FROM holdfast_workers
WHERE NOT alive AND worker_id IN (SELECT value FROM json_each(:worker_ids));

-- name: bury_worker
UPDATE holdfast_workers SET alive = 0, suspect_id = NULL WHERE worker_id = :worker_id AND alive;

-- name: suspect_of_worker
SELECT suspect_id FROM holdfast_workers WHERE worker_id = :worker_id AND alive;

-- name: set_suspect
UPDATE holdfast_workers SET suspect_id = :workflow_id WHERE worker_id = :worker_id;

-- name: clear_suspect
UPDATE holdfast_workers SET suspect_id = NULL WHERE worker_id = :worker_id AND suspect_id = :workflow_id;
