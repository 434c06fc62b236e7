-- The tables of the store, and the views for people.
--
-- Tables grow at their end. The indexes begin with the operation, so a running campaign touches few of their pages.
-- `device`, `sub_operation` and `content` are keyed 32-bit hashes. They find candidates, and the text decides (put.c).
-- An upgrade stores only the ids that identify it. Everything else that a sender said is in the body alone, and the
-- views extract it. Rows are counted one by one if GROUP BY would sort them all in memory.
--
-- From the first release on, do not change this file. Put a later change into a new file and increase STORE_VERSION by
-- one. store_layout_make then runs that file on a store of the version before, in the transaction that sets
-- user_version. On a new store it runs all files in turn. Test the change with a store that the earlier release wrote.

CREATE TABLE notification (
    seq INTEGER PRIMARY KEY,       -- in commit order
    received_at INTEGER NOT NULL,  -- ms since 1970
    operation INTEGER NOT NULL,    -- operation.id; 0: none
    device INTEGER NOT NULL,       -- hash of deviceId
    content INTEGER NOT NULL,      -- hash of the content
    deliveries INTEGER NOT NULL DEFAULT 1,
    body TEXT NOT NULL             -- as received
);

-- One tree finds equal notifications and the upgrade of a notification. Its keys are hashes, so each access touches a
-- random page. The entries of an upgrade are adjacent, so a search skips another upgrade with the same hashes in one
-- step.
CREATE TABLE lookup (
    operation INTEGER NOT NULL,
    device INTEGER NOT NULL,
    sub_operation INTEGER NOT NULL,  -- hash of subOperationId; 0: no upgrade
    upgrade INTEGER NOT NULL,        -- 0: none
    content INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (operation, device, sub_operation, upgrade, content, seq)
) WITHOUT ROWID;

-- An operation is here if a notification names it, or if an operator gave it a list or a note before that.
CREATE TABLE operation (
    id INTEGER PRIMARY KEY,
    app_id TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    in_progress INTEGER NOT NULL DEFAULT 0,  -- upgrades by state
    success INTEGER NOT NULL DEFAULT 0,
    fail INTEGER NOT NULL DEFAULT 0,
    contradictory INTEGER NOT NULL DEFAULT 0,
    first_at INTEGER,                        -- of its first and its last notification; NULL: none yet
    last_at INTEGER NOT NULL,                -- without one: when the operator named it, and the seq then
    last_seq INTEGER NOT NULL,
    kind INTEGER NOT NULL DEFAULT 0,         -- 1: software, 2: firmware, by its first notification
    planned INTEGER,                         -- rows of `expected`; NULL: no list; below 0: one is being saved
    missing INTEGER NOT NULL DEFAULT 0,      -- those of them without an upgrade
    note TEXT,                               -- of an operator; NULL: none
    planned_at INTEGER,                      -- when the operator last changed the list, and the note; NULL: never,
    noted_at INTEGER,                        -- or the list was pruned
    pruned INTEGER NOT NULL DEFAULT 0,       -- 1: its rows are gone; 2: those of some devices
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
    error_code TEXT,                 -- of a FAIL: its key in failure
    began_at INTEGER NOT NULL DEFAULT 0  -- when its earliest notification was received
);
CREATE INDEX upgrade_operation ON upgrade (operation);
CREATE INDEX upgrade_in_progress ON upgrade (operation, began_at) WHERE state = 0;
CREATE INDEX upgrade_success ON upgrade (operation) WHERE state = 1;
CREATE INDEX upgrade_fail ON upgrade (operation) WHERE state = 2;
-- The code comes first: the index also finds the operations with failures of that code.
CREATE INDEX upgrade_fail_code ON upgrade (error_code, operation) WHERE state = 2;
CREATE INDEX upgrade_contradictory ON upgrade (operation) WHERE contradictory = 1;

CREATE TABLE failure (
    operation INTEGER NOT NULL,
    error_code TEXT NOT NULL,   -- '': none
    count INTEGER NOT NULL,     -- upgrades that are FAIL with this code now
    first_at INTEGER NOT NULL,  -- first and last result with this code
    last_at INTEGER NOT NULL,
    example TEXT NOT NULL,      -- a description received with this code
    PRIMARY KEY (operation, error_code)
) WITHOUT ROWID;
CREATE INDEX failure_count ON failure (operation, count);

