-- Ledger format 2. No secondary index: only the two uniqueness rules of the log itself.
CREATE TABLE meta (name VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);

-- `header` is what the Merkle leaf commits to; the columns before it and `command` are copies
-- for reading. `sealed` is the encrypted payload: one row is one statement and one fsync.
-- It is not hashed, so an erasure can leave it out when it writes the file anew.
CREATE TABLE event (
    seq            BIGINT PRIMARY KEY,
    event_id       VARCHAR NOT NULL UNIQUE,
    type           VARCHAR NOT NULL,
    recorded_at_us BIGINT NOT NULL,
    subject        VARCHAR NOT NULL,
    header         BLOB NOT NULL,
    leaf           BLOB NOT NULL,
    sealed         BLOB,
    command        VARCHAR
);

-- 256 consecutive hashes of one level of the tree (C2SP tlog-tiles).
CREATE TABLE tile (
    level  INTEGER NOT NULL,
    idx    BIGINT NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (level, idx)
);

-- Projection: which event names which other things. Made from the payloads, and again at need.
CREATE TABLE mention (seq BIGINT NOT NULL, type VARCHAR NOT NULL, subject VARCHAR NOT NULL);
