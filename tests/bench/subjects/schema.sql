-- The store of every alternative that keeps notifications in SQLite: what upgrade-receiver's promises
-- take at least, with no index that nobody reads. A connection also sets synchronous = FULL, since WAL
-- alone would lose the last commits when the power goes.
PRAGMA journal_mode = WAL;

-- As long a log as upgrade-receiver's, for a connection that reads this: a tenth more requests a second than
-- with SQLite's 1,000 pages, for Node.js, since pages that change again and again are copied less often.
PRAGMA wal_autocheckpoint = 8192;

-- A body that came before raises its deliveries. Led by the operation, the inserts of a running campaign
-- stay in few pages of the index.
CREATE TABLE IF NOT EXISTS notifications (
    seq INTEGER PRIMARY KEY,
    receivedAt INTEGER NOT NULL, -- milliseconds since 1970
    notifyType TEXT NOT NULL,
    appId TEXT NOT NULL,
    deviceId TEXT NOT NULL,
    operationId TEXT NOT NULL,
    subOperationId TEXT NOT NULL,
    body TEXT NOT NULL,
    hash BLOB NOT NULL, -- the first 16 bytes of the body's SHA-256
    deliveries INTEGER NOT NULL DEFAULT 1,
    UNIQUE (operationId, hash)
);

CREATE TABLE IF NOT EXISTS upgrades (
    appId TEXT NOT NULL,
    operationId TEXT NOT NULL,
    subOperationId TEXT NOT NULL,
    deviceId TEXT NOT NULL,
    state TEXT NOT NULL, -- IN_PROGRESS, SUCCESS or FAIL: a result beats any state change
    seq INTEGER NOT NULL,
    PRIMARY KEY (appId, operationId, subOperationId, deviceId)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS counters (
    appId TEXT NOT NULL,
    operationId TEXT NOT NULL,
    state TEXT NOT NULL,
    upgrades INTEGER NOT NULL,
    PRIMARY KEY (appId, operationId, state)
) WITHOUT ROWID;
