-- What does not add up in a store that is attached as `books`, a row each: its counters against a
-- recount of the notifications, all of them results of software upgrades, and its file. A receiver may
-- write meanwhile: one transaction reads one state.
BEGIN;
CREATE TEMP TABLE result AS SELECT seq, appId, operationId, subOperationId, deviceId,
  json_extract(body, '$.swUpgradeResult') AS state, json_extract(body, '$.errorCode') AS errorCode,
  (json_extract(body, '$.swUpgradeResult') = 'SUCCESS') <>
  (json_extract(body, '$.curVersion') = json_extract(body, '$.targetVersion')) AS contradictory
  FROM books.notifications WHERE notifyType = 'swUpgradeResultNotify';
CREATE TEMP TABLE last AS SELECT max(seq) AS seq, appId, operationId, subOperationId, deviceId,
  state, errorCode, contradictory FROM result GROUP BY 2, 3, 4, 5;
CREATE TEMP VIEW counted AS SELECT appId, operationId, sum(state = 'SUCCESS') AS success,
  sum(state = 'FAIL') AS fail, sum(contradictory) AS contradictory FROM last GROUP BY 1, 2;
CREATE TEMP VIEW failed AS SELECT appId, operationId, errorCode, count(*) AS count
  FROM last WHERE state = 'FAIL' GROUP BY 1, 2, 3;
.mode tabs
SELECT 'operation', * FROM (SELECT * FROM counted EXCEPT
  SELECT appId, operationId, success, fail, contradictory FROM books.operations) LIMIT 3;
SELECT 'surplus operation', * FROM (SELECT appId, operationId, success, fail, contradictory
  FROM books.operations EXCEPT SELECT * FROM counted) LIMIT 3;
SELECT 'failure', * FROM (SELECT * FROM failed EXCEPT
  SELECT appId, operationId, errorCode, count FROM books.failures) LIMIT 3;
SELECT 'surplus failure', * FROM (SELECT appId, operationId, errorCode, count FROM books.failures
  EXCEPT SELECT * FROM failed) LIMIT 3;
SELECT 'upgrade', * FROM (SELECT seq, appId, operationId, subOperationId, deviceId, state, errorCode,
  contradictory FROM last EXCEPT SELECT seq, appId, operationId, subOperationId, deviceId, state,
  errorCode, contradictory FROM books.upgrades) LIMIT 3;
SELECT 'surplus upgrades', (SELECT count(*) FROM books.upgrades), (SELECT count(*) FROM last)
  WHERE (SELECT count(*) FROM books.upgrades) <> (SELECT count(*) FROM last);
SELECT 'inProgress', * FROM books.operations WHERE inProgress <> 0 LIMIT 3;
SELECT 'unsound', integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok' LIMIT 3;
