-- compatible: additive
-- What a workflow says of itself, to be found by. Values are JSON texts.
CREATE TABLE {schema}.attributes (
    workflow_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (workflow_id, name)
);
CREATE INDEX attributes_value ON {schema}.attributes (name, value);

-- Which workflow a fork was made from.
CREATE TABLE {schema}.lineage (
    workflow_id text COLLATE "C" PRIMARY KEY,
    forked_from text COLLATE "C" NOT NULL,
    forked_step text,
    forked_at double precision NOT NULL
);
CREATE INDEX lineage_origin ON {schema}.lineage (forked_from, forked_at);

-- Work of which one worker at a time takes care, until then.
CREATE TABLE {schema}.duties (
    name text COLLATE "C" PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    until double precision NOT NULL
);

-- What ended how, in the order of time: for lists of failures, and to find what is old enough to be deleted.
CREATE INDEX outcomes_ended ON {schema}.outcomes (status, finished_at, id);
