-- The statements of the writer. A line `-- name` begins each. C calls it STORE_name. put.c and the files beside it bind
-- the parameters in the order of their numbers.

-- begin
BEGIN IMMEDIATE;

-- commit
COMMIT;

-- read_version
PRAGMA user_version;

-- count_pages
PRAGMA page_count;

-- read_totals: in the order of store_ledger_read
SELECT seq, notifications, repeats, quarantined, quarantine_log_only, in_progress, success, fail, contradictory,
    quarantine_held, quarantine_bytes, quarantine_unknown_held, quarantine_unknown_bytes, quarantine_full_at,
    quarantine_unknown_full_at, last_at, quarantine_id, pruned_notifications, pruned_repeats, pruned_seq,
    (SELECT id FROM life WHERE first_seq <= seq ORDER BY first_seq DESC LIMIT 1)
FROM totals;

-- write_totals: in the order of store_ledger_bind
UPDATE totals SET seq = ?, notifications = ?, repeats = ?, quarantined = ?, quarantine_log_only = ?, in_progress = ?,
    success = ?, fail = ?, contradictory = ?, quarantine_held = ?, quarantine_bytes = ?, quarantine_unknown_held = ?,
    quarantine_unknown_bytes = ?, quarantine_full_at = ?, quarantine_unknown_full_at = ?, last_at = ?,
    quarantine_id = ?, pruned_notifications = ?, pruned_repeats = ?, pruned_seq = ?;

-- count_type
INSERT INTO type_count (notify_type, result, count) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET count = count + excluded.count;

-- widen_time_index
INSERT INTO time_index (id, first_at, last_at) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at);

-- find_same: the notifications with an equal hash, the latest first
SELECT n.seq, n.deliveries, n.body, n.received_at
FROM lookup l CROSS JOIN notification n ON n.seq = l.seq
WHERE l.operation = ?1 AND l.device = ?2 AND l.sub_operation = ?3 AND l.upgrade = ?4 AND l.content = ?5
ORDER BY l.seq DESC;

-- count_delivery
UPDATE notification SET deliveries = deliveries + ?2 WHERE seq = ?1;

