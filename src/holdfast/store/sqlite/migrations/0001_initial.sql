-- The hot table stays narrow: who owns which workflow and what is due. Payloads are in tables that are written once.
CREATE TABLE holdfast_workflows (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    owner TEXT,
    epoch INTEGER NOT NULL,
    wake_at REAL,
    crashes INTEGER NOT NULL DEFAULT 0,
    cancel_at REAL,
    claim_id TEXT,
    queue TEXT,
    priority INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
-- An enqueued workflow always has a wake_at, so that what is due is one range of the index.
CREATE INDEX holdfast_workflows_enqueued ON holdfast_workflows (wake_at, id) WHERE status = 'enqueued';
CREATE INDEX holdfast_workflows_asleep ON holdfast_workflows (wake_at) WHERE status = 'suspended' AND wake_at IS NOT NULL;
CREATE INDEX holdfast_workflows_running ON holdfast_workflows (owner) WHERE status = 'running';

CREATE TABLE holdfast_workflow_info (
    id TEXT NOT NULL PRIMARY KEY,
    version TEXT NOT NULL,
    input TEXT NOT NULL,
    input_digest TEXT NOT NULL,
    request_id TEXT NOT NULL,
    parent_id TEXT,
    created_at REAL NOT NULL,
    deadline_at REAL,
    traceparent TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX holdfast_workflow_info_created ON holdfast_workflow_info (created_at, id);
CREATE INDEX holdfast_workflow_info_parent ON holdfast_workflow_info (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE holdfast_outcomes (
    id TEXT NOT NULL PRIMARY KEY,
    status TEXT NOT NULL,
    output TEXT,
    error TEXT,
    finished_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE holdfast_reports (
    id TEXT NOT NULL PRIMARY KEY,
    report TEXT NOT NULL,
    at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- The columns in the order of the fields of holdfast.core.model.WorkflowRecord.
CREATE VIEW holdfast_records AS
SELECT i.id AS workflow_id, w.name, w.status, i.version, w.epoch, w.owner, i.parent_id, i.input, i.input_digest,
       i.request_id, i.created_at, w.wake_at, i.deadline_at, w.cancel_at, w.crashes, i.traceparent, w.queue, w.priority,
       o.output, o.error, o.finished_at, r.report
FROM holdfast_workflows AS w
JOIN holdfast_workflow_info AS i ON i.id = w.id
LEFT JOIN holdfast_outcomes AS o ON o.id = w.id
LEFT JOIN holdfast_reports AS r ON r.id = w.id;

CREATE TABLE holdfast_journal (
    workflow_id TEXT NOT NULL,
    step_id TEXT NOT NULL,
    branch TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    seq INTEGER NOT NULL,
    digest TEXT NOT NULL,
    output TEXT,
    error TEXT,
    attempts INTEGER NOT NULL,
    attempt_errors TEXT,
    started_at REAL NOT NULL,
    finished_at REAL NOT NULL,
    PRIMARY KEY (workflow_id, step_id)
) STRICT, WITHOUT ROWID;

-- SQLite has one writer at a time, so its own row numbers are in the order of commits.
CREATE TABLE holdfast_messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workflow_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    body TEXT NOT NULL,
    sent_at REAL NOT NULL,
    sender_id TEXT,
    consumed_by TEXT,
    UNIQUE (workflow_id, message_id)
) STRICT;
CREATE INDEX holdfast_messages_waiting ON holdfast_messages (workflow_id, topic, seq) WHERE consumed_by IS NULL;

CREATE TABLE holdfast_events (
    workflow_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    write_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    set_at REAL NOT NULL,
    PRIMARY KEY (workflow_id, name)
) STRICT, WITHOUT ROWID;

-- Every write that has been applied: one that is sent again after a later one must not bring its old value back.
CREATE TABLE holdfast_event_writes (
    workflow_id TEXT NOT NULL,
    write_id TEXT NOT NULL,
    PRIMARY KEY (workflow_id, write_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE holdfast_streams (
    workflow_id TEXT NOT NULL,
    stream TEXT NOT NULL,
    "offset" INTEGER NOT NULL,
    value TEXT,
    write_id TEXT NOT NULL,
    PRIMARY KEY (workflow_id, stream, "offset"),
    UNIQUE (workflow_id, write_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE holdfast_waits (
    workflow_id TEXT NOT NULL,
    target_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (workflow_id, target_id, kind, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX holdfast_waits_target ON holdfast_waits (target_id);

CREATE TABLE holdfast_workers (
    worker_id TEXT NOT NULL PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_started TEXT NOT NULL,
    started_at REAL NOT NULL,
    heartbeat_at REAL NOT NULL,
    lease_until REAL NOT NULL,
    suspect_id TEXT,
    alive INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX holdfast_workers_alive ON holdfast_workers (worker_id) WHERE alive;

CREATE TABLE holdfast_approvals (
    id TEXT NOT NULL PRIMARY KEY,
    workflow_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL,
    digest TEXT NOT NULL,
    requested_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    recipients TEXT NOT NULL,
    status TEXT NOT NULL,
    decided_by TEXT,
    decided_at REAL,
    comment TEXT,
    via TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX holdfast_approvals_requested ON holdfast_approvals (requested_at, id);
CREATE INDEX holdfast_approvals_workflow ON holdfast_approvals (workflow_id);

CREATE TABLE holdfast_approval_links (
    token_hash TEXT NOT NULL PRIMARY KEY,
    approval_id TEXT NOT NULL,
    recipient TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE holdfast_approval_audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    approval_id TEXT NOT NULL,
    at REAL NOT NULL,
    event TEXT NOT NULL,
    actor TEXT,
    detail TEXT NOT NULL,
    -- Names the request that wrote the line: sent twice, it is one line.
    write_key TEXT NOT NULL UNIQUE
) STRICT;
CREATE INDEX holdfast_approval_audit_approval ON holdfast_approval_audit (approval_id, seq);
CREATE TRIGGER holdfast_approval_audit_no_update BEFORE UPDATE ON holdfast_approval_audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail of approvals is append-only');
END;
CREATE TRIGGER holdfast_approval_audit_no_delete BEFORE DELETE ON holdfast_approval_audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail of approvals is append-only');
END;
-- INSERT OR REPLACE removes rows without asking the trigger above.
CREATE TRIGGER holdfast_approval_audit_no_replace BEFORE INSERT ON holdfast_approval_audit
WHEN EXISTS (SELECT 1 FROM holdfast_approval_audit WHERE seq = NEW.seq OR write_key = NEW.write_key)
BEGIN
    SELECT RAISE(IGNORE);
END;

-- Counts the commits of all processes, so that each can tell those of the others from its own.
CREATE TABLE holdfast_commits (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    count INTEGER NOT NULL
) STRICT;
INSERT INTO holdfast_commits (one, count) VALUES (1, 0);
