-- The statements of plan.c. A line `-- name` begins each. C calls it STORE_TEXT_name.

-- plan_find: the operation ?1; two rows at most; and whether an operator saved its list
SELECT id, pruned = 1, planned IS NOT NULL,
    planned >= 0 AND (SELECT e.told IS NULL FROM expected e WHERE e.operation = o.id LIMIT 1)
FROM operation o
WHERE operation_id = ?1 AND (?2 IS NULL OR app_id = ?2) LIMIT 2;

-- plan_add: an operation without a notification, behind the last notification
INSERT INTO operation (app_id, operation_id, last_at, last_seq) VALUES (?2, ?1, ?3, ?4);

-- plan_begin: ?2, below 0, is the mark of this saving
UPDATE operation SET planned = ?2, planned_at = ?3 WHERE id = ?1;

-- plan_is_mine
SELECT planned = ?2 FROM operation WHERE id = ?1;

-- plan_clear: ?2 rows of the list at most
DELETE FROM expected WHERE id IN (SELECT id FROM expected WHERE operation = ?1 LIMIT ?2);

-- plan_expect
INSERT INTO expected (operation, device, device_id, told, reported)
VALUES (?1, ?2, ?3, ?4, EXISTS (SELECT 1 FROM lookup l CROSS JOIN upgrade u ON u.id = l.upgrade
    WHERE l.operation = ?1 AND l.device = ?2 AND u.device_id = ?3));

-- plan_finish
UPDATE operation SET planned = (SELECT count(*) FROM expected WHERE operation = ?1),
    missing = (SELECT count(*) FROM expected WHERE operation = ?1 AND reported = 0)
WHERE id = ?1;

-- plan_counts
SELECT planned, missing FROM operation WHERE id = ?1;

-- plan_end: without a list
UPDATE operation SET planned = NULL, missing = 0 WHERE id = ?1;

-- plan_note
UPDATE operation SET note = nullif(?3, ''), noted_at = ?2 WHERE id = ?1;

-- plan_drop: an operation that nothing has named
DELETE FROM operation WHERE id = ?1 AND first_at IS NULL AND planned IS NULL AND note IS NULL;

-- plan_drop_asked: with an operation that was dropped
DELETE FROM asked WHERE operation = ?1 AND NOT EXISTS (SELECT 1 FROM operation WHERE id = ?1);

-- plan_keep_asked: what the platform said, at ?2
INSERT INTO asked (operation, asked_at, said) VALUES (?1, ?2, ?3)
ON CONFLICT (operation) DO UPDATE SET asked_at = excluded.asked_at, said = excluded.said;

-- plan_prune_asked: of operations whose rows are gone, or that have had no notification and were named before ?1
DELETE FROM asked WHERE operation IN (
    SELECT id FROM operation WHERE pruned = 1 OR (first_at IS NULL AND last_at < ?1));

-- plan_erase_asked: the device ?1
UPDATE asked SET said = json_set(said, '$.findings', (
    SELECT json_group_array(json(f.value)) FROM json_each(said, '$.findings') f WHERE json_extract(f.value, '$.deviceId') <> ?1))
WHERE EXISTS (SELECT 1 FROM json_each(said, '$.findings') f WHERE json_extract(f.value, '$.deviceId') = ?1);

-- plan_next_pruned: an operation above ?1 with a list, whose rows are gone or that has had no notification since ?2
SELECT id FROM operation o
WHERE id > ?1 AND last_at < ?2 AND (pruned = 1 OR first_at IS NULL)
    AND EXISTS (SELECT 1 FROM expected e WHERE e.operation = o.id)
ORDER BY id LIMIT 1;

-- plan_prune_begin: the list is not shipped again
UPDATE operation SET planned_at = NULL WHERE id = ?1;

-- plan_prune: an operation without a notification has no counts to keep
UPDATE operation SET planned = NULL, missing = 0 WHERE id = ?1 AND first_at IS NULL;

-- plan_next_erased: an operation above ?1 that expects the device ?2 and has no upgrade of it
SELECT e.operation, e.id, e.reported = 0 FROM operation o CROSS JOIN expected e ON e.operation = o.id AND e.device = ?2
WHERE o.id > ?1 AND e.device_id = ?3 AND NOT EXISTS (SELECT 1 FROM lookup l CROSS JOIN upgrade u ON u.id = l.upgrade
    WHERE l.operation = o.id AND l.device = ?2 AND u.device_id = ?3)
ORDER BY o.id LIMIT 1;

-- plan_count_erased: ?2 is whether the device was missing
UPDATE operation SET planned = planned - 1, missing = missing - ?2 WHERE id = ?1 AND planned > 0;

-- plan_erase: the row ?1
DELETE FROM expected WHERE id = ?1;

-- plan_is_journaled
SELECT kept FROM journal_state;

-- plan_journal_note: the entry ?1
INSERT INTO journal (number, kind, received_at, again, body)
SELECT ?1, ?2, noted_at, ?4,
    CAST(json_object('appId', app_id, 'operationId', operation_id, 'note', coalesce(note, '')) AS BLOB)
FROM operation WHERE id = ?3;

-- plan_journal_list: a step without devices
INSERT INTO journal (number, kind, received_at, again, body)
SELECT ?1, ?2, planned_at, ?4,
    CAST(json_object('appId', app_id, 'operationId', operation_id, 'list', ?5, 'step', ?6) AS BLOB)
FROM operation WHERE id = ?3;

-- plan_journal_devices: ?7 at most, from the row ?6 on. The rows of a list lie together.
INSERT INTO journal (number, kind, received_at, again, body)
SELECT ?1, ?2, planned_at, ?4,
    CAST(json_object('appId', app_id, 'operationId', operation_id, 'list', ?5, 'step', 'devices', 'devices', json((
        SELECT json_group_array(json_array(device_id, told)) FROM (
            SELECT device_id, told FROM expected WHERE +operation = ?3 AND id >= ?6 ORDER BY id LIMIT ?7)))) AS BLOB)
FROM operation WHERE id = ?3;

-- plan_next_journaled: an operation above ?1 with a note or a list that was ever changed
SELECT id, noted_at IS NOT NULL, planned_at IS NOT NULL, coalesce(planned, 0), planned IS NOT NULL,
    (SELECT count(*) FROM expected e WHERE e.operation = o.id), (SELECT min(e.id) FROM expected e WHERE e.operation = o.id)
FROM operation o
WHERE id > ?1 AND (noted_at IS NOT NULL OR planned_at IS NOT NULL) ORDER BY id LIMIT 1;

-- plan_next_devices: the row behind ?3 rows of the list from the row ?2 on
SELECT id FROM expected WHERE +operation = ?1 AND id >= ?2 ORDER BY id LIMIT 1 OFFSET ?3;

-- plan_follow_find: the operation of exactly these texts
SELECT id, coalesce(noted_at, 0), coalesce(planned_at, 0) FROM operation WHERE app_id = ?1 AND operation_id = ?2;
