-- Deleting workflows with everything recorded for them. Approvals stay: their audit trail is append-only.

-- name: deletable
-- The trees of the workflows that are to be deleted, with what may keep each.
WITH RECURSIVE tree (root, id) AS (
    SELECT n.id, n.id COLLATE "C" FROM unnest(%(workflow_ids)s::text[]) AS n (id)
    UNION
    SELECT tree.root, i.id FROM tree JOIN {schema}.workflow_info AS i ON i.parent_id = tree.id
    WHERE %(children)s::boolean
)
SELECT tree.root, w.id, w.status, i.parent_id, p.status,
    (
        SELECT min(q.workflow_id) FROM {schema}.waits AS q
        JOIN {schema}.workflows AS s ON s.id = q.workflow_id
        WHERE q.target_id = w.id AND q.workflow_id <> w.id AND s.status = 'suspended'
    )
FROM tree
JOIN {schema}.workflows AS w ON w.id = tree.id
JOIN {schema}.workflow_info AS i ON i.id = w.id
LEFT JOIN {schema}.workflows AS p ON p.id = i.parent_id;

-- name: delete_from_journal
DELETE FROM {schema}.journal WHERE workflow_id = ANY(%(workflow_ids)s::text[]);

-- name: delete_from_messages
DELETE FROM {schema}.messages WHERE workflow_id = ANY(%(workflow_ids)s::text[]);

-- name: delete_from_events
DELETE FROM {schema}.events WHERE workflow_id = ANY(%(workflow_ids)s::text[]);

-- name: delete_from_event_writes
DELETE FROM {schema}.event_writes WHERE workflow_id = ANY(%(workflow_ids)s::text[]);

-- name: delete_from_streams
DELETE FROM {schema}.streams WHERE workflow_id = ANY(%(workflow_ids)s::text[]);

-- name: delete_from_attributes
DELETE FROM {schema}.attributes WHERE workflow_id = ANY(%(workflow_ids)s::text[]);

-- name: delete_from_lineage
DELETE FROM {schema}.lineage WHERE workflow_id = ANY(%(workflow_ids)s::text[]);

-- name: delete_from_outcomes
DELETE FROM {schema}.outcomes WHERE id = ANY(%(workflow_ids)s::text[]);

-- name: delete_from_reports
DELETE FROM {schema}.reports WHERE id = ANY(%(workflow_ids)s::text[]);

-- name: delete_from_workflow_info
DELETE FROM {schema}.workflow_info WHERE id = ANY(%(workflow_ids)s::text[]);

-- name: delete_from_workflows
DELETE FROM {schema}.workflows WHERE id = ANY(%(workflow_ids)s::text[]);

-- name: delete_waits
DELETE FROM {schema}.waits WHERE workflow_id = ANY(%(workflow_ids)s::text[]);

-- name: delete_from_queue_keys
DELETE FROM {schema}.queue_keys WHERE workflow_id = ANY(%(workflow_ids)s::text[]);