-- add_notification
INSERT INTO notification (seq, received_at, operation, device, content, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- add_entry
INSERT INTO lookup (operation, device, sub_operation, upgrade, content, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- find_operation: and whether it has a notification, and a list of devices
SELECT id, first_at IS NOT NULL, planned IS NOT NULL FROM operation WHERE app_id = ?1 AND operation_id = ?2;

-- add_operation
INSERT INTO operation (app_id, operation_id, first_at, last_at, last_seq, kind) VALUES (?1, ?2, ?3, ?3, ?4, ?5);

-- begin_operation: with its first notification
UPDATE operation SET first_at = ?2, last_at = ?2, last_seq = ?3, kind = ?4 WHERE id = ?1;

-- report_expected: a device has reported
UPDATE expected SET reported = 1 WHERE operation = ?1 AND device = ?2 AND device_id = ?3 AND reported = 0;

-- change_operation
UPDATE operation SET in_progress = in_progress + ?2, success = success + ?3, fail = fail + ?4,
    contradictory = contradictory + ?5, missing = missing - ?8, last_at = coalesce(?6, last_at),
    last_seq = coalesce(?7, last_seq)
WHERE id = ?1;

-- change_copied_operation: the latest received counts, and not the last
UPDATE operation SET in_progress = in_progress + ?2, success = success + ?3, fail = fail + ?4,
    contradictory = contradictory + ?5, missing = missing - ?8, last_seq = CASE WHEN ?6 >= last_at THEN ?7 ELSE last_seq END,
    last_at = max(last_at, coalesce(?6, last_at))
WHERE id = ?1;

-- read_timeline_width: and the first and the last interval
SELECT o.timeline_width, (SELECT min(at) FROM timeline WHERE operation = o.id), (SELECT max(at) FROM timeline WHERE operation = o.id)
FROM operation o WHERE o.id = ?1;

-- set_timeline_width
UPDATE operation SET timeline_width = ?2 WHERE id = ?1;

-- add_timeline
INSERT INTO timeline (operation, at, in_progress, success, fail) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO UPDATE SET in_progress = in_progress + excluded.in_progress, success = success + excluded.success,
    fail = fail + excluded.fail;

-- read_timeline
SELECT at, in_progress, success, fail FROM timeline WHERE operation = ?1;

-- remove_timeline
DELETE FROM timeline WHERE operation = ?1;

-- count_transition
INSERT INTO transition (operation, source, target, success, fail) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO UPDATE SET success = success + excluded.success, fail = fail + excluded.fail;

-- read_versions
SELECT json_extract(body, '$.sourceVersion'), json_extract(body, '$.targetVersion') FROM notification WHERE seq = ?1;

-- find_upgrade: the next candidate with an id above ?4, and whether its ids are equal
SELECT l.upgrade, u.state, u.contradictory, u.seq, u.began_at, u.device_id = ?5 AND u.sub_operation_id = ?6
FROM lookup l LEFT JOIN upgrade u ON u.id = l.upgrade
WHERE l.operation = ?1 AND l.device = ?2 AND l.sub_operation = ?3 AND l.upgrade > ?4
ORDER BY l.upgrade LIMIT 1;

-- add_upgrade
INSERT INTO upgrade (id, operation, device, sub_operation, device_id, sub_operation_id, state, contradictory, seq,
    step_seq, error_code, began_at)
VALUES (?6, ?1, ?2, ?3, ?10, ?11, ?4, ?5, ?6, ?7, ?8, ?9);

-- begin_earlier
UPDATE upgrade SET began_at = ?2 WHERE id = ?1;

-- set_result
UPDATE upgrade SET state = ?2, contradictory = ?3, seq = ?4, error_code = ?5 WHERE id = ?1;

-- read_times: when an upgrade's result and its last step were received
SELECT CASE u.state WHEN 0 THEN NULL ELSE n.received_at END, s.received_at
FROM upgrade u JOIN notification n ON n.seq = u.seq LEFT JOIN notification s ON s.seq = u.step_seq WHERE u.id = ?1;

-- receive_earlier
UPDATE notification SET received_at = ?2 WHERE seq = ?1;

-- begin_operation_earlier: if the notification, kept at ?4, is its first
UPDATE operation SET first_at = ?2
WHERE id = ?1 AND first_at = ?4 AND (SELECT min(seq) FROM lookup WHERE operation = ?1) = ?3;

-- find_later: what of an upgrade was received after ?5, in that order
SELECT n.seq, n.received_at, n.body
FROM lookup l CROSS JOIN notification n ON n.seq = l.seq
WHERE l.operation = ?1 AND l.device = ?2 AND l.sub_operation = ?3 AND l.upgrade = ?4 AND n.received_at > ?5
ORDER BY n.received_at, n.seq;

-- set_step
UPDATE upgrade SET step_seq = ?2, seq = CASE state WHEN 0 THEN ?2 ELSE seq END WHERE id = ?1;

-- count_failure: ?5 is 1 if the result was in quarantine, and so may be older than others; 2 in a copy
INSERT INTO failure (operation, error_code, count, first_at, last_at, example) VALUES (?1, ?2, ?3, ?4, ?4, ?6)
ON CONFLICT DO UPDATE SET count = count + excluded.count,
    example = CASE example WHEN '' THEN excluded.example ELSE example END,
    last_at = CASE ?5 WHEN 0 THEN excluded.last_at WHEN 1 THEN last_at ELSE max(last_at, excluded.last_at) END;

-- uncount_failure
UPDATE failure SET count = count - 1
WHERE operation = ?1 AND error_code = (SELECT error_code FROM upgrade WHERE id = ?2);

-- add_quarantined
INSERT INTO quarantined (id, received_at, reason, pointer, body, known, any_app) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7);

-- size_quarantined
SELECT length(body), known FROM quarantined WHERE id = ?1;

-- find_quarantined
SELECT id FROM quarantined WHERE received_at = ?1 AND body = ?2 ORDER BY id LIMIT 1;

-- remove_quarantined
DELETE FROM quarantined WHERE id = ?1;

-- begin_life
INSERT INTO life (first_seq, id) VALUES (?1, ?2);

-- find_life: of notification ?1
SELECT (SELECT id FROM life WHERE first_seq <= ?1 ORDER BY first_seq DESC LIMIT 1);

-- move_cursor: only forward, unless ?4
INSERT INTO cursor (name, life, seq) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET life = excluded.life, seq = excluded.seq WHERE excluded.seq > seq OR ?4;

-- forget_cursor
DELETE FROM cursor WHERE name = ?1;

-- read_journal_state
SELECT kept, number, seq, quarantine_id, again_seq, again_quarantine_id, plan FROM journal_state;

-- write_journal_state
UPDATE journal_state
SET kept = 1, number = ?1, seq = ?2, quarantine_id = ?3, again_seq = ?4, again_quarantine_id = ?5, plan = ?6;

-- begin_journal_life
INSERT OR REPLACE INTO journal_life (first_number, id) VALUES (?1, ?2);

-- end_journal_lives: from ?1 on
DELETE FROM journal_life WHERE first_number >= ?1;

-- journal_notification
INSERT INTO journal (number, kind, received_at, seq, reason) VALUES (?1, ?2, ?3, ?4, ?5);

-- journal_body: as it is in quarantine
INSERT INTO journal (number, kind, received_at, reason, pointer, known, any_app, body)
SELECT ?1, ?2, received_at, reason, pointer, known, any_app, body FROM quarantined WHERE id = ?3;

-- journal_notifications: kept without entries, from ?2 on, ?3 at most; up to ?4 they are made again
INSERT INTO journal (number, kind, received_at, seq, deliveries, again)
SELECT ?5 + row_number() OVER (ORDER BY seq), ?1, received_at, seq, deliveries, seq <= ?4
FROM (SELECT seq, received_at, deliveries FROM notification WHERE seq > ?2 ORDER BY seq LIMIT ?3);

-- journal_bodies: the same of quarantine
INSERT INTO journal (number, kind, received_at, reason, pointer, known, any_app, body, again)
SELECT ?5 + row_number() OVER (ORDER BY id), ?1, received_at, reason, pointer, known, any_app, body, id <= ?4
FROM (SELECT * FROM quarantined WHERE id > ?2 ORDER BY id LIMIT ?3);

-- journaled_seq
SELECT seq FROM journal WHERE number = ?1;

-- next_quarantined: the last of the ?2 bodies after ?1
SELECT max(id) FROM (SELECT id FROM quarantined WHERE id > ?1 ORDER BY id LIMIT ?2);

-- journal_first: the first entry that is not confirmed
SELECT coalesce(min(number), (SELECT number + 1 FROM journal_state)) FROM journal;

-- confirm_journal
DELETE FROM journal WHERE number <= ?1;

-- forget_journal
DELETE FROM journal;

-- forget_journal_state: its numbers are not given again, and what it had is
UPDATE journal_state SET kept = 0, seq = 0, quarantine_id = 0, plan = 0, again_seq = (SELECT seq FROM totals),
    again_quarantine_id = (SELECT quarantine_id FROM totals);

-- probe
INSERT OR REPLACE INTO probe (id, pad) VALUES (1, zeroblob(?1));
