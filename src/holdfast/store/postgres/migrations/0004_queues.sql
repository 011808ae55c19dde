-- compatible: from 4
-- An older library would let in from queues without regard to their limits.
-- Queues' names compare in the server's own order, like the column of workflows that is there already.
CREATE TABLE {schema}.queues (
    name text PRIMARY KEY,
    concurrency integer,
    worker_concurrency integer,
    rate_limit integer,
    rate_period double precision,
    partition_concurrency integer,
    partition_rate_limit integer,
    partition_rate_period double precision,
    hold_while_suspended boolean NOT NULL,
    -- A workflow that ends may let another one start.
    is_limited boolean NOT NULL,
    paused boolean NOT NULL DEFAULT false,
    -- The partition that was let in last: the next one's turn comes after it.
    turn text COLLATE "C",
    -- When that was: the queue that has waited longest comes first.
    let_in_at double precision NOT NULL DEFAULT 0,
    -- The limits as they were declared last, to tell a new declaration from one that was changed since.
    declared text NOT NULL
) WITH (fillfactor = 50);

-- What started within the periods of its queue's rates; older ones are deleted.
CREATE TABLE {schema}.queue_starts (
    queue text NOT NULL,
    at double precision NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    partition_key text COLLATE "C" NOT NULL,
    PRIMARY KEY (queue, at, workflow_id)
);

-- The workflow that was created last with a key. Whether it still counts, its status tells.
CREATE TABLE {schema}.queue_keys (
    queue text NOT NULL,
    key text COLLATE "C" NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    request_id text NOT NULL,
    requested_at double precision NOT NULL,
    until double precision,
    PRIMARY KEY (queue, key)
);
CREATE INDEX queue_keys_workflow ON {schema}.queue_keys (workflow_id);

ALTER TABLE {schema}.workflows ADD COLUMN partition_key text COLLATE "C" NOT NULL DEFAULT '';
-- Of a workflow in a queue that has not begun: 'line', or 'delayed' until its time comes. NULL once it has begun.
ALTER TABLE {schema}.workflows ADD COLUMN stage text;

-- What is in a queue has indexes of its own, so that a long line is nothing that a claim of other workflows must pass.
DROP INDEX {schema}.workflows_enqueued;
CREATE INDEX workflows_enqueued ON {schema}.workflows (wake_at, id)
    WHERE status = 'enqueued' AND queue IS NULL;
DROP INDEX {schema}.workflows_asleep;
CREATE INDEX workflows_asleep ON {schema}.workflows (wake_at)
    WHERE status = 'suspended' AND wake_at IS NOT NULL AND queue IS NULL;
CREATE INDEX workflows_line ON {schema}.workflows (queue, partition_key, priority, wake_at, id)
    WHERE stage = 'line' AND status = 'enqueued';
CREATE INDEX workflows_delayed ON {schema}.workflows (queue, wake_at)
    WHERE stage = 'delayed' AND status = 'enqueued';
CREATE INDEX workflows_returning ON {schema}.workflows (queue, wake_at, id)
    WHERE status = 'enqueued' AND queue IS NOT NULL AND stage IS NULL;
CREATE INDEX workflows_queue_asleep ON {schema}.workflows (queue, wake_at)
    WHERE status = 'suspended' AND queue IS NOT NULL;
CREATE INDEX workflows_queue_running ON {schema}.workflows (queue, partition_key, owner)
    WHERE status = 'running' AND queue IS NOT NULL;
