-- compatible: additive
-- What a workflow says of itself, to be found by. Values are JSON texts.
CREATE TABLE holdfast_attributes (
    workflow_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (workflow_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX holdfast_attributes_value ON holdfast_attributes (name, value);

-- Which workflow a fork was made from.
CREATE TABLE holdfast_lineage (
    workflow_id TEXT NOT NULL PRIMARY KEY,
    forked_from TEXT NOT NULL,
    forked_step TEXT,
    forked_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX holdfast_lineage_origin ON holdfast_lineage (forked_from, forked_at);

-- Work of which one worker at a time takes care, until then.
CREATE TABLE holdfast_duties (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- What ended how, in the order of time: for lists of failures, and to find what is old enough to be deleted.
CREATE INDEX holdfast_outcomes_ended ON holdfast_outcomes (status, finished_at, id);
