-- Putting the rows of a workflow that was just created in their places, for forks and imports. A row that is there
-- already was left behind by one that was deleted while a step of it still ran somewhere; it stays.

-- name: restore_journal
INSERT INTO holdfast_journal (
    workflow_id, step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors,
    started_at, finished_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: restore_messages
-- In the order of sending; the table numbers them.
INSERT INTO holdfast_messages (
    workflow_id, message_id, topic, body, sent_at, sender_id, consumed_by
) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: restore_events
INSERT INTO holdfast_events (
    workflow_id, name, value, write_id, version, set_at
) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: restore_event_writes
INSERT INTO holdfast_event_writes (
    workflow_id, write_id
) VALUES (?, ?)
ON CONFLICT DO NOTHING;

-- name: restore_streams
INSERT INTO holdfast_streams (
    workflow_id, stream, "offset", value, write_id
) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: restore_attributes
INSERT INTO holdfast_attributes (
    workflow_id, name, value
) VALUES (?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: restore_lineage
INSERT INTO holdfast_lineage (
    workflow_id, forked_from, forked_step, forked_at
) VALUES (?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: restore_standing
UPDATE holdfast_workflows
SET status = :status, epoch = :epoch, wake_at = NULL, stage = NULL, crashes = :crashes, cancel_at = :cancel_at
WHERE id = :workflow_id;

-- name: restore_outcome
INSERT INTO holdfast_outcomes (id, status, output, error, finished_at)
VALUES (:workflow_id, :status, :output, :error, :finished_at);
