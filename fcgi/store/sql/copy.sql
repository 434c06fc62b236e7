-- What a copy of shared books has beside the tables of a store (follow.h): how far it has followed the log, and an
-- index for bodies that leave quarantine.
CREATE TABLE IF NOT EXISTS position (
    one INTEGER PRIMARY KEY,
    generation TEXT NOT NULL,
    life TEXT NOT NULL,
    program TEXT NOT NULL,
    number INTEGER NOT NULL,
    life_number INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS quarantined_received ON quarantined (received_at);
