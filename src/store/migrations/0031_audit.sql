-- Every call that was placed or refused, written before the INVITE leaves. Lines are added and never
-- changed, so that names stand here as they were and nothing refers to rows that may go.

INSERT INTO counters (name, last) VALUES ('audit', 0);

CREATE TABLE audit (
    id BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    -- NULL when a request was refused before a call was made of it.
    call_uuid TEXT,
    -- As it was asked for, and in international form without the plus if it is a number.
    number TEXT NOT NULL,
    e164 TEXT,
    caller_id TEXT,
    -- Who asked; a scan's later calls are placed for who asked for the scan.
    asked_by BIGINT,
    asked_name TEXT,
    purpose TEXT NOT NULL CHECK (purpose IN ('call', 'crawl', 'retry')),
    scan_id BIGINT,
    verdict TEXT NOT NULL CHECK (verdict IN ('placed', 'refused', 'put_off')),
    rule TEXT,
    reason TEXT,
    -- The most begun minutes that a placed call may take.
    minutes BIGINT NOT NULL,
    CHECK ((verdict = 'placed') = (rule IS NULL))
);
CREATE INDEX audit_of_number ON audit (e164, id);
CREATE INDEX audit_as_written ON audit (number, id);
CREATE INDEX audit_of_call ON audit (call_uuid);
CREATE INDEX audit_placed ON audit (at) WHERE verdict = 'placed';
CREATE INDEX audit_placed_to ON audit (e164, at) WHERE verdict = 'placed';
