-- Softphones, and the telephone numbers that are ours.

INSERT INTO counters (name, last)
VALUES ('domains', 0), ('sip_users', 0), ('providers', 0), ('extensions', 0), ('dids', 0);

-- A SIP domain.
CREATE TABLE domains (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    domain TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- A user's place in a domain; extensions belong to it.
CREATE TABLE sip_users (
    id BIGINT PRIMARY KEY,
    user_id BIGINT NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    domain_id BIGINT NOT NULL REFERENCES domains (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX sip_users_of_domain ON sip_users (domain_id);

-- Who sells numbers; the first is asked.
CREATE TABLE providers (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE extensions (
    id BIGINT PRIMARY KEY,
    sip_user_id BIGINT NOT NULL REFERENCES sip_users (id) ON DELETE CASCADE,
    sip_username TEXT NOT NULL UNIQUE,
    -- Encrypted with the key beside the database; see store/vault.rs.
    sealed_password TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX extensions_of_sip_user ON extensions (sip_user_id);

CREATE TABLE dids (
    id BIGINT PRIMARY KEY,
    provider_id BIGINT NOT NULL REFERENCES providers (id) ON DELETE CASCADE,
    phonenumber TEXT NOT NULL UNIQUE,
    domain_id BIGINT REFERENCES domains (id) ON DELETE CASCADE,
    -- Who is called there.
    extension_id BIGINT REFERENCES extensions (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX dids_of_provider ON dids (provider_id);
CREATE INDEX dids_of_domain ON dids (domain_id);
CREATE INDEX dids_of_extension ON dids (extension_id);
