-- Lists of workflows, newest first, by pages. Two ways to the same rows: along the time of creation, where a page's
-- worth of matches comes soon; or from an index that holds few rows for what was asked, sorted afterwards.

-- name: list_workflows
-- `upper` lets the index be entered at the page's beginning.
SELECT records.* FROM holdfast_records AS records
WHERE true
  AND created_at <= :upper
  AND (:before_at IS NULL OR (created_at, workflow_id) < (:before_at, :before_id))
  AND created_at > coalesce(:created_after, -9e999)
  AND created_at < coalesce(:created_before, 9e999)
  AND (:finished_after IS NULL OR finished_at > :finished_after)
  AND (:finished_before IS NULL OR finished_at < :finished_before)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
  AND (:name IS NULL OR name = :name)
  AND (:queue IS NULL OR queue = :queue)
  AND (:parent_id IS NULL OR parent_id = :parent_id)
  AND (:id_prefix IS NULL OR substr(workflow_id, 1, length(:id_prefix)) = :id_prefix)
  AND (:error IS NULL OR instr(lower(coalesce(error, report)), :error) > 0)
  AND (:forked_from IS NULL OR EXISTS (
    SELECT 1 FROM holdfast_lineage AS l WHERE l.workflow_id = records.workflow_id AND l.forked_from = :forked_from
  ))
  AND (:attributes IS NULL OR NOT EXISTS (
    SELECT 1 FROM json_each(:attributes) AS wanted
    WHERE wanted.value NOT IN (
        SELECT a.name || char(10) || a.value FROM holdfast_attributes AS a WHERE a.workflow_id = records.workflow_id
    )
  ))
ORDER BY created_at DESC, workflow_id DESC
LIMIT :limit;

-- name: list_selected
-- Only the sources that were asked for give anything. The plus signs keep the planner from the time of creation.
WITH candidates (id) AS MATERIALIZED (
    SELECT id FROM holdfast_workflow_info WHERE parent_id = :by_parent
    UNION ALL
    SELECT workflow_id FROM holdfast_lineage WHERE forked_from = :by_origin
    UNION ALL
    SELECT workflow_id FROM holdfast_attributes WHERE name = :by_attribute AND value = :by_value
    UNION ALL
    SELECT id FROM holdfast_outcomes
    WHERE status IN (SELECT value FROM json_each(:by_ends))
        AND finished_at > coalesce(:finished_after, -9e999) AND finished_at < coalesce(:finished_before, 9e999)
    UNION ALL
    SELECT id FROM holdfast_reports WHERE :by_report
    UNION ALL
    SELECT id FROM holdfast_workflows WHERE status = 'running' AND :by_running
    UNION ALL
    SELECT id FROM holdfast_workflows WHERE status = 'enqueued' AND queue IS NULL AND :by_enqueued
    UNION ALL
    SELECT id FROM holdfast_workflows WHERE stage = 'line' AND status = 'enqueued' AND :by_enqueued
    UNION ALL
    SELECT id FROM holdfast_workflows WHERE stage = 'delayed' AND status = 'enqueued' AND :by_enqueued
    UNION ALL
    SELECT id FROM holdfast_workflows
    WHERE status = 'enqueued' AND queue IS NOT NULL AND stage IS NULL AND :by_enqueued
    UNION ALL
    SELECT id FROM holdfast_workflows WHERE id >= :by_prefix AND id < :by_prefix_end
)
SELECT records.* FROM candidates CROSS JOIN holdfast_records AS records ON records.workflow_id = candidates.id
WHERE true
  AND +created_at <= :upper
  AND (:before_at IS NULL OR (+created_at, workflow_id) < (:before_at, :before_id))
  AND +created_at > coalesce(:created_after, -9e999)
  AND +created_at < coalesce(:created_before, 9e999)
  AND (:finished_after IS NULL OR finished_at > :finished_after)
  AND (:finished_before IS NULL OR finished_at < :finished_before)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
  AND (:name IS NULL OR name = :name)
  AND (:queue IS NULL OR queue = :queue)
  AND (:parent_id IS NULL OR parent_id = :parent_id)
  AND (:id_prefix IS NULL OR substr(workflow_id, 1, length(:id_prefix)) = :id_prefix)
  AND (:error IS NULL OR instr(lower(coalesce(error, report)), :error) > 0)
  AND (:forked_from IS NULL OR EXISTS (
    SELECT 1 FROM holdfast_lineage AS l WHERE l.workflow_id = records.workflow_id AND l.forked_from = :forked_from
  ))
  AND (:attributes IS NULL OR NOT EXISTS (
    SELECT 1 FROM json_each(:attributes) AS wanted
    WHERE wanted.value NOT IN (
        SELECT a.name || char(10) || a.value FROM holdfast_attributes AS a WHERE a.workflow_id = records.workflow_id
    )
  ))
ORDER BY +created_at DESC, workflow_id DESC
LIMIT :limit;
