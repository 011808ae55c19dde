-- Deleting workflows with everything recorded for them. Approvals stay: their audit trail is append-only.

-- name: deletable
-- The trees of the workflows that are to be deleted, with what may keep each.
WITH RECURSIVE tree (root, id) AS (
    SELECT value, value FROM json_each(:workflow_ids)
    UNION
    SELECT tree.root, i.id FROM tree CROSS JOIN holdfast_workflow_info AS i ON i.parent_id = tree.id
    WHERE :children
)
SELECT tree.root, w.id, w.status, i.parent_id, p.status,
    (
        SELECT min(q.workflow_id) FROM holdfast_waits AS q
        CROSS JOIN holdfast_workflows AS s ON s.id = q.workflow_id
        WHERE q.target_id = w.id AND q.workflow_id <> w.id AND s.status = 'suspended'
    )
FROM tree
CROSS JOIN holdfast_workflows AS w ON w.id = tree.id
CROSS JOIN holdfast_workflow_info AS i ON i.id = w.id
LEFT JOIN holdfast_workflows AS p ON p.id = i.parent_id;

-- name: delete_from_journal
DELETE FROM holdfast_journal WHERE workflow_id IN (SELECT value FROM json_each(:workflow_ids));

-- name: delete_from_messages
DELETE FROM holdfast_messages WHERE workflow_id IN (SELECT value FROM json_each(:workflow_ids));

-- name: delete_from_events
DELETE FROM holdfast_events WHERE workflow_id IN (SELECT value FROM json_each(:workflow_ids));

-- name: delete_from_event_writes
DELETE FROM holdfast_event_writes WHERE workflow_id IN (SELECT value FROM json_each(:workflow_ids));

-- name: delete_from_streams
DELETE FROM holdfast_streams WHERE workflow_id IN (SELECT value FROM json_each(:workflow_ids));

-- name: delete_from_attributes
DELETE FROM holdfast_attributes WHERE workflow_id IN (SELECT value FROM json_each(:workflow_ids));

-- name: delete_from_lineage
DELETE FROM holdfast_lineage WHERE workflow_id IN (SELECT value FROM json_each(:workflow_ids));

-- name: delete_from_outcomes
DELETE FROM holdfast_outcomes WHERE id IN (SELECT value FROM json_each(:workflow_ids));

-- name: delete_from_reports
DELETE FROM holdfast_reports WHERE id IN (SELECT value FROM json_each(:workflow_ids));

-- name: delete_from_workflow_info
DELETE FROM holdfast_workflow_info WHERE id IN (SELECT value FROM json_each(:workflow_ids));

-- name: delete_from_workflows
DELETE FROM holdfast_workflows WHERE id IN (SELECT value FROM json_each(:workflow_ids));

-- name: delete_from_queue_keys
DELETE FROM holdfast_queue_keys WHERE workflow_id IN (SELECT value FROM json_each(:workflow_ids));
