-- compatible: additive
-- The columns in the order of the fields of holdfast.core.model.WorkflowRecord; older programs know the first ones.
CREATE OR REPLACE VIEW {schema}.records AS
SELECT w.id AS workflow_id, w.name, w.status, i.version, w.epoch, w.owner, i.parent_id, i.input, i.input_digest,
       i.request_id, i.created_at, w.wake_at, i.deadline_at, w.cancel_at, w.crashes, i.traceparent, w.queue, w.priority,
       o.output, o.error, o.finished_at, r.report, i.timeout, w.partition_key
FROM {schema}.workflows AS w
JOIN {schema}.workflow_info AS i ON i.id = w.id
LEFT JOIN {schema}.outcomes AS o ON o.id = w.id
LEFT JOIN {schema}.reports AS r ON r.id = w.id;