-- Upgrades that have ended, by the versions in their results.
CREATE TABLE transition (
    operation INTEGER NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    success INTEGER NOT NULL,
    fail INTEGER NOT NULL,
    PRIMARY KEY (operation, source, target)
) WITHOUT ROWID;
CREATE INDEX transition_count ON transition (operation, success + fail);

-- The devices that an operation should reach, in the order of the list that an operator saved, or that the platform
-- gave (then each row has `told`).
CREATE TABLE expected (
    id INTEGER PRIMARY KEY,
    operation INTEGER NOT NULL,
    device INTEGER NOT NULL,  -- hash of device_id
    device_id TEXT NOT NULL,
    reported INTEGER NOT NULL, -- whether it has an upgrade in the operation
    told TEXT                  -- its status by the platform's own account, in its words; NULL: nobody asked
);
CREATE INDEX expected_device ON expected (operation, device);
CREATE INDEX expected_missing ON expected (operation) WHERE reported = 0;

-- What the platform itself said of an operation when it was asked last. None of it came as a notification.
CREATE TABLE asked (
    operation INTEGER PRIMARY KEY,
    asked_at INTEGER NOT NULL,
    said TEXT NOT NULL  -- a JSON object, as upgrade-platform made it
);

-- How much an operation's counters changed in each interval.
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

-- When the first and the last notification with seq >> STORE_TIME_INDEX_BITS = id were received.
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
-- Behind a colon is what differs from body to body.
CREATE INDEX quarantined_reason ON quarantined (substr(reason, 1, instr(reason || ':', ':') - 1));

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
    quarantine_full_at INTEGER NOT NULL,          -- since when full for known notifyTypes; 0: not full
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

-- What the shared books have not confirmed yet (journal.h).
CREATE TABLE journal (
    number INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,         -- enum store_journal_kind
    received_at INTEGER NOT NULL,
    seq INTEGER,                   -- the notification; NULL: the entry has a body of its own
    deliveries INTEGER NOT NULL DEFAULT 1,
    again INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    pointer TEXT NOT NULL DEFAULT '',
    known INTEGER NOT NULL DEFAULT 1,
    any_app INTEGER NOT NULL DEFAULT 0,
    body BLOB
);
CREATE INDEX journal_seq ON journal (seq);

-- The lives of the journal follow each other, as those of notifications do.
CREATE TABLE journal_life (
    first_number INTEGER PRIMARY KEY,
    id TEXT NOT NULL
);

-- The journal has entries of all notifications up to seq, of all bodies in quarantine up to quarantine_id, and of notes
-- and lists of all operations up to plan; the largest number there is: of all.
CREATE TABLE journal_state (
    kept INTEGER NOT NULL,                -- whether an opening has kept a journal
    number INTEGER NOT NULL,              -- of the last entry
    seq INTEGER NOT NULL,
    quarantine_id INTEGER NOT NULL,
    again_seq INTEGER NOT NULL,           -- up to here the entries are made again
    again_quarantine_id INTEGER NOT NULL,
    plan INTEGER NOT NULL
);
INSERT INTO journal_state VALUES (0, 0, 0, 0, 0, 0, 0);

CREATE TABLE secret (hash_key BLOB NOT NULL);

CREATE TABLE probe (id INTEGER PRIMARY KEY, pad BLOB NOT NULL);

CREATE VIEW notifications AS
SELECT n.seq,
    strftime('%Y-%m-%dT%H:%M:%fZ', n.received_at / 1000.0, 'unixepoch') AS receivedAt,
    CASE WHEN json_extract(n.body, '$.notifyType') IS NULL AND json_extract(n.body, '$.commandId') IS NULL
        THEN json_extract(n.body, '$.resource') || '.' || json_extract(n.body, '$.event')
        ELSE json_extract(n.body, '$.notifyType') END AS notifyType,
    coalesce(json_extract(n.body, '$.appId'), json_extract(n.body, '$.notify_data.header.app_id'),
        json_extract(n.body, '$.notify_data.body.app_id')) AS appId,
    coalesce(json_extract(n.body, '$.deviceId'), json_extract(n.body, '$.header.deviceId'),
        json_extract(n.body, '$.notify_data.header.device_id')) AS deviceId,
    json_extract(n.body, '$.operationId') AS operationId,
    json_extract(n.body, '$.subOperationId') AS subOperationId,
    n.body,
    n.deliveries
FROM notification n;

-- One row for each upgrade, with the notification that its state comes from.
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
