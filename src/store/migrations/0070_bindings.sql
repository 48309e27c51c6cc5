-- Where registered phones can be reached, so that a restart does not lose them. Written after the
-- fact: the registrar answers from memory.

CREATE TABLE bindings (
    -- The address of record, as the registrar names it.
    record TEXT NOT NULL,
    -- The bindings of one record, counted from 0.
    position BIGINT NOT NULL,
    contact TEXT NOT NULL,
    -- Address and port from which the REGISTER came, and over what.
    source TEXT NOT NULL,
    transport TEXT NOT NULL,
    q_thousandths BIGINT NOT NULL,
    -- Values of Path, one a line.
    path TEXT NOT NULL,
    -- The phone and its flow (RFC 5626); NULL for a phone that names none.
    instance TEXT,
    reg_id BIGINT,
    call_id TEXT NOT NULL,
    cseq BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (record, position)
);
CREATE INDEX bindings_by_end ON bindings (expires_at);
