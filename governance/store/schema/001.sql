-- Ledger format 1. No secondary index: only the two uniqueness rules of the log itself.
CREATE TABLE meta (name VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);

-- `header` is what the Merkle leaf commits to; the columns before it are copies for reading.
CREATE TABLE event (
    seq            BIGINT PRIMARY KEY,
    event_id       VARCHAR NOT NULL UNIQUE,
    type           VARCHAR NOT NULL,
    recorded_at_us BIGINT NOT NULL,
    subject        VARCHAR NOT NULL,
    header         BLOB NOT NULL,
    leaf           BLOB NOT NULL
);

-- Encrypted payloads stand apart from the events: erasure removes rows here, never there.
CREATE TABLE sealed (seq BIGINT PRIMARY KEY, box BLOB NOT NULL);

-- 256 consecutive hashes of one level of the tree (C2SP tlog-tiles).
CREATE TABLE tile (
    level  INTEGER NOT NULL,
    idx    BIGINT NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (level, idx)
);
