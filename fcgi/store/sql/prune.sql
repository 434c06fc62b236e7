-- The statements of prune.c. A line `-- name` begins each. C calls it STORE_TEXT_name.

-- prune_slowest: the application that has been told least, and up to which seq
SELECT name, seq FROM cursor ORDER BY seq LIMIT 1;

-- prune_journaled: the first notification that the journal needs
SELECT min(coalesce((SELECT min(seq) FROM journal), 9223372036854775807),
    CASE WHEN s.seq < t.seq THEN s.seq + 1 ELSE 9223372036854775807 END)
FROM journal_state s, totals t WHERE s.kept;

-- prune_count: most notifications that may be removed
SELECT (SELECT count(*) FROM operation o CROSS JOIN lookup l ON l.operation = o.id WHERE o.last_at < ?1)
    + (SELECT count(*) FROM lookup l CROSS JOIN notification n ON n.seq = l.seq
        WHERE l.operation = 0 AND n.received_at < ?1);

-- prune_next_operation: with an id above ?1, and nothing received since ?2
SELECT id FROM operation o
WHERE id > ?1 AND last_at < ?2 AND EXISTS (SELECT 1 FROM lookup l WHERE l.operation = o.id)
ORDER BY id LIMIT 1;

-- prune_operation_end: its last notification, and the latest time one was received
SELECT max(n.seq), max(n.received_at) FROM lookup l CROSS JOIN notification n ON n.seq = l.seq WHERE l.operation = ?1;

-- prune_mark_operation
UPDATE operation SET pruned = 1 WHERE id = ?1;

-- prune_upgrades: ?3 at most
DELETE FROM upgrade WHERE id IN (SELECT id FROM upgrade WHERE operation = ?1 AND seq <= ?2 LIMIT ?3);

-- prune_of_operation: its notifications up to ?2
SELECT l.operation, l.device, l.sub_operation, l.upgrade, l.content, l.seq, n.deliveries, n.body
FROM lookup l CROSS JOIN notification n ON n.seq = l.seq
WHERE l.operation = ?1 AND l.seq <= ?2
ORDER BY l.device, l.sub_operation, l.upgrade, l.content, l.seq;

-- prune_next_news: the first from ?1 on without an operation; a block has 1 << ?4 seqs
SELECT n.seq FROM time_index s CROSS JOIN notification n ON n.seq >= s.id << ?4 AND n.seq < (s.id + 1) << ?4
WHERE s.id >= ?1 >> ?4 AND s.first_at < ?2 AND n.seq >= ?1 AND n.seq <= ?3 AND n.operation = 0 AND n.received_at < ?2
ORDER BY s.id, n.seq LIMIT 1;

-- prune_news: from ?1 on, below ?2
SELECT operation, device, 0, 0, content, seq, deliveries, body FROM notification
WHERE seq >= ?1 AND seq < ?2 AND seq <= ?4 AND operation = 0 AND received_at < ?3
ORDER BY seq;

-- prune_news_left: whether some are above ?2, and so not delivered
SELECT EXISTS (
    SELECT 1 FROM time_index s CROSS JOIN notification n ON n.seq >= s.id << ?3 AND n.seq < (s.id + 1) << ?3
    WHERE s.id >= ?2 >> ?3 AND s.first_at < ?1 AND n.seq > ?2 AND n.operation = 0 AND n.received_at < ?1
);

-- prune_entry
DELETE FROM lookup
WHERE operation = ?1 AND device = ?2 AND sub_operation = ?3 AND upgrade = ?4 AND content = ?5 AND seq = ?6;

-- prune_notification
DELETE FROM notification WHERE seq = ?1;

-- prune_time_index: rows without a notification
DELETE FROM time_index
WHERE first_at < ?1
    AND NOT EXISTS (SELECT 1 FROM notification n WHERE n.seq >= time_index.id << ?2 AND n.seq < (time_index.id + 1) << ?2);

-- erase_next_operation: with an id above ?1, and entries of the device ?2
SELECT id FROM operation o
WHERE id > ?1 AND EXISTS (SELECT 1 FROM lookup l WHERE l.operation = o.id AND l.device = ?2)
ORDER BY id LIMIT 1;

-- erase_count: the notifications of the device ?4 in an operation, and how many of them are above ?3
SELECT count(*), coalesce(sum(n.seq > ?3), 0) FROM lookup l CROSS JOIN notification n ON n.seq = l.seq
WHERE l.operation = ?1 AND l.device = ?2
    AND coalesce(nullif(json_extract(n.body, '$.deviceId'), ''), nullif(json_extract(n.body, '$.header.deviceId'), ''),
        json_extract(n.body, '$.notify_data.header.device_id')) = ?4;

-- erase_mark_operation: 2 if only the rows of some devices are gone
UPDATE operation SET pruned = 2 WHERE id = ?1 AND pruned = 0;

-- erase_upgrades: ?4 at most
DELETE FROM upgrade WHERE id IN (
    SELECT DISTINCT u.id FROM lookup l CROSS JOIN upgrade u ON u.id = l.upgrade
    WHERE l.operation = ?1 AND l.device = ?2 AND u.device_id = ?5
        AND u.seq <= ?3 AND coalesce(u.step_seq, 0) <= ?3
    LIMIT ?4
);

-- erase_notifications: up to ?3
SELECT l.operation, l.device, l.sub_operation, l.upgrade, l.content, l.seq, n.deliveries, n.body
FROM lookup l CROSS JOIN notification n ON n.seq = l.seq
WHERE l.operation = ?1 AND l.device = ?2 AND l.seq <= ?3
    AND coalesce(nullif(json_extract(n.body, '$.deviceId'), ''), nullif(json_extract(n.body, '$.header.deviceId'), ''),
        json_extract(n.body, '$.notify_data.header.device_id')) = ?4;

-- erase_examples: descriptions that have the id ?1 in them
UPDATE failure SET example = '' WHERE instr(example, ?1) > 0;

-- erase_next_quarantined: a body with an id above ?1 that has the text ?2
SELECT id FROM quarantined WHERE id > ?1 AND instr(body, CAST(?2 AS BLOB)) > 0 ORDER BY id LIMIT 1;
