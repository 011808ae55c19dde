-- compatible: additive
-- When workflows are to be started by themselves. The row is the lock: who moves next_at on starts the tick's workflow.
CREATE TABLE holdfast_schedules (
    name TEXT NOT NULL PRIMARY KEY,
    workflow TEXT NOT NULL,
    spec TEXT NOT NULL,
    timezone TEXT NOT NULL,
    arguments TEXT NOT NULL,
    digest TEXT NOT NULL,
    overlap TEXT NOT NULL,
    catchup REAL NOT NULL,
    jitter REAL NOT NULL,
    queue TEXT,
    priority INTEGER NOT NULL,
    declared INTEGER NOT NULL,
    paused INTEGER NOT NULL,
    revision TEXT NOT NULL,
    next_at REAL,
    last_at REAL,
    current_id TEXT,
    held_id TEXT,
    tick_id TEXT,
    started INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    missed INTEGER NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX holdfast_schedules_next ON holdfast_schedules (next_at) WHERE paused = 0 AND next_at IS NOT NULL;
