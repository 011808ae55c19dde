-- name: insert_approval
INSERT INTO {schema}.approvals (
    id, workflow_id, subject, details, digest, requested_at, expires_at, recipients, status, decided_by, decided_at,
    comment, via
) VALUES (
    %(approval_id)s, %(workflow_id)s, %(subject)s, %(details)s, %(digest)s, %(requested_at)s, %(expires_at)s,
    %(recipients)s, %(status)s, %(decided_by)s, %(decided_at)s, %(comment)s, %(via)s
)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: insert_link
INSERT INTO {schema}.approval_links (token_hash, approval_id, recipient, created_at)
VALUES (%(token_hash)s, %(approval_id)s, %(recipient)s, %(now)s)
ON CONFLICT (token_hash) DO NOTHING;

-- name: lock_approval
-- One decision at a time; readers are not held up.
SELECT id, workflow_id, subject, details, digest, requested_at, expires_at, recipients, status, decided_by, decided_at,
    comment, via
FROM {schema}.approvals WHERE id = %(approval_id)s
FOR NO KEY UPDATE;

-- name: decide_approval
UPDATE {schema}.approvals
SET status = %(status)s, decided_by = %(decided_by)s, decided_at = %(now)s, comment = %(comment)s, via = %(via)s
WHERE id = %(approval_id)s AND status = 'pending';

-- name: audit_line_exists
SELECT EXISTS (SELECT FROM {schema}.approval_audit WHERE write_key = %(write_key)s);

-- name: insert_audit_line
INSERT INTO {schema}.approval_audit (approval_id, at, event, actor, detail, write_key)
VALUES (%(approval_id)s, %(at)s, %(event)s, %(actor)s, %(detail)s, %(write_key)s)
ON CONFLICT (write_key) DO NOTHING;

-- name: approval
SELECT id, workflow_id, subject, details, digest, requested_at, expires_at, recipients, status, decided_by, decided_at,
    comment, via
FROM {schema}.approvals WHERE id = %(approval_id)s;

-- name: approval_by_token
SELECT a.id, a.workflow_id, a.subject, a.details, a.digest, a.requested_at, a.expires_at, a.recipients, a.status,
    a.decided_by, a.decided_at, a.comment, a.via, link.recipient
FROM {schema}.approval_links AS link
JOIN {schema}.approvals AS a ON a.id = link.approval_id
WHERE link.token_hash = %(token_hash)s;

-- name: approvals
SELECT id, workflow_id, subject, details, digest, requested_at, expires_at, recipients, status, decided_by, decided_at,
    comment, via
FROM {schema}.approvals
WHERE (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(workflow_id)s::text IS NULL OR workflow_id = %(workflow_id)s)
ORDER BY requested_at DESC, id DESC LIMIT %(limit)s;

-- name: audit
SELECT approval_id, at, event, actor, detail FROM {schema}.approval_audit
WHERE approval_id = %(approval_id)s ORDER BY seq;
