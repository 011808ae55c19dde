-- name: insert_wait
INSERT INTO holdfast_waits (workflow_id, target_id, kind, name) VALUES (:workflow_id, :target_id, :kind, :name)
ON CONFLICT (workflow_id, target_id, kind, name) DO NOTHING;

-- name: waiters
-- Who waits for one message topic or event.
SELECT workflow_id FROM holdfast_waits WHERE target_id = :target_id AND kind = :kind AND name = :name;

-- name: outcome_waiters
SELECT DISTINCT waits.workflow_id
FROM json_each(:workflow_ids) AS ended
CROSS JOIN holdfast_waits AS waits ON waits.target_id = ended.value
WHERE waits.kind = 'result';

-- name: delete_waits
DELETE FROM holdfast_waits WHERE workflow_id IN (SELECT value FROM json_each(:workflow_ids));

-- name: message_waits
SELECT EXISTS (
    SELECT 1 FROM holdfast_messages WHERE workflow_id = :target_id AND topic = :name AND consumed_by IS NULL
);

-- name: outcome_waits
SELECT EXISTS (SELECT 1 FROM holdfast_outcomes WHERE id = :target_id);

-- name: event_waits
SELECT EXISTS (SELECT 1 FROM holdfast_events WHERE workflow_id = :target_id AND name = :name);
