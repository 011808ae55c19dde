-- compatible: additive
-- When workflows are to be started by themselves. The row is the lock: who moves next_at on starts the tick's workflow.
CREATE TABLE {schema}.schedules (
    name text COLLATE "C" PRIMARY KEY,
    workflow text NOT NULL,
    spec text NOT NULL,
    timezone text NOT NULL,
    arguments text NOT NULL,
    digest text NOT NULL,
    overlap text NOT NULL,
    catchup double precision NOT NULL,
    jitter double precision NOT NULL,
    queue text,
    priority bigint NOT NULL,
    declared boolean NOT NULL,
    paused boolean NOT NULL,
    revision text NOT NULL,
    next_at double precision,
    last_at double precision,
    current_id text COLLATE "C",
    held_id text COLLATE "C",
    tick_id text COLLATE "C",
    started bigint NOT NULL,
    skipped bigint NOT NULL,
    missed bigint NOT NULL,
    created_at double precision NOT NULL,
    updated_at double precision NOT NULL
);
CREATE INDEX schedules_next ON {schema}.schedules (next_at) WHERE NOT paused AND next_at IS NOT NULL;
