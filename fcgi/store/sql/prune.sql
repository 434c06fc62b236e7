-- What prune.c says, statement by statement: `-- name` begins one, and is what C calls it (STORE_TEXT_name).

-- prune_slowest: up to where every application has been told, and which one is the last
SELECT name, seq FROM cursor ORDER BY seq LIMIT 1;

-- prune_count: at most so many notifications go
SELECT (SELECT count(*) FROM operation o CROSS JOIN lookup l ON l.operation = o.id WHERE o.last_at < ?1)
    + (SELECT count(*) FROM lookup l CROSS JOIN notification n ON n.seq = l.seq
        WHERE l.operation = 0 AND n.received_at < ?1);

-- prune_next_operation: behind ?1, in which nothing has come since ?2
SELECT id FROM operation o
WHERE id > ?1 AND last_at < ?2 AND EXISTS (SELECT 1 FROM lookup l WHERE l.operation = o.id)
ORDER BY id LIMIT 1;

-- prune_operation_end: its last notification, and when its latest was received
SELECT max(n.seq), max(n.received_at) FROM lookup l CROSS JOIN notification n ON n.seq = l.seq WHERE l.operation = ?1;

-- prune_mark_operation
UPDATE operation SET pruned = 1 WHERE id = ?1;

-- prune_upgrades: ?3 of them at most, by the indexes that there are
DELETE FROM upgrade WHERE id IN (
    SELECT id FROM (
        SELECT id, seq FROM upgrade WHERE state = 0 AND operation = ?1
        UNION ALL
        SELECT id, seq FROM upgrade WHERE state = 1 AND operation = ?1
        UNION ALL
        SELECT id, seq FROM upgrade WHERE state = 2 AND operation = ?1
    ) WHERE seq <= ?2 LIMIT ?3
);

-- prune_of_operation: its notifications up to ?2
SELECT l.operation, l.device, l.sub_operation, l.upgrade, l.content, l.seq, n.deliveries, n.body
FROM lookup l CROSS JOIN notification n ON n.seq = l.seq
WHERE l.operation = ?1 AND l.seq <= ?2
ORDER BY l.device, l.sub_operation, l.upgrade, l.content, l.seq;

-- prune_next_news: the first from ?1 on that is of no operation; a span is of 1 << ?4
SELECT n.seq FROM time_index s CROSS JOIN notification n ON n.seq >= s.id << ?4 AND n.seq < (s.id + 1) << ?4
WHERE s.id >= ?1 >> ?4 AND s.first_at < ?2 AND n.seq >= ?1 AND n.seq <= ?3 AND n.operation = 0 AND n.received_at < ?2
ORDER BY s.id, n.seq LIMIT 1;

-- prune_news: those from ?1 on, before ?2
SELECT operation, device, 0, 0, content, seq, deliveries, body FROM notification
WHERE seq >= ?1 AND seq < ?2 AND seq <= ?4 AND operation = 0 AND received_at < ?3
ORDER BY seq;

-- prune_news_left: whether there are some behind ?2, which was not delivered
SELECT EXISTS (
    SELECT 1 FROM time_index s CROSS JOIN notification n ON n.seq >= s.id << ?3 AND n.seq < (s.id + 1) << ?3
    WHERE s.id >= ?2 >> ?3 AND s.first_at < ?1 AND n.seq > ?2 AND n.operation = 0 AND n.received_at < ?1
);

-- prune_entry
DELETE FROM lookup
WHERE operation = ?1 AND device = ?2 AND sub_operation = ?3 AND upgrade = ?4 AND content = ?5 AND seq = ?6;

-- prune_notification
DELETE FROM notification WHERE seq = ?1;

-- prune_time_index: of which no notification is left
DELETE FROM time_index
WHERE first_at < ?1
    AND NOT EXISTS (SELECT 1 FROM notification n WHERE n.seq >= time_index.id << ?2 AND n.seq < (time_index.id + 1) << ?2);
