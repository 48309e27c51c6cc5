-- Numbers that are not to be called because somebody asked for that.
CREATE TABLE opt_outs (
    -- In international form without the plus, so that every way of writing it is the same number.
    number TEXT PRIMARY KEY,
    note TEXT NOT NULL,
    -- The user's name as it was, or where else the wish came from.
    added_by TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
