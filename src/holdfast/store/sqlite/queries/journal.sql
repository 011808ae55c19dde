-- name: insert_checkpoints
-- Guarded by the epoch; the first checkpoint of a step stays.
INSERT INTO holdfast_journal (
    workflow_id, step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at, finished_at
)
SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
WHERE EXISTS (SELECT 1 FROM holdfast_workflows WHERE id = ? AND epoch = ?)
ON CONFLICT (workflow_id, step_id) DO NOTHING;

-- name: record_alone
-- insert_checkpoints for one checkpoint, with a look at the fence. No row: the fence does not hold, its cancellation was
-- asked for, or the step has an outcome.
INSERT INTO holdfast_journal (
    workflow_id, step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at, finished_at
)
SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
WHERE EXISTS (
    SELECT 1 FROM holdfast_workflows WHERE id = ? AND epoch = ? AND status = 'running' AND cancel_at IS NULL
)
ON CONFLICT (workflow_id, step_id) DO NOTHING;

-- name: held_checkpoint
-- What is recorded for a step of a workflow that is held in this epoch; nothing but NULL where that is nothing.
SELECT
    j.step_id, j.branch, j.name, j.kind, j.seq, j.digest, j.output, j.error, j.attempts, j.attempt_errors, j.started_at,
    j.finished_at
FROM holdfast_workflows AS w LEFT JOIN holdfast_journal AS j ON j.workflow_id = w.id AND j.step_id = ?
WHERE w.id = ? AND w.epoch = ? AND w.status = 'running';

-- name: checkpoint
SELECT step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at, finished_at
FROM holdfast_journal WHERE workflow_id = :workflow_id AND step_id = :step_id;

-- name: journal
SELECT step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at, finished_at
FROM holdfast_journal WHERE workflow_id = :workflow_id ORDER BY seq, step_id;

-- name: journals
SELECT j.workflow_id,
       j.step_id, j.branch, j.name, j.kind, j.seq, j.digest, j.output, j.error, j.attempts, j.attempt_errors,
       j.started_at, j.finished_at
FROM json_each(:workflow_ids) AS wanted
CROSS JOIN holdfast_journal AS j ON j.workflow_id = wanted.value
ORDER BY j.workflow_id, j.seq, j.step_id;
