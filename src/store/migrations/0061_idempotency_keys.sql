-- Requests that cost money and that their clients may repeat without paying twice
-- (draft-ietf-httpapi-idempotency-key-header). Kept for a day.
CREATE TABLE idempotency_keys (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The method and the path.
    operation TEXT NOT NULL,
    -- What the client sent as its key.
    key TEXT NOT NULL,
    -- Of the request's body.
    body_sha256 TEXT NOT NULL,
    -- 'interrupted' when the service ended meanwhile: nobody knows whether it was done.
    state TEXT NOT NULL CHECK (state IN ('in_flight', 'interrupted', 'done')),
    -- What was answered.
    status BIGINT,
    content_type TEXT,
    location TEXT,
    body TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, operation, key),
    CHECK ((state = 'done') = (status IS NOT NULL))
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);
