-- name: insert_approval
INSERT INTO holdfast_approvals (
    id, workflow_id, subject, details, digest, requested_at, expires_at, recipients, status, decided_by, decided_at,
    comment, via
) VALUES (
    :approval_id, :workflow_id, :subject, :details, :digest, :requested_at, :expires_at,
    :recipients, :status, :decided_by, :decided_at, :comment, :via
)
ON CONFLICT (id) DO NOTHING;

-- name: insert_link
INSERT INTO holdfast_approval_links (token_hash, approval_id, recipient, created_at)
VALUES (:token_hash, :approval_id, :recipient, :now)
ON CONFLICT (token_hash) DO NOTHING;

-- name: decide_approval
UPDATE holdfast_approvals
SET status = :status, decided_by = :decided_by, decided_at = :now, comment = :comment, via = :via
WHERE id = :approval_id AND status = 'pending';

-- name: audit_line_exists
SELECT EXISTS (SELECT 1 FROM holdfast_approval_audit WHERE write_key = :write_key);

-- name: insert_audit_line
INSERT INTO holdfast_approval_audit (approval_id, at, event, actor, detail, write_key)
VALUES (:approval_id, :at, :event, :actor, :detail, :write_key)
ON CONFLICT (write_key) DO NOTHING;

-- name: approval
SELECT id, workflow_id, subject, details, digest, requested_at, expires_at, recipients, status, decided_by, decided_at,
       comment, via
FROM holdfast_approvals WHERE id = :approval_id;

-- name: approval_by_token
SELECT a.id, a.workflow_id, a.subject, a.details, a.digest, a.requested_at, a.expires_at, a.recipients, a.status,
       a.decided_by, a.decided_at, a.comment, a.via, link.recipient
FROM holdfast_approval_links AS link
JOIN holdfast_approvals AS a ON a.id = link.approval_id
WHERE link.token_hash = :token_hash;

-- name: approvals
SELECT id, workflow_id, subject, details, digest, requested_at, expires_at, recipients, status, decided_by, decided_at,
       comment, via
FROM holdfast_approvals
WHERE (:status IS NULL OR status = :status) AND (:workflow_id IS NULL OR workflow_id = :workflow_id)
ORDER BY requested_at DESC, id DESC LIMIT :limit;

-- name: audit
SELECT approval_id, at, event, actor, detail FROM holdfast_approval_audit
WHERE approval_id = :approval_id ORDER BY seq;
