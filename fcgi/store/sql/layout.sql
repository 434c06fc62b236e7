-- The tables of the store, and the views that people read.
--
-- Tables grow at their end; the indexes of a running campaign are touched in few pages, because they are led by
-- the operation. `device`, `sub_operation` and `content` are keyed 32-bit hashes: they find candidates, and the text
-- decides (put.c). An upgrade has the ids that it is found by; everything else a sender said is in the body
-- alone, and the views take it out of there. Rows are counted one by one where GROUP BY would sort them all, in memory.
--
-- The first release is to keep this file as it is. A change after that takes STORE_VERSION one further and a file of
-- its own, which store_layout_make runs on a store of the version before, in the transaction that sets user_version;
-- a new store runs all files in turn. Test it with a store that the earlier release wrote.

CREATE TABLE notification (
    seq INTEGER PRIMARY KEY,       -- in commit order
    received_at INTEGER NOT NULL,  -- ms since 1970
    operation INTEGER NOT NULL,    -- operation.id; 0: none
    device INTEGER NOT NULL,       -- hash of deviceId
    content INTEGER NOT NULL,      -- hash of the content
    deliveries INTEGER NOT NULL DEFAULT 1,
    body TEXT NOT NULL             -- as received
);

-- One tree finds what a notification repeats and the upgrade that it is of: where it goes is by hash, so a random
-- page. An upgrade's entries stand together, so that those of another one with the same hashes are passed over in
-- one step.
CREATE TABLE lookup (
    operation INTEGER NOT NULL,
    device INTEGER NOT NULL,
    sub_operation INTEGER NOT NULL,  -- hash of subOperationId; 0 without an upgrade
    upgrade INTEGER NOT NULL,        -- 0: none
    content INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (operation, device, sub_operation, upgrade, content, seq)
) WITHOUT ROWID;

CREATE TABLE operation (
    id INTEGER PRIMARY KEY,
    app_id TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    in_progress INTEGER NOT NULL DEFAULT 0,  -- upgrades by state
    success INTEGER NOT NULL DEFAULT 0,
    fail INTEGER NOT NULL DEFAULT 0,
    contradictory INTEGER NOT NULL DEFAULT 0,
    first_at INTEGER NOT NULL,               -- of its first and its last notification
    last_at INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    pruned INTEGER NOT NULL DEFAULT 0,
    timeline_width INTEGER NOT NULL DEFAULT 1000,  -- ms
    UNIQUE (app_id, operation_id)
);
CREATE INDEX operation_latest ON operation (last_seq);
CREATE INDEX operation_name ON operation (operation_id);

CREATE TABLE upgrade (
    id INTEGER PRIMARY KEY,
    operation INTEGER NOT NULL,
    device INTEGER NOT NULL,         -- hash of deviceId
    sub_operation INTEGER NOT NULL,  -- hash of subOperationId
    device_id TEXT NOT NULL,
    sub_operation_id TEXT NOT NULL,
    state INTEGER NOT NULL,          -- 0 in progress, 1 SUCCESS, 2 FAIL
    contradictory INTEGER NOT NULL,
    seq INTEGER NOT NULL,            -- of the notification that the state comes from
    step_seq INTEGER,                -- of the last state change
    error_code TEXT,                 -- of a FAIL, as it was counted
    began_at INTEGER NOT NULL DEFAULT 0  -- the earliest time at which one of it was received
);
CREATE INDEX upgrade_in_progress ON upgrade (operation, began_at) WHERE state = 0;
CREATE INDEX upgrade_success ON upgrade (operation) WHERE state = 1;
CREATE INDEX upgrade_fail ON upgrade (operation) WHERE state = 2;
-- By code first: it leads to the operations that have failures with it, too.
CREATE INDEX upgrade_fail_code ON upgrade (error_code, operation) WHERE state = 2;
CREATE INDEX upgrade_contradictory ON upgrade (operation) WHERE contradictory = 1;

CREATE TABLE failure (
    operation INTEGER NOT NULL,
    error_code TEXT NOT NULL,   -- '': none
    count INTEGER NOT NULL,     -- upgrades that are FAIL with it now
    first_at INTEGER NOT NULL,  -- first and last result that said so
    last_at INTEGER NOT NULL,
    example TEXT NOT NULL,      -- a description that came with it
    PRIMARY KEY (operation, error_code)
) WITHOUT ROWID;
CREATE INDEX failure_count ON failure (operation, count);

-- Upgrades that have ended, by the versions of their results.
CREATE TABLE transition (
    operation INTEGER NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    success INTEGER NOT NULL,
    fail INTEGER NOT NULL,
    PRIMARY KEY (operation, source, target)
) WITHOUT ROWID;
CREATE INDEX transition_count ON transition (operation, success + fail);

-- By how much an operation's counters changed in an interval.
CREATE TABLE timeline (
    operation INTEGER NOT NULL,
    at INTEGER NOT NULL,
    in_progress INTEGER NOT NULL,
    success INTEGER NOT NULL,
    fail INTEGER NOT NULL,
    PRIMARY KEY (operation, at)
) WITHOUT ROWID;

-- Notifications ever kept.
CREATE TABLE type_count (
    notify_type TEXT NOT NULL,
    result TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (notify_type, result)
) WITHOUT ROWID;

