-- name: insert_stream_item
-- Gives the offset of the write that is there already, if this one was sent before.
WITH placed AS (
    INSERT INTO {schema}.streams (workflow_id, stream, "offset", value, write_id)
    SELECT
        %(workflow_id)s, %(stream)s,
        coalesce((
            SELECT max(s."offset") + 1 FROM {schema}.streams AS s
            WHERE s.workflow_id = %(workflow_id)s AND s.stream = %(stream)s
        ), 0),
        %(value)s, %(write_id)s
    ON CONFLICT (workflow_id, write_id) DO NOTHING
    RETURNING "offset"
)
SELECT "offset", true FROM placed
UNION ALL
SELECT "offset", false FROM {schema}.streams WHERE workflow_id = %(workflow_id)s AND write_id = %(write_id)s;

-- name: stream
SELECT "offset", value FROM {schema}.streams
WHERE workflow_id = %(workflow_id)s AND stream = %(stream)s AND "offset" >= %(offset)s
ORDER BY "offset" LIMIT %(limit)s;
