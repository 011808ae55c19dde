-- name: insert_event_write
INSERT INTO holdfast_event_writes (workflow_id, write_id) VALUES (:workflow_id, :write_id)
ON CONFLICT (workflow_id, write_id) DO NOTHING;

-- name: put_event
INSERT INTO holdfast_events (workflow_id, name, value, write_id, version, set_at)
VALUES (:workflow_id, :name, :value, :write_id, 1, :now)
ON CONFLICT (workflow_id, name) DO UPDATE
SET value = excluded.value, write_id = excluded.write_id, version = version + 1, set_at = excluded.set_at;

-- name: event
SELECT value FROM holdfast_events WHERE workflow_id = :workflow_id AND name = :name;
