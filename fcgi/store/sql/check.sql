-- The statements of upgrade-status check. Each returns one row of text for each flaw. counted_as(TEXT) is the key that
-- a text is counted under. The rows of pruned operations (o.pruned = 1) are gone, so their counters are not
-- recounted. If those of some devices were erased (2), a recount may be less, but not more.

-- file
PRAGMA integrity_check;

-- totals
SELECT 'totals: ' || name || ' is ' || said || ', counted ' || counted FROM (
    SELECT 'seq' AS name, seq AS said, notifications AS counted FROM totals
    UNION ALL
    SELECT 'notifications', notifications, pruned_notifications + (SELECT count(*) FROM notification) FROM totals
    UNION ALL
    SELECT 'repeats', repeats, pruned_repeats + (SELECT coalesce(sum(deliveries - 1), 0) FROM notification) FROM totals
    UNION ALL
    SELECT 'in_progress', in_progress, (SELECT coalesce(sum(in_progress), 0) FROM operation) FROM totals
    UNION ALL
    SELECT 'success', success, (SELECT coalesce(sum(success), 0) FROM operation) FROM totals
    UNION ALL
    SELECT 'fail', fail, (SELECT coalesce(sum(fail), 0) FROM operation) FROM totals
    UNION ALL
    SELECT 'contradictory', contradictory, (SELECT coalesce(sum(contradictory), 0) FROM operation) FROM totals
    UNION ALL
    SELECT 'quarantine_held', quarantine_held, (SELECT count(*) FROM quarantined) FROM totals
    UNION ALL
    SELECT 'quarantine_bytes', quarantine_bytes, (SELECT coalesce(sum(length(body)), 0) FROM quarantined) FROM totals
    UNION ALL
    SELECT 'quarantine_unknown_held', quarantine_unknown_held,
        (SELECT count(*) FROM quarantined WHERE known = 0) FROM totals
    UNION ALL
    SELECT 'quarantine_unknown_bytes', quarantine_unknown_bytes,
        (SELECT coalesce(sum(length(body)), 0) FROM quarantined WHERE known = 0) FROM totals
    UNION ALL
    SELECT 'notifications', notifications, (SELECT coalesce(sum(count), 0) FROM type_count) FROM totals
    UNION ALL
    SELECT 'notifications', notifications, pruned_notifications + (SELECT count(*) FROM lookup) FROM totals
    UNION ALL
    SELECT 'quarantine_id', quarantine_id,
        max(quarantine_id, (SELECT coalesce(max(id), 0) FROM quarantined)) FROM totals
) WHERE said <> counted;

-- operations
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id || ': ' || o.in_progress || ' in progress, '
    || o.success || ' SUCCESS, ' || o.fail || ' FAIL, ' || o.contradictory || ' contradictory; counted '
    || c.in_progress || ', ' || c.success || ', ' || c.fail || ', ' || c.contradictory
FROM (
    SELECT o.id,
        (SELECT count(*) FROM upgrade WHERE state = 0 AND operation = o.id) AS in_progress,
        (SELECT count(*) FROM upgrade WHERE state = 1 AND operation = o.id) AS success,
        (SELECT count(*) FROM upgrade WHERE state = 2 AND operation = o.id) AS fail,
        (SELECT count(*) FROM upgrade WHERE contradictory = 1 AND operation = o.id) AS contradictory
    FROM operation o WHERE o.pruned <> 1
) c JOIN operation o ON o.id = c.id
WHERE CASE o.pruned WHEN 0
    THEN (o.in_progress, o.success, o.fail, o.contradictory) <> (c.in_progress, c.success, c.fail, c.contradictory)
    ELSE o.in_progress < c.in_progress OR o.success < c.success OR o.fail < c.fail OR o.contradictory < c.contradictory
    END;

-- type_counts
SELECT 'totals: ' || notify_type || ' ' || result || ' is counted ' || sum(said) || ' times, and the store has it '
    || sum(counted) || ' times'
