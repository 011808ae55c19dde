-- Lists of workflows, newest first, by pages. Two ways to the same rows: along the time of creation, where a page's
-- worth of matches comes soon; or from an index that holds few rows for what was asked, sorted afterwards.

-- name: list_workflows
-- `upper` lets the index be entered at the page's beginning.
SELECT records.* FROM {schema}.records AS records
WHERE true
    AND created_at <= %(upper)s::float8
    AND (%(before_at)s::float8 IS NULL OR (created_at, workflow_id) < (%(before_at)s::float8, %(before_id)s::text))
    AND created_at > coalesce(%(created_after)s::float8, '-Infinity')
    AND created_at < coalesce(%(created_before)s::float8, 'Infinity')
    AND (%(finished_after)s::float8 IS NULL OR finished_at > %(finished_after)s::float8)
    AND (%(finished_before)s::float8 IS NULL OR finished_at < %(finished_before)s::float8)
    AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s::text[]))
    AND (%(name)s::text IS NULL OR name = %(name)s)
    AND (%(queue)s::text IS NULL OR queue = %(queue)s)
    AND (%(parent_id)s::text IS NULL OR parent_id = %(parent_id)s)
    AND (%(id_prefix)s::text IS NULL OR starts_with(workflow_id, %(id_prefix)s))
    AND (%(error)s::text IS NULL OR strpos(lower(coalesce(error, report)), %(error)s) > 0)
    AND (%(forked_from)s::text IS NULL OR EXISTS (
        SELECT FROM {schema}.lineage AS l WHERE l.workflow_id = records.workflow_id AND l.forked_from = %(forked_from)s
    ))
    AND (%(attributes)s::text[] IS NULL OR NOT EXISTS (
        SELECT FROM unnest(%(attributes)s::text[]) AS wanted (pair)
        WHERE wanted.pair NOT IN (
            SELECT a.name || chr(10) || a.value FROM {schema}.attributes AS a WHERE a.workflow_id = records.workflow_id
        )
    ))
ORDER BY created_at DESC, workflow_id DESC
LIMIT %(limit)s;

-- name: list_selected
-- Only the sources that were asked for give anything.
WITH candidates (id) AS MATERIALIZED (
    SELECT id FROM {schema}.workflow_info WHERE parent_id = %(by_parent)s::text
    UNION ALL
    SELECT workflow_id FROM {schema}.lineage WHERE forked_from = %(by_origin)s::text
    UNION ALL
    SELECT workflow_id FROM {schema}.attributes WHERE name = %(by_attribute)s::text AND value = %(by_value)s::text
    UNION ALL
    SELECT id FROM {schema}.outcomes
    WHERE status = ANY(%(by_ends)s::text[])
        AND finished_at > coalesce(%(finished_after)s::float8, '-Infinity')
        AND finished_at < coalesce(%(finished_before)s::float8, 'Infinity')
    UNION ALL
    SELECT id FROM {schema}.reports WHERE %(by_report)s::boolean
    UNION ALL
    SELECT id FROM {schema}.workflows WHERE status = 'running' AND %(by_running)s::boolean
    UNION ALL
    SELECT id FROM {schema}.workflows WHERE status = 'enqueued' AND queue IS NULL AND %(by_enqueued)s::boolean
    UNION ALL
    SELECT id FROM {schema}.workflows WHERE stage = 'line' AND status = 'enqueued' AND %(by_enqueued)s::boolean
    UNION ALL
    SELECT id FROM {schema}.workflows WHERE stage = 'delayed' AND status = 'enqueued' AND %(by_enqueued)s::boolean
    UNION ALL
    SELECT id FROM {schema}.workflows
    WHERE status = 'enqueued' AND queue IS NOT NULL AND stage IS NULL AND %(by_enqueued)s::boolean
    UNION ALL
    SELECT id FROM {schema}.workflows WHERE id >= %(by_prefix)s::text AND id < %(by_prefix_end)s::text
)
SELECT records.* FROM candidates JOIN {schema}.records AS records ON records.workflow_id = candidates.id
WHERE true
    AND created_at <= %(upper)s::float8
    AND (%(before_at)s::float8 IS NULL OR (created_at, workflow_id) < (%(before_at)s::float8, %(before_id)s::text))
    AND created_at > coalesce(%(created_after)s::float8, '-Infinity')
    AND created_at < coalesce(%(created_before)s::float8, 'Infinity')
    AND (%(finished_after)s::float8 IS NULL OR finished_at > %(finished_after)s::float8)
    AND (%(finished_before)s::float8 IS NULL OR finished_at < %(finished_before)s::float8)
    AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s::text[]))
    AND (%(name)s::text IS NULL OR name = %(name)s)
    AND (%(queue)s::text IS NULL OR queue = %(queue)s)
    AND (%(parent_id)s::text IS NULL OR parent_id = %(parent_id)s)
    AND (%(id_prefix)s::text IS NULL OR starts_with(workflow_id, %(id_prefix)s))
    AND (%(error)s::text IS NULL OR strpos(lower(coalesce(error, report)), %(error)s) > 0)
    AND (%(forked_from)s::text IS NULL OR EXISTS (
        SELECT FROM {schema}.lineage AS l WHERE l.workflow_id = records.workflow_id AND l.forked_from = %(forked_from)s
    ))
    AND (%(attributes)s::text[] IS NULL OR NOT EXISTS (
        SELECT FROM unnest(%(attributes)s::text[]) AS wanted (pair)
        WHERE wanted.pair NOT IN (
            SELECT a.name || chr(10) || a.value FROM {schema}.attributes AS a WHERE a.workflow_id = records.workflow_id
        )
    ))
ORDER BY created_at DESC, workflow_id DESC
LIMIT %(limit)s;
