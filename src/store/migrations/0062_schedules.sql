-- Numbers that are scanned again and again.

INSERT INTO counters (name, last) VALUES ('schedules', 0);

CREATE TABLE schedules (
    id BIGINT PRIMARY KEY,
    -- As it is dialled.
    number TEXT NOT NULL UNIQUE,
    -- Either so many seconds after each other, or once a day at this minute of the day by the clocks
    -- of this zone.
    every_s BIGINT,
    at_minute BIGINT CHECK (at_minute BETWEEN 0 AND 1439),
    time_zone TEXT,
    caller_id TEXT,
    -- Who is told when the menu changed.
    callback_url TEXT,
    asked_by BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- NULL while it is switched off.
    next_at BIGINT,
    -- The scan that was begun last, until its menu has been compared.
    scan_id BIGINT REFERENCES scans (id) ON DELETE SET NULL,
    -- The scan that was compared last.
    compared_scan_id BIGINT REFERENCES scans (id) ON DELETE SET NULL,
    -- When a comparison last found a change.
    changed_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CHECK ((every_s IS NULL) <> (at_minute IS NULL)),
    CHECK ((at_minute IS NULL) = (time_zone IS NULL))
);
CREATE INDEX schedules_due ON schedules (next_at, id) WHERE next_at IS NOT NULL;
CREATE INDEX schedules_open ON schedules (scan_id) WHERE scan_id IS NOT NULL;
CREATE INDEX schedules_compared ON schedules (compared_scan_id) WHERE compared_scan_id IS NOT NULL;
CREATE INDEX schedules_of_user ON schedules (asked_by);
CREATE INDEX schedules_by_time ON schedules (created_at, id);