FROM (
    SELECT notify_type, result, count AS said, 0 AS counted FROM type_count
    UNION ALL
    SELECT coalesce(CASE WHEN json_extract(body, '$.notifyType') IS NULL AND json_extract(body, '$.commandId') IS NULL
            THEN json_extract(body, '$.resource') || '.' || json_extract(body, '$.event')
            ELSE json_extract(body, '$.notifyType') END, ''),
        coalesce(CASE json_extract(body, '$.notifyType')
            WHEN 'swUpgradeResultNotify' THEN json_extract(body, '$.swUpgradeResult')
            WHEN 'fwUpgradeResultNotify'
                THEN coalesce(nullif(json_extract(body, '$.status'), ''), json_extract(body, '$.Status'))
            END, ''),
        0, count(*)
    FROM notification GROUP BY 1, 2
) GROUP BY notify_type, result
HAVING sum(said) < sum(counted)
    OR (sum(said) > sum(counted) AND (SELECT pruned_notifications FROM totals) = 0);

-- failures
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id || ': errorCode ''' || code || ''' is counted '
    || sum(said) || ' times, and the store has it ' || sum(counted) || ' times'
FROM (
    SELECT operation, error_code AS code, count AS said, 0 AS counted FROM failure WHERE count <> 0
    UNION ALL
    SELECT operation, coalesce(error_code, ''), 0, count(*) FROM upgrade WHERE state = 2 GROUP BY 1, 2
) JOIN operation o ON o.id = operation AND o.pruned <> 1
GROUP BY operation, code HAVING sum(said) < sum(counted) OR (sum(said) > sum(counted) AND o.pruned = 0);

-- transitions
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id || ': from ' || source || ' to ' || target || ': '
    || sum(m.success) || ' SUCCESS and ' || sum(m.fail) || ' FAIL more than counted'
FROM (
    SELECT operation, source, target, success, fail FROM transition
    UNION ALL
    SELECT u.operation, counted_as(coalesce(json_extract(n.body, '$.sourceVersion'), '')),
        counted_as(coalesce(json_extract(n.body, '$.targetVersion'), '')), -(u.state = 1), -(u.state = 2)
    FROM upgrade u JOIN notification n ON n.seq = u.seq WHERE u.state > 0
) m JOIN operation o ON o.id = m.operation AND o.pruned <> 1
GROUP BY m.operation, source, target
HAVING min(sum(m.success), sum(m.fail)) < 0 OR (max(sum(m.success), sum(m.fail)) > 0 AND o.pruned = 0);

-- timeline
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id || ': its timeline does not add up to its counters'
FROM operation o LEFT JOIN timeline p ON p.operation = o.id
GROUP BY o.id
HAVING total(p.in_progress) <> o.in_progress OR total(p.success) <> o.success OR total(p.fail) <> o.fail;

-- upgrade_notification
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id || ': an upgrade, ' || u.id || ', whose notification '
    || u.seq || ' is gone or of another operation'
FROM upgrade u JOIN operation o ON o.id = u.operation AND o.pruned = 0
LEFT JOIN notification n ON n.seq = u.seq
WHERE n.seq IS NULL OR n.operation <> u.operation OR n.device <> u.device;

-- upgrade_step
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id || ': an upgrade, ' || u.id
    || ', whose last step, notification ' || u.step_seq || ', is gone or of another operation'
FROM upgrade u JOIN operation o ON o.id = u.operation AND o.pruned = 0
LEFT JOIN notification s ON s.seq = u.step_seq
WHERE u.step_seq IS NOT NULL AND (s.seq IS NULL OR s.operation <> u.operation OR s.device <> u.device);

-- upgrade_operation
SELECT 'upgrade ' || id || ' is of no operation'
FROM upgrade u WHERE NOT EXISTS (SELECT 1 FROM operation o WHERE o.id = u.operation);

-- upgrade_state: a result gives the state, and a state change means in progress; SQLite may end a text at a NUL
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id || ': device ' || u.device_id
    || ': its state is not what notification ' || n.seq || ' says'
FROM upgrade u JOIN operation o ON o.id = u.operation AND o.pruned = 0
JOIN notification n ON n.seq = u.seq
WHERE u.state <> CASE
        CASE json_extract(n.body, '$.notifyType')
        WHEN 'swUpgradeResultNotify' THEN json_extract(n.body, '$.swUpgradeResult')
        WHEN 'fwUpgradeResultNotify'
            THEN coalesce(nullif(json_extract(n.body, '$.status'), ''), json_extract(n.body, '$.Status'))
        END
        WHEN 'SUCCESS' THEN 1 WHEN 'FAIL' THEN 2 ELSE 0 END
    OR (u.state > 0
        AND u.contradictory <> ((u.state = 1) <>
            (json_extract(n.body, '$.curVersion') = json_extract(n.body, '$.targetVersion')))
        AND instr(n.body, '\u0000') = 0);

-- lookup_notification
SELECT 'lookup: an entry of notification ' || l.seq || ', which is gone or another'
FROM lookup l LEFT JOIN notification n ON n.seq = l.seq
WHERE n.seq IS NULL OR n.operation <> l.operation OR n.device <> l.device OR n.content <> l.content
    OR (l.operation = 0 AND (l.upgrade <> 0 OR l.sub_operation <> 0));

-- lookup_upgrade
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id || ': notification ' || n.seq || ' has no upgrade'
FROM lookup l JOIN operation o ON o.id = l.operation JOIN notification n ON n.seq = l.seq
LEFT JOIN upgrade u ON u.id = l.upgrade
WHERE u.id IS NULL AND o.pruned = 0;

-- lookup_ids
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id || ': lookup: notification ' || n.seq
    || ' is not of upgrade ' || u.id
FROM lookup l JOIN operation o ON o.id = l.operation JOIN notification n ON n.seq = l.seq
JOIN upgrade u ON u.id = l.upgrade
WHERE u.operation <> l.operation OR u.device <> l.device OR u.sub_operation <> l.sub_operation
    OR u.device_id IS NOT json_extract(n.body, '$.deviceId')
    OR u.sub_operation_id IS NOT json_extract(n.body, '$.subOperationId');

-- lookup_twice: there are as many entries as notifications, so each notification has one
SELECT 'lookup: notification ' || l.seq || ' is of two upgrades'
FROM lookup l CROSS JOIN lookup m ON m.operation = l.operation AND m.device = l.device
    AND m.sub_operation = l.sub_operation AND m.upgrade > l.upgrade AND m.content = l.content AND m.seq = l.seq;

-- lookup_place
SELECT 'lookup: upgrade ' || u.id || ' is not where its notification is'
FROM upgrade u JOIN notification n ON n.seq = u.seq
WHERE NOT EXISTS (SELECT 1 FROM lookup l WHERE l.operation = u.operation AND l.device = u.device
    AND l.sub_operation = u.sub_operation AND l.upgrade = u.id AND l.content = n.content AND l.seq = n.seq);

-- operation_times: in a copy of shared books, the last one may have come to another receiver before that
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id
    || ': its first and last notification were not received when it says'
FROM operation o
WHERE o.pruned = 0 AND o.first_at IS NOT NULL AND (
    (SELECT n.received_at = o.last_at OR (n.received_at < o.last_at
            AND EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'position'))
        FROM notification n WHERE n.seq = o.last_seq AND n.operation = o.id) IS NOT 1
    OR o.first_at IS NOT (SELECT n.received_at FROM notification n
        WHERE n.seq = (SELECT min(seq) FROM lookup WHERE operation = o.id)));

-- operation_none: an operation that no notification has named
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id || ': it has notifications, and does not say since when'
FROM operation o
WHERE o.first_at IS NULL AND EXISTS (SELECT 1 FROM lookup l WHERE l.operation = o.id);

-- expected_counts
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id || ': ' || o.planned || ' devices expected, ' || o.missing
    || ' missing; counted ' || c.planned || ', ' || c.missing
FROM (
    SELECT id, (SELECT count(*) FROM expected WHERE operation = o.id) AS planned,
        (SELECT count(*) FROM expected WHERE operation = o.id AND reported = 0) AS missing
    FROM operation o WHERE o.planned >= 0 AND o.pruned <> 1
) c JOIN operation o ON o.id = c.id
WHERE (o.planned, o.missing) <> (c.planned, c.missing);

-- expected_reported
SELECT 'operation ' || o.operation_id || ' of ' || o.app_id || ': device ' || e.device_id || ' has '
    || CASE e.reported WHEN 0 THEN 'reported, and is missing' ELSE 'not reported, and is not missing' END
FROM expected e JOIN operation o ON o.id = e.operation AND o.planned >= 0 AND o.pruned <> 1
WHERE e.reported <> EXISTS (SELECT 1 FROM lookup l CROSS JOIN upgrade u ON u.id = l.upgrade
    WHERE l.operation = e.operation AND l.device = e.device AND u.device_id = e.device_id);

-- asked_operation
SELECT 'the platform was asked of an operation ' || operation || ', which is not there' FROM asked a
WHERE NOT EXISTS (SELECT 1 FROM operation o WHERE o.id = a.operation);

-- expected_operation
SELECT 'device ' || device_id || ' is expected in no operation' FROM expected e
WHERE NOT EXISTS (SELECT 1 FROM operation o WHERE o.id = e.operation AND o.planned IS NOT NULL);

-- cursor_end
SELECT 'application ' || name || ' was told ' || cursor.seq || ' of ' || totals.seq || ' notifications'
FROM cursor, totals WHERE cursor.seq > totals.seq;

-- cursor_life
SELECT 'application ' || name || ' was told a notification ' || cursor.seq || ' of another life'
FROM cursor, totals
WHERE cursor.seq BETWEEN 1 AND totals.seq
    AND life IS NOT (SELECT id FROM life WHERE first_seq <= cursor.seq ORDER BY first_seq DESC LIMIT 1);

-- gaps: seqs have no gaps, and pruning starts at the lowest
SELECT 'notification ' || first || ' is missing' FROM (
    SELECT min(s.seq) + 1 AS first FROM (
        SELECT pruned_seq AS seq FROM totals
        UNION ALL
        SELECT n.seq FROM notification n, totals t WHERE n.seq > t.pruned_seq
    ) s, totals t
    WHERE s.seq < t.seq AND NOT EXISTS (SELECT 1 FROM notification m WHERE m.seq = s.seq + 1)
) WHERE first IS NOT NULL;

-- life_none
SELECT 'life: none for notification ' || min(seq) FROM notification
WHERE seq < (SELECT coalesce(min(first_seq), 9223372036854775807) FROM life)
HAVING min(seq) IS NOT NULL;

-- life_empty
SELECT 'life: ' || id || ' has no notification' FROM life, totals WHERE first_seq > totals.seq;

-- life_twice
SELECT 'life: more than one has the same id' FROM life GROUP BY id HAVING count(*) > 1;

-- journal_notification: an entry has its notification
SELECT 'journal: the notification of entry ' || j.number || ', ' || j.seq || ', is gone'
FROM journal j LEFT JOIN notification n ON n.seq = j.seq WHERE j.seq IS NOT NULL AND n.seq IS NULL;

-- journal_gaps
SELECT 'journal: it has ' || count(*) || ' entries from ' || min(j.number) || ' to ' || s.number
FROM journal j, journal_state s HAVING count(*) > 0 AND count(*) <> s.number - min(j.number) + 1;

-- journal_life_none
SELECT 'journal: no life for entry ' || min(number) FROM journal
WHERE number < (SELECT coalesce(min(first_number), 9223372036854775807) FROM journal_life)
HAVING min(number) IS NOT NULL;

-- time_index: each row covers 1,024 notifications (STORE_TIME_INDEX_BITS)
SELECT 'notification ' || n.seq || ' was not received when the time index says'
FROM notification n LEFT JOIN time_index s ON s.id = n.seq >> 10
WHERE s.id IS NULL OR n.received_at NOT BETWEEN s.first_at AND s.last_at;
