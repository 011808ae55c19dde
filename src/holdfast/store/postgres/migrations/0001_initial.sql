-- Every table lives in Holdfast's own schema, so none carries the prefix that it has on SQLite.
-- Ids compare by bytes (COLLATE "C"): faster, and the same order on every server.

-- The hot table stays narrow: who owns which workflow and what is due. Its payloads are in tables written once.
CREATE TABLE {schema}.workflows (
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    status text NOT NULL,
    owner text COLLATE "C",
    epoch integer NOT NULL,
    wake_at double precision,
    crashes integer NOT NULL DEFAULT 0,
    cancel_at double precision,
    claim_id text COLLATE "C",
    queue text,
    priority integer NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX workflows_enqueued ON {schema}.workflows (wake_at, id) WHERE status = 'enqueued';
CREATE INDEX workflows_asleep ON {schema}.workflows (wake_at) WHERE status = 'suspended' AND wake_at IS NOT NULL;
CREATE INDEX workflows_running ON {schema}.workflows (owner) WHERE status = 'running';

CREATE TABLE {schema}.workflow_info (
    id text COLLATE "C" PRIMARY KEY,
    version text NOT NULL,
    input text NOT NULL,
    input_digest text NOT NULL,
    request_id text NOT NULL,
    parent_id text COLLATE "C",
    created_at double precision NOT NULL,
    deadline_at double precision,
    traceparent text
);
CREATE INDEX workflow_info_created ON {schema}.workflow_info (created_at, id);
CREATE INDEX workflow_info_parent ON {schema}.workflow_info (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE {schema}.outcomes (
    id text COLLATE "C" PRIMARY KEY,
    status text NOT NULL,
    output text,
    error text,
    finished_at double precision NOT NULL
);

CREATE TABLE {schema}.reports (
    id text COLLATE "C" PRIMARY KEY,
    report text NOT NULL,
    at double precision NOT NULL
);

-- The columns in the order of the fields of holdfast.core.model.WorkflowRecord.
CREATE VIEW {schema}.records AS
SELECT w.id AS workflow_id, w.name, w.status, i.version, w.epoch, w.owner, i.parent_id, i.input, i.input_digest,
       i.request_id, i.created_at, w.wake_at, i.deadline_at, w.cancel_at, w.crashes, i.traceparent, w.queue, w.priority,
       o.output, o.error, o.finished_at, r.report
FROM {schema}.workflows AS w
JOIN {schema}.workflow_info AS i ON i.id = w.id
LEFT JOIN {schema}.outcomes AS o ON o.id = w.id
LEFT JOIN {schema}.reports AS r ON r.id = w.id;

CREATE TABLE {schema}.journal (
    workflow_id text COLLATE "C" NOT NULL,
    step_id text COLLATE "C" NOT NULL,
    branch text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    seq integer NOT NULL,
    digest text NOT NULL,
    output text,
    error text,
    attempts integer NOT NULL,
    attempt_errors text,
    started_at double precision NOT NULL,
    finished_at double precision NOT NULL,
    PRIMARY KEY (workflow_id, step_id)
);

CREATE TABLE {schema}.messages (
    workflow_id text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    body text NOT NULL,
    sent_at double precision NOT NULL,
    sender_id text,
    consumed_by text,
    PRIMARY KEY (workflow_id, message_id)
);
-- The next number of a topic is one more than its highest, consumed messages included.
CREATE UNIQUE INDEX messages_order ON {schema}.messages (workflow_id, topic, seq);
CREATE INDEX messages_waiting ON {schema}.messages (workflow_id, topic, seq) WHERE consumed_by IS NULL;

CREATE TABLE {schema}.events (
    workflow_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text NOT NULL,
    write_id text NOT NULL,
    version integer NOT NULL,
    set_at double precision NOT NULL,
    PRIMARY KEY (workflow_id, name)
);

-- Every write that has been applied: one that is sent again after a later one must not bring its old value back.
CREATE TABLE {schema}.event_writes (
    workflow_id text COLLATE "C" NOT NULL,
    write_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (workflow_id, write_id)
);

CREATE TABLE {schema}.streams (
    workflow_id text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    "offset" bigint NOT NULL,
    value text,
    write_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (workflow_id, stream, "offset"),
    UNIQUE (workflow_id, write_id)
);

CREATE TABLE {schema}.waits (
    workflow_id text COLLATE "C" NOT NULL,
    target_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (workflow_id, target_id, kind, name)
);
CREATE INDEX waits_target ON {schema}.waits (target_id);

CREATE TABLE {schema}.workers (
    worker_id text COLLATE "C" PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    process_started text NOT NULL,
    started_at double precision NOT NULL,
    heartbeat_at double precision NOT NULL,
    lease_until double precision NOT NULL,
    suspect_id text,
    alive boolean NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX workers_alive ON {schema}.workers (worker_id) WHERE alive;
CREATE INDEX workers_suspect ON {schema}.workers (suspect_id) WHERE suspect_id IS NOT NULL;

CREATE TABLE {schema}.approvals (
    id text COLLATE "C" PRIMARY KEY,
    workflow_id text COLLATE "C" NOT NULL,
    subject text NOT NULL,
    details text NOT NULL,
    digest text NOT NULL,
    requested_at double precision NOT NULL,
    expires_at double precision NOT NULL,
    recipients text NOT NULL,
    status text NOT NULL,
    decided_by text,
    decided_at double precision,
    comment text,
    via text
);
CREATE INDEX approvals_requested ON {schema}.approvals (requested_at, id);
CREATE INDEX approvals_workflow ON {schema}.approvals (workflow_id);

CREATE TABLE {schema}.approval_links (
    token_hash text COLLATE "C" PRIMARY KEY,
    approval_id text COLLATE "C" NOT NULL,
    recipient text NOT NULL,
    created_at double precision NOT NULL
);
CREATE INDEX approval_links_approval ON {schema}.approval_links (approval_id);

CREATE TABLE {schema}.approval_audit (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    approval_id text COLLATE "C" NOT NULL,
    at double precision NOT NULL,
    event text NOT NULL,
    actor text,
    detail text NOT NULL,
    -- Names the request that wrote the line: sent twice, it is one line.
    write_key text COLLATE "C" NOT NULL UNIQUE
);
CREATE INDEX approval_audit_approval ON {schema}.approval_audit (approval_id, seq);

CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail of approvals is append-only';
END
$$;
CREATE TRIGGER approval_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.approval_audit
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();
