-- What a person needs to log in, and what they are logged in with.

ALTER TABLE users ADD COLUMN email TEXT NOT NULL DEFAULT '';
-- A hash with its parameters; NULL for a user who only has tokens.
ALTER TABLE users ADD COLUMN password TEXT;

CREATE TABLE sessions (
    -- Of the cookie's value, which has 256 random bits.
    sha256 TEXT PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- What a form of this session must carry, so that no other site can send it.
    csrf TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);
