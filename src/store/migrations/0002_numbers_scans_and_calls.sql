-- A number that was ever asked for, exactly as it was written.
CREATE TABLE numbers (
    id BIGINT PRIMARY KEY,
    -- NULL only in rows taken over from an older service.
    number TEXT,
    -- An older service may hold a number twice. Both rows are kept for their scans; all but one
    -- point to the one that is used.
    duplicate_of BIGINT REFERENCES numbers (id),
    business_name TEXT,
    -- Whether calls are placed without being asked for, until the scan is complete.
    retry_auto BOOLEAN NOT NULL,
    -- So many calls in a row without news end a scan.
    max_attempt BIGINT NOT NULL,
    -- Calls placed.
    attempt BIGINT NOT NULL,
    calls_without_news BIGINT NOT NULL,
    completed BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX numbers_in_use ON numbers (number) WHERE duplicate_of IS NULL;
CREATE INDEX numbers_by_number ON numbers (number);

-- One crawl of a number, in as many calls as it takes; it owns one tree. The rows with a
-- next_call_at are the queue of calls to be placed.
CREATE TABLE scans (
    id BIGINT PRIMARY KEY,
    number_id BIGINT NOT NULL REFERENCES numbers (id) ON DELETE CASCADE,
    -- 0 pending, 1 calling, 2 answered, 3 processed, 4 success, 5 failed.
    status BIGINT NOT NULL CHECK (status BETWEEN 0 AND 5),
    -- The number's attempt when the scan's latest call was placed.
    attempt BIGINT NOT NULL,
    -- True when nothing is left to explore.
    completed BOOLEAN NOT NULL,
    -- Why it ended, or why its latest call brought no news.
    reason TEXT,
    caller_id TEXT,
    asked_by BIGINT REFERENCES users (id) ON DELETE SET NULL,
    -- The call that waits or runs; it also fences: who holds a lease knows it, and another lease
    -- gets another one.
    call_uuid TEXT UNIQUE,
    -- When the next call is due; NULL when none is. Kept during the call, so that a crash leaves
    -- the row in the queue.
    next_call_at BIGINT,
    -- Who places the call now, and until when this is believed.
    lease_owner TEXT,
    lease_until BIGINT,
    -- NULL only in rows taken over from an older service.
    created_at BIGINT,
    updated_at BIGINT,
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
);
CREATE INDEX scans_of_number ON scans (number_id, id);
CREATE INDEX scans_queue ON scans (next_call_at, id) WHERE next_call_at IS NOT NULL;
-- One call per number at a time, whoever places it.
CREATE UNIQUE INDEX scans_one_call_per_number ON scans (number_id) WHERE lease_owner IS NOT NULL;

-- Every call that was placed, for a scan or otherwise.
CREATE TABLE calls (
    id BIGINT PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    scan_id BIGINT REFERENCES scans (id) ON DELETE SET NULL,
    number TEXT NOT NULL,
    caller_id TEXT,
    asked_by BIGINT REFERENCES users (id) ON DELETE SET NULL,
    state TEXT NOT NULL
        CHECK (state IN ('dialling', 'ringing', 'answered', 'ended', 'failed', 'aborted')),
    started_at BIGINT NOT NULL,
    answered_at BIGINT,
    ended_at BIGINT,
    sip_status BIGINT,
    reason TEXT,
    -- From the answer to the end.
    seconds DOUBLE PRECISION,
    -- Relative to the data directory.
    recording TEXT
);
CREATE INDEX calls_of_scan ON calls (scan_id, id);
CREATE INDEX calls_by_number ON calls (number, id);
CREATE INDEX calls_in_flight ON calls (id) WHERE ended_at IS NULL;
