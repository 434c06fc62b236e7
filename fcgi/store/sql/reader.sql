-- The statements of readers (lists.c and the files beside it). A line `-- name` begins each. C calls it
-- STORE_TEXT_name. list_operations.c and list_upgrades.c build theirs from parts.

-- notifications_latest
SELECT seq, received_at, deliveries, body FROM notification ORDER BY seq DESC;

-- cursors: and whether the store lacks the application's token
SELECT name, seq, life, seq > 0 AND (seq > (SELECT seq FROM totals)
    OR life IS NOT (SELECT id FROM life WHERE first_seq <= cursor.seq ORDER BY first_seq DESC LIMIT 1))
FROM cursor ORDER BY name;

-- cursor
SELECT seq, life FROM cursor WHERE name = ?1;

-- devices_beginning: as operations_beginning; reads all upgrades
SELECT DISTINCT device_id FROM upgrade WHERE device_id >= ?1 AND device_id < ?1 || CAST(x'FF' AS TEXT);

-- failures
SELECT error_code, example, count, first_at, last_at FROM failure
WHERE operation = ?1 AND count > 0 ORDER BY count DESC;

-- errors: of all operations, the most frequent first, without the first ?1
SELECT error_code, sum(count), count(*), max(example), row_number() OVER (ORDER BY sum(count) DESC, error_code)
FROM failure WHERE count > 0 GROUP BY error_code ORDER BY 2 DESC, 1 LIMIT -1 OFFSET ?1;

-- errors_of: of the operation ?1, without the first ?2
SELECT error_code, count, 1, example, row_number() OVER (ORDER BY count DESC, error_code)
FROM failure WHERE operation = ?1 AND count > 0 ORDER BY 2 DESC, 1 LIMIT -1 OFFSET ?2;

-- transitions
SELECT source, target, success, fail FROM transition
WHERE operation = ?1 AND success + fail > 0 ORDER BY success + fail DESC;

-- targets: of the ?2 most frequent transitions
SELECT target, sum(count) FROM (
    SELECT target, success + fail AS count FROM transition
    WHERE operation = ?1 AND success + fail > 0 ORDER BY success + fail DESC LIMIT ?2
) GROUP BY target ORDER BY 2 DESC, 1;

-- expected: a page, in the order of the list
SELECT device_id, coalesce(told, ''), id FROM expected WHERE operation = ?1 AND id > ?2 ORDER BY id;

-- missing: a page, in the order of the list
SELECT device_id, coalesce(told, ''), id FROM expected INDEXED BY expected_missing
WHERE operation = ?1 AND reported = 0 AND id > ?2 ORDER BY id;

-- asked: what the platform said of the operation
SELECT asked_at, said FROM asked WHERE operation = ?1;

-- timeline: an interval whose changes cancel each other is no point. Nothing is known after the last change; if the
-- clock stepped back, an interval may begin after it.
SELECT o.timeline_width,
    CASE WHEN o.last_at BETWEEN p.at AND p.at + o.timeline_width THEN o.last_at ELSE p.at + o.timeline_width END,
    sum(p.in_progress) OVER sofar, sum(p.success) OVER sofar, sum(p.fail) OVER sofar
FROM operation o JOIN timeline p ON p.operation = o.id
WHERE o.id = ?1 AND (p.in_progress <> 0 OR p.success <> 0 OR p.fail <> 0) WINDOW sofar AS (ORDER BY p.at) ORDER BY p.at;

-- type_counts
SELECT notify_type, result, count FROM type_count ORDER BY 1, 2;

-- quarantined: a page
SELECT received_at, reason, pointer, length(body), substr(body, 1, 2048), id FROM quarantined WHERE id > ?1 ORDER BY id;

-- quarantined_for: a page of those with the reason ?2, as far as the first colon
SELECT received_at, reason, pointer, length(body), substr(body, 1, 2048), id FROM quarantined
WHERE substr(reason, 1, instr(reason || ':', ':') - 1) = ?2 AND id > ?1 ORDER BY id;

-- quarantined_reasons
SELECT substr(reason, 1, instr(reason || ':', ':') - 1), count(*) FROM quarantined GROUP BY 1 ORDER BY 2 DESC, 1;

-- quarantined_bodies
SELECT id, received_at, reason, pointer, body, any_app FROM quarantined WHERE id > ?1 ORDER BY id LIMIT ?2;

-- notifications_after
SELECT seq, received_at, deliveries, body,
    (SELECT id FROM life WHERE first_seq <= seq ORDER BY first_seq DESC LIMIT 1)
FROM notification WHERE seq > ?1 ORDER BY seq LIMIT ?2;

-- notifications_between: received from ?1 to ?2, with a seq above ?3; a block has 1 << ?5 seqs
SELECT n.seq, n.received_at, n.deliveries, n.body,
    (SELECT id FROM life WHERE first_seq <= n.seq ORDER BY first_seq DESC LIMIT 1)
FROM time_index s CROSS JOIN notification n ON n.seq >= s.id << ?5 AND n.seq < (s.id + 1) << ?5
WHERE s.id >= ?3 >> ?5 AND s.last_at >= ?1 AND s.first_at < ?2
    AND n.seq > ?3 AND n.received_at >= ?1 AND n.received_at < ?2
ORDER BY s.id, n.seq LIMIT ?4;

-- bytes: of the main file, with all that is in the log
SELECT page_count * page_size FROM totals, pragma_page_count, pragma_page_size;

-- copied: what a copy has
SELECT notifications - pruned_notifications, seq,
    (SELECT id FROM life WHERE first_seq <= seq ORDER BY first_seq DESC LIMIT 1)
FROM totals;

-- journal: ?2 entries at most after ?1
SELECT j.number, j.kind, j.received_at, j.deliveries, j.again, j.reason, j.pointer, j.known, j.any_app,
    CASE WHEN j.seq IS NULL THEN j.body ELSE n.body END,
    (SELECT id FROM journal_life WHERE first_number <= j.number ORDER BY first_number DESC LIMIT 1)
FROM journal j LEFT JOIN notification n ON n.seq = j.seq WHERE j.number > ?1 ORDER BY j.number LIMIT ?2;

-- journal_state
SELECT s.kept, s.number, coalesce((SELECT min(number) FROM journal), s.number + 1),
    (SELECT received_at FROM journal ORDER BY number LIMIT 1)
FROM journal_state s;

-- position
SELECT generation, life, program, number, life_number FROM position;

-- write_position
INSERT OR REPLACE INTO position (one, generation, life, program, number, life_number) VALUES (1, ?1, ?2, ?3, ?4, ?5);

-- standing: what the store has of seq ?1 and of life ?2, and up to which seq it was pruned
SELECT t.seq, t.pruned_seq,
    (SELECT id FROM life WHERE first_seq <= ?1 ORDER BY first_seq DESC LIMIT 1),
    (SELECT id FROM life WHERE first_seq <= t.seq ORDER BY first_seq DESC LIMIT 1),
    (SELECT l.first_seq FROM life l WHERE l.id = ?2),
    (SELECT min(n.first_seq) FROM life l JOIN life n ON n.first_seq > l.first_seq WHERE l.id = ?2)
FROM totals t;
