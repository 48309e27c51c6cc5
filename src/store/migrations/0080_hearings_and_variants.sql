-- When a prompt was heard last; NULL only in rows from before this was kept. It was heard first when
-- its row was created.
ALTER TABLE menus ADD COLUMN heard_at BIGINT;
-- How often it was heard and recognised.
ALTER TABLE menus ADD COLUMN hearings BIGINT NOT NULL DEFAULT 1;
-- How often a later call went to hear it again because it was not understood well.
ALTER TABLE menus ADD COLUMN checks BIGINT NOT NULL DEFAULT 0;

-- What else was heard in a prompt's place.
CREATE TABLE variants (
    menu_id BIGINT NOT NULL REFERENCES menus (id) ON DELETE CASCADE,
    -- The order in which they are kept.
    position BIGINT NOT NULL,
    -- suspected: once, which may have been a wrong turn; at_times: now and then; former: until the
    -- number changed.
    standing TEXT NOT NULL CHECK (standing IN ('suspected', 'at_times', 'former')),
    kind TEXT NOT NULL,
    -- As in menus.
    transcripts TEXT NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    audio_file TEXT,
    first_heard_at BIGINT NOT NULL,
    last_heard_at BIGINT NOT NULL,
    PRIMARY KEY (menu_id, position)
);
