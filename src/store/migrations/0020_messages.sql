-- Text messages, and the webhooks that tell of those that came in.

INSERT INTO counters (name, last) VALUES ('sms', 0), ('incoming_sms', 0), ('deliveries', 0);

-- A message to be sent. The rows with a next_at are the outbox.
CREATE TABLE sms (
    id BIGINT PRIMARY KEY,
    sms_to TEXT NOT NULL,
    body TEXT NOT NULL,
    callback_url TEXT,
    asked_by BIGINT REFERENCES users (id) ON DELETE SET NULL,
    -- 'sending' from before the carrier hears of it until its answer is on disk; 'unknown' when it
    -- may have heard of it, and no answer says so.
    state TEXT NOT NULL CHECK (state IN
        ('queued', 'sending', 'sent', 'delivered', 'undelivered', 'failed', 'unknown')),
    reason TEXT,
    -- The carrier's id. Not unique: an older service gave some twice.
    provider_id TEXT,
    attempts BIGINT NOT NULL,
    -- When it is to be sent or, if 'unknown', looked up.
    next_at BIGINT,
    -- Not sent any more after this.
    give_up_at BIGINT NOT NULL,
    -- When the latest attempt began.
    attempted_at BIGINT,
    -- Looked up so often without being found.
    lookups BIGINT NOT NULL,
    -- What the latest receipt said; the code is 0 when none came.
    dlr_code BIGINT NOT NULL,
    dlr_status TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CHECK ((state IN ('queued', 'unknown')) OR next_at IS NULL)
);
CREATE INDEX sms_outbox ON sms (next_at, id) WHERE next_at IS NOT NULL;
CREATE INDEX sms_in_flight ON sms (id) WHERE state = 'sending';
CREATE INDEX sms_by_receiver ON sms (sms_to, id);
CREATE INDEX sms_by_provider_id ON sms (provider_id, id);

CREATE TABLE incoming_sms (
    id BIGINT PRIMARY KEY,
    provider_id TEXT,
    sms_from TEXT NOT NULL,
    sms_to TEXT NOT NULL,
    body TEXT NOT NULL,
    -- Addresses of pictures: a JSON list.
    media TEXT,
    -- The message that this seems to answer: the newest that was sent to sms_from.
    sms_id BIGINT REFERENCES sms (id) ON DELETE SET NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- A webhook to be sent. The rows with a next_at are the spool.
CREATE TABLE deliveries (
    id BIGINT PRIMARY KEY,
    -- Told to the receiver, who may get the same delivery twice.
    uuid TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'failed')),
    attempts BIGINT NOT NULL,
    next_at BIGINT,
    give_up_at BIGINT NOT NULL,
    -- What came of the latest attempt.
    status BIGINT,
    error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CHECK ((state = 'pending') = (next_at IS NOT NULL))
);
CREATE INDEX deliveries_spool ON deliveries (next_at, id) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_over ON deliveries (updated_at) WHERE next_at IS NULL;
