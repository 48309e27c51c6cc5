-- A prompt of a scan's tree.
CREATE TABLE menus (
    id BIGINT PRIMARY KEY,
    scan_id BIGINT NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    -- The number of the prompt within the scan, from 0 without holes.
    no BIGINT NOT NULL,
    kind TEXT NOT NULL,
    -- What was heard: JSON, a list of {"words": [{text, start_ms, end_ms, confidence}], confidence}.
    -- NULL in rows taken over from an older service, which have the two columns after it instead,
    -- kept as they were.
    transcripts TEXT,
    old_text TEXT,
    old_debug TEXT,
    -- Where the prompt begins and ends on the clock of the call in which it was heard.
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    audio_file TEXT,
    -- True when it is known of each of its keys where it leads.
    completed BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (scan_id, no)
);

-- An option of a menu and what is known of its key; or a key that was tried without having been
-- offered.
CREATE TABLE keys (
    menu_id BIGINT NOT NULL REFERENCES menus (id) ON DELETE CASCADE,
    -- The order in which the options were said.
    position BIGINT NOT NULL,
    -- NULL only in rows taken over from an older service.
    keys TEXT,
    offered BOOLEAN NOT NULL,
    label TEXT NOT NULL,
    -- NULL only in rows taken over from an older service.
    said TEXT,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    confidence DOUBLE PRECISION NOT NULL,
    -- NULL: unexplored.
    edge TEXT CHECK (edge IN ('tried', 'child', 'link', 'dead')),
    -- With 'tried': how often.
    tried BIGINT,
    -- With 'child' and 'link': the number of a prompt of the same scan.
    target_no BIGINT,
    -- With 'dead': why.
    dead_end TEXT,
    PRIMARY KEY (menu_id, position),
    CHECK ((edge = 'tried') = (tried IS NOT NULL) OR edge IS NULL AND tried IS NULL),
    CHECK ((edge IN ('child', 'link')) = (target_no IS NOT NULL)
        OR edge IS NULL AND target_no IS NULL),
    CHECK ((edge = 'dead') = (dead_end IS NOT NULL) OR edge IS NULL AND dead_end IS NULL)
);