-- Between which times the notifications of seq >> STORE_SPAN_BITS were received.
CREATE TABLE time_index (
    id INTEGER PRIMARY KEY,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL
);

CREATE TABLE quarantined (
    id INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    pointer TEXT NOT NULL,
    known INTEGER NOT NULL,    -- whether it names a known notifyType
    any_app INTEGER NOT NULL,  -- whether its receiver accepted every appId
    body BLOB NOT NULL         -- as received
);

CREATE TABLE totals (
    seq INTEGER NOT NULL,
    notifications INTEGER NOT NULL,
    repeats INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    quarantine_log_only INTEGER NOT NULL,
    in_progress INTEGER NOT NULL,
    success INTEGER NOT NULL,
    fail INTEGER NOT NULL,
    contradictory INTEGER NOT NULL,
    quarantine_id INTEGER NOT NULL,
    quarantine_held INTEGER NOT NULL,
    quarantine_bytes INTEGER NOT NULL,
    quarantine_unknown_held INTEGER NOT NULL,     -- of no known notifyType
    quarantine_unknown_bytes INTEGER NOT NULL,
    quarantine_full_at INTEGER NOT NULL,          -- since when there is no room for known notifyTypes; 0: there is
    quarantine_unknown_full_at INTEGER NOT NULL,  -- and for others
    last_at INTEGER NOT NULL,
    pruned_notifications INTEGER NOT NULL,
    pruned_repeats INTEGER NOT NULL,
    pruned_seq INTEGER NOT NULL
);
INSERT INTO totals VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

-- See store.h.
CREATE TABLE life (
    first_seq INTEGER PRIMARY KEY,  -- of its first notification
    id TEXT NOT NULL                -- random, 16 hexadecimal digits
);

CREATE TABLE cursor (
    name TEXT PRIMARY KEY,
    life TEXT NOT NULL,
    seq INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE secret (hash_key BLOB NOT NULL);

CREATE TABLE probe (id INTEGER PRIMARY KEY, pad BLOB NOT NULL);

CREATE VIEW notifications AS
SELECT n.seq,
    strftime('%Y-%m-%dT%H:%M:%fZ', n.received_at / 1000.0, 'unixepoch') AS receivedAt,
    json_extract(n.body, '$.notifyType') AS notifyType,
    json_extract(n.body, '$.appId') AS appId,
    coalesce(json_extract(n.body, '$.deviceId'), json_extract(n.body, '$.header.deviceId')) AS deviceId,
    json_extract(n.body, '$.operationId') AS operationId,
    json_extract(n.body, '$.subOperationId') AS subOperationId,
    n.body,
    n.deliveries
FROM notification n;

-- Each once, by the notification that its state comes from.
CREATE VIEW upgrades AS
SELECT o.app_id AS appId,
    o.operation_id AS operationId,
    u.sub_operation_id AS subOperationId,
    u.device_id AS deviceId,
    CASE u.state WHEN 0 THEN 'IN_PROGRESS' WHEN 1 THEN 'SUCCESS' ELSE 'FAIL' END AS state,
    coalesce(json_extract(s.body, '$.swUpgradeState'), json_extract(s.body, '$.step')) AS step,
    json_extract(n.body, '$.curVersion') AS curVersion,
    json_extract(n.body, '$.targetVersion') AS targetVersion,
    json_extract(n.body, '$.sourceVersion') AS sourceVersion,
    json_extract(n.body, '$.upgradeTime') AS upgradeTime,
    coalesce(json_extract(n.body, '$.resultDesc'), json_extract(n.body, '$.statusDesc')) AS resultDesc,
    json_extract(n.body, '$.errorCode') AS errorCode,
    json_extract(n.body, '$.description') AS description,
    u.contradictory,
    u.seq
FROM operation o
JOIN lookup l ON l.operation = o.id
JOIN upgrade u ON u.id = l.upgrade AND u.seq = l.seq
JOIN notification n ON n.seq = u.seq
LEFT JOIN notification s ON s.seq = u.step_seq;

CREATE VIEW operations AS
SELECT app_id AS appId,
    operation_id AS operationId,
    in_progress AS inProgress,
    success,
    fail,
    contradictory,
    strftime('%Y-%m-%dT%H:%M:%fZ', first_at / 1000.0, 'unixepoch') AS firstAt,
    strftime('%Y-%m-%dT%H:%M:%fZ', last_at / 1000.0, 'unixepoch') AS lastAt
FROM operation;

CREATE VIEW failures AS
SELECT o.app_id AS appId,
    o.operation_id AS operationId,
    f.error_code AS errorCode,
    f.count,
    strftime('%Y-%m-%dT%H:%M:%fZ', f.first_at / 1000.0, 'unixepoch') AS firstAt,
    strftime('%Y-%m-%dT%H:%M:%fZ', f.last_at / 1000.0, 'unixepoch') AS lastAt
FROM failure f
JOIN operation o ON o.id = f.operation
WHERE f.count > 0;

CREATE VIEW quarantine AS
SELECT id,
    strftime('%Y-%m-%dT%H:%M:%fZ', received_at / 1000.0, 'unixepoch') AS receivedAt,
    reason,
    pointer,
    body
FROM quarantined;
