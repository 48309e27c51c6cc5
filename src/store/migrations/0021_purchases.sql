-- Numbers that were bought, or may have been: written before the carrier is asked.

INSERT INTO counters (name, last) VALUES ('purchases', 0);

CREATE TABLE purchases (
    id BIGINT PRIMARY KEY,
    number TEXT NOT NULL,
    -- The extension that is to be called there.
    extension_id BIGINT NOT NULL,
    asked_by BIGINT REFERENCES users (id) ON DELETE SET NULL,
    -- 'buying' until it is known whether the carrier sold it; 'bought' until it stands among our
    -- numbers.
    state TEXT NOT NULL CHECK (state IN ('buying', 'bought', 'saved', 'refused')),
    routed BOOLEAN NOT NULL,
    reason TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX purchases_open ON purchases (id)
    WHERE state IN ('buying', 'bought') OR state = 'saved' AND NOT routed;
-- One purchase of a number at a time.
CREATE UNIQUE INDEX purchases_one_at_a_time ON purchases (number)
    WHERE state IN ('buying', 'bought');
