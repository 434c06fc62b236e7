<?php
// A receiver of upgrade notifications to measure against. Of what a request opens, FPM keeps the
// connection to the store for the next one (persistent), but no statement.

declare(strict_types=1);

const NOTIFY = 'INSERT INTO notifications
        (receivedAt, notifyType, appId, deviceId, operationId, subOperationId, body, hash)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET deliveries = deliveries + 1
    RETURNING seq, deliveries';
const FIND = 'SELECT state FROM upgrades
    WHERE appId = ? AND operationId = ? AND subOperationId = ? AND deviceId = ?';
const SET = 'INSERT INTO upgrades (appId, operationId, subOperationId, deviceId, state, seq)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET state = excluded.state, seq = excluded.seq';
const COUNT = 'INSERT INTO counters (appId, operationId, state, upgrades) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET upgrades = upgrades + excluded.upgrades';

function answer(int $status, string $result): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo '{"result":"', $result, "\"}\n";
    exit;
}

/** Runs a statement and gives its first row, or null. */
function one(PDO $store, string $sql, array $values): ?array
{
    $statement = $store->prepare($sql);
    foreach ($values as $i => $value) {
        $type = is_int($value) ? PDO::PARAM_INT : ($sql === NOTIFY && $i === 7 ? PDO::PARAM_LOB : PDO::PARAM_STR);
        $statement->bindValue($i + 1, $value, $type);
    }
    $statement->execute();
    // All rows: an INSERT with RETURNING has finished only then.
    return $statement->fetchAll(PDO::FETCH_NUM)[0] ?? null;
}

/** Keeps a notification in the transaction under way; true: it was a repeat. */
function keep(PDO $store, array $row, array $key, string $state): bool
{
    [$seq, $deliveries] = one($store, NOTIFY, $row);
    if ($deliveries > 1) {
        return true;
    }
    $before = one($store, FIND, $key)[0] ?? null;
    // No result is given up for a state change.
    if ($before !== null && $before !== 'IN_PROGRESS' && $state === 'IN_PROGRESS') {
        return false;
    }
    one($store, SET, [...$key, $state, $seq]);
    if ($before !== $state) {
        [$app, $operation] = $key;
        if ($before !== null) {
            one($store, COUNT, [$app, $operation, $before, -1]);
        }
        one($store, COUNT, [$app, $operation, $state, 1]);
    }
    return false;
}

if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    header('Allow: POST');
    answer(405, 'POST only');
}
$body = file_get_contents('php://input');
$members = json_decode($body, true);
if (!is_array($members)) {
    answer(400, 'no JSON object');
}
foreach (['notifyType', 'deviceId', 'operationId'] as $name) {
    if (!is_string($members[$name] ?? null)) {
        answer(400, "$name missing");
    }
}
$optional = fn (string $name): string => is_string($members[$name] ?? null) ? $members[$name] : '';
$key = [$optional('appId'), $members['operationId'], $optional('subOperationId'), $members['deviceId']];
$row = [
    (int) (microtime(true) * 1000), $members['notifyType'], $key[0], $members['deviceId'],
    $members['operationId'], $key[2], $body, substr(hash('sha256', $body, true), 0, 16),
];
$result = $members['swUpgradeResult'] ?? $members['status'] ?? null;
$state = in_array($result, ['SUCCESS', 'FAIL'], true) ? $result : 'IN_PROGRESS';

try {
    $data = getenv('DATA');
    $store = new PDO("sqlite:$data/store.db", null, null, [
        PDO::ATTR_PERSISTENT => true,
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::ATTR_TIMEOUT => 10,
    ]);
    $store->exec('PRAGMA synchronous = FULL');
    // SQLite's own waiting for the writer before sleeps and looks again; this wakes up at once.
    $turn = fopen("$data/turn", 'c');
    flock($turn, LOCK_EX);
    $store->exec('BEGIN IMMEDIATE');
    $repeated = keep($store, $row, $key, $state);
    $store->exec('COMMIT');
    flock($turn, LOCK_UN);
} catch (Throwable $fault) {
    error_log($fault->getMessage());
    try {
        isset($store) && $store->exec('ROLLBACK');
    } catch (PDOException) {
        // There was nothing to roll back.
    }
    header('Retry-After: 1');
    answer(503, 'cannot be kept');
}
answer(200, $repeated ? 'repeated' : 'stored');
