-- Whether a number took no notice of a key that was pressed while it spoke: from then on each key
-- waits for the end of its prompt.
ALTER TABLE numbers ADD COLUMN ignores_early_keys BOOLEAN NOT NULL DEFAULT FALSE;
