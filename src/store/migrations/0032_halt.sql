-- Whether an operator has stopped all calls; one row, so that a restart does not forget it.
CREATE TABLE halt (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    stopped BOOLEAN NOT NULL,
    -- Who changed it last, and when.
    changed_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
INSERT INTO halt (id, stopped, changed_by, changed_at) VALUES (1, FALSE, '', 0);
