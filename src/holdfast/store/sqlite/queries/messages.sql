-- name: insert_message
INSERT INTO holdfast_messages (workflow_id, message_id, topic, body, sent_at, sender_id)
VALUES (:workflow_id, :message_id, :topic, :body, :sent_at, :sender_id)
ON CONFLICT (workflow_id, message_id) DO NOTHING;

-- name: mailbox
SELECT message_id, body FROM holdfast_messages
WHERE workflow_id = :workflow_id AND topic = :topic AND consumed_by IS NULL
ORDER BY seq LIMIT :limit;

-- name: consume_message
UPDATE holdfast_messages SET consumed_by = :step_id
WHERE workflow_id = :workflow_id AND message_id = :message_id AND consumed_by IS NULL;
