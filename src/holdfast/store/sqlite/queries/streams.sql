-- name: insert_stream_item
INSERT INTO holdfast_streams (workflow_id, stream, "offset", value, write_id)
VALUES (
    :workflow_id,
    :stream,
    (SELECT coalesce(max("offset") + 1, 0) FROM holdfast_streams WHERE workflow_id = :workflow_id AND stream = :stream),
    :value,
    :write_id
)
ON CONFLICT (workflow_id, write_id) DO NOTHING
RETURNING "offset";

-- name: stream_offset
SELECT "offset" FROM holdfast_streams WHERE workflow_id = :workflow_id AND write_id = :write_id;

-- name: stream
SELECT "offset", value FROM holdfast_streams
WHERE workflow_id = :workflow_id AND stream = :stream AND "offset" >= :offset
ORDER BY "offset" LIMIT :limit;
