-- compatible: from 4
-- An older library would let in from queues without regard to their limits.
CREATE TABLE holdfast_queues (
    name TEXT NOT NULL PRIMARY KEY,
    concurrency INTEGER,
    worker_concurrency INTEGER,
    rate_limit INTEGER,
    rate_period REAL,
    partition_concurrency INTEGER,
    partition_rate_limit INTEGER,
    partition_rate_period REAL,
    hold_while_suspended INTEGER NOT NULL,
    -- A workflow that ends may let another one start.
    is_limited INTEGER NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    -- The partition that was let in last: the next one's turn comes after it.
    turn TEXT,
    -- When that was: the queue that has waited longest comes first.
    let_in_at REAL NOT NULL DEFAULT 0,
    -- The limits as they were declared last, to tell a new declaration from one that was changed since.
    declared TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What started within the periods of its queue's rates; older ones are deleted.
CREATE TABLE holdfast_queue_starts (
    queue TEXT NOT NULL,
    at REAL NOT NULL,
    workflow_id TEXT NOT NULL,
    partition_key TEXT NOT NULL,
    PRIMARY KEY (queue, at, workflow_id)
) STRICT, WITHOUT ROWID;

-- The workflow that was created last with a key. Whether it still counts, its status tells.
CREATE TABLE holdfast_queue_keys (
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    workflow_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    requested_at REAL NOT NULL,
    until REAL,
    PRIMARY KEY (queue, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX holdfast_queue_keys_workflow ON holdfast_queue_keys (workflow_id);

ALTER TABLE holdfast_workflows ADD COLUMN partition_key TEXT NOT NULL DEFAULT '';
-- Of a workflow in a queue that has not begun: 'line', or 'delayed' until its time comes. NULL once it has begun.
ALTER TABLE holdfast_workflows ADD COLUMN stage TEXT;

-- What is in a queue has indexes of its own, so that a long line is nothing that a claim of other workflows must pass.
DROP INDEX holdfast_workflows_enqueued;
CREATE INDEX holdfast_workflows_enqueued ON holdfast_workflows (wake_at, id)
    WHERE status = 'enqueued' AND queue IS NULL;
DROP INDEX holdfast_workflows_asleep;
CREATE INDEX holdfast_workflows_asleep ON holdfast_workflows (wake_at)
    WHERE status = 'suspended' AND wake_at IS NOT NULL AND queue IS NULL;
CREATE INDEX holdfast_workflows_line ON holdfast_workflows (queue, partition_key, priority, wake_at, id)
    WHERE stage = 'line' AND status = 'enqueued';
CREATE INDEX holdfast_workflows_delayed ON holdfast_workflows (queue, wake_at)
    WHERE stage = 'delayed' AND status = 'enqueued';
CREATE INDEX holdfast_workflows_returning ON holdfast_workflows (queue, wake_at, id)
    WHERE status = 'enqueued' AND queue IS NOT NULL AND stage IS NULL;
CREATE INDEX holdfast_workflows_queue_asleep ON holdfast_workflows (queue, wake_at)
    WHERE status = 'suspended' AND queue IS NOT NULL;
CREATE INDEX holdfast_workflows_queue_running ON holdfast_workflows (queue, partition_key, owner)
    WHERE status = 'running' AND queue IS NOT NULL;
