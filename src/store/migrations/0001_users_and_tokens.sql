-- One dialect for SQLite and PostgreSQL: BIGINT for numbers and for times (microseconds since
-- 1970-01-01T00:00:00Z), BOOLEAN with TRUE and FALSE, TEXT, DOUBLE PRECISION, partial indexes.

-- Ids that clients see come from here and are never given twice, not even after a deletion;
-- neither database's own automatic ids work in the other.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    last BIGINT NOT NULL
);
INSERT INTO counters (name, last)
VALUES ('users', 0), ('tokens', 0), ('numbers', 0), ('scans', 0), ('menus', 0), ('calls', 0);

CREATE TABLE users (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    is_admin BOOLEAN NOT NULL,
    -- An inactive user keeps rows and tokens, but is refused.
    is_active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

-- A token is shown once, when it is made. It has 160 random bits, so that a plain SHA-256 of it
-- cannot be turned back, and needs no salt.
CREATE TABLE tokens (
    id BIGINT PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    -- To the minute.
    last_used_at BIGINT
);
CREATE INDEX tokens_of_user ON tokens (user_id);
