-- compatible: additive
-- The columns in the order of the fields of holdfast.core.model.WorkflowRecord; older programs know the first ones.
DROP VIEW holdfast_records;
CREATE VIEW holdfast_records AS
SELECT i.id AS workflow_id, w.name, w.status, i.version, w.epoch, w.owner, i.parent_id, i.input, i.input_digest,
       i.request_id, i.created_at, w.wake_at, i.deadline_at, w.cancel_at, w.crashes, i.traceparent, w.queue, w.priority,
       o.output, o.error, o.finished_at, r.report, i.timeout, w.partition_key
FROM holdfast_workflows AS w
JOIN holdfast_workflow_info AS i ON i.id = w.id
LEFT JOIN holdfast_outcomes AS o ON o.id = w.id
LEFT JOIN holdfast_reports AS r ON r.id = w.id;
