/* books: invented operations, devices, news and quarantine, and the documents that a receiver would
 * make of them. Plain lists, counted afresh for each document: what the page shows is compared with
 * these counts. */

/* The same numbers at each run. */
export function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export const iso = at_ms => new Date(at_ms).toISOString();

const CODES = [
  ['4', 'Low battery', 30],
  ['5', 'Not enough storage for the new firmware package', 22],
  ['1', 'Device in use', 17],
  ['10', 'Install failed', 11],
  ['', 'Waiting for the device online timeout', 8],
  ['9', 'Out of memory', 5],
  ['127', 'Internal error', 4],
  ['3', 'Connection lost during downloading process', 2],
  ['8', 'Integrity check failure for new downloaded package', 1],
];
const STEPS = ['downloading', 'downloaded', 'updating'];

function pick(random, choices) {
  let rest = random() * choices.reduce((sum, choice) => sum + choice.at(-1), 0);
  return choices.find(choice => (rest -= choice.at(-1)) < 0) ?? choices[0];
}

function uuid(random) {
  return 'xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx'.replace(/x/g, () => Math.floor(16 * random()).toString(16));
}

/* An operation of DEVICES devices that began at BEGAN and had SPENT milliseconds so far. Each device
 * begins within a third of WHOLE, and ends in time or never; LAG is how many of a thousand hang. */
export function operation({
  operationId,
  appId,
  devices,
  began_ms,
  spent_ms,
  whole_ms = spent_ms,
  fails = 0.06,
  lag = 10,
  odd = 0.004,
  seed = 1,
  codes = CODES,
}) {
  const random = chance(seed);
  const upgrades = [];
  for (let i = 0; i < devices; i++) {
    const start = began_ms + whole_ms * 0.75 * random() ** 1.3;
    const end = random() * 1000 < lag ? Infinity : start + whole_ms * (0.02 + 0.22 * random());
    const ends = random() < fails ? 'FAIL' : 'SUCCESS';
    const [errorCode, description] = ends === 'FAIL' ? pick(random, codes) : ['0', ''];
    const deviceId = uuid(random);
    const isOdd = random() < odd;
    const moves = pick(random, [
      ['1.3.8', 6],
      ['1.4.0', 3],
      ['1.2.11', 1],
    ]);
    if (start > began_ms + spent_ms) continue;
    const done = end <= began_ms + spent_ms;
    const state = done ? ends : 'IN_PROGRESS';
    const arrived = (ends === 'SUCCESS') !== isOdd;
    upgrades.push({
      appId,
      operationId,
      subOperationId: `${operationId}-${i}`,
      deviceId,
      state,
      step: done
        ? ''
        : STEPS[Math.min(2, Math.floor((3 * (began_ms + spent_ms - start)) / (whole_ms * 0.2)))],
      curVersion: done ? (arrived ? '1.5.0' : moves[0]) : '',
      targetVersion: done ? '1.5.0' : '',
      sourceVersion: done ? moves[0] : '',
      upgradeTime: done ? String(Math.round((end - start) / 1000)) : '',
      resultDesc: done ? (ends === 'FAIL' ? 'upgrade failed' : 'upgrade succeeded') : '',
      errorCode: done ? errorCode : '',
      description: done ? description : '',
      contradictory: done && isOdd,
      began_ms: Math.round(start),
      last_ms: Math.round(done ? end : Math.min(began_ms + spent_ms, start + whole_ms * 0.05)),
      seq: i + 1,
    });
  }
  return {
    operationId,
    appId,
    first_ms: Math.min(began_ms + spent_ms, ...upgrades.map(one => one.began_ms)),
    last_ms: Math.max(began_ms, ...upgrades.map(one => one.last_ms)),
    pruned: false,
    upgrades,
  };
}

const tally = upgrades => {
  const count = state => upgrades.filter(one => one.state === state).length;
  const [inProgress, success, fail] = [count('IN_PROGRESS'), count('SUCCESS'), count('FAIL')];
  return { inProgress, success, fail, contradictory: upgrades.filter(one => one.contradictory).length };
};

const QUIET_S = 3600; /* without a change: an operation is over, or stands */

const operationDocument = (one, more = null, quiet_s = QUIET_S) => {
  const counts = tally(one.upgrades);
  const finished = counts.success + counts.fail;
  return {
    appId: one.appId,
    operationId: one.operationId,
    ...counts,
    failureShare: finished === 0 ? null : +(counts.fail / finished).toFixed(4),
    firstAt: iso(one.first_ms),
    lastAt: iso(one.last_ms),
    pruned: one.pruned,
    ...more?.(one, counts, quiet_s),
  };
};

/* What a receiver tells that knows plans, notes and how operations go. */
const campaignMembers = now => (one, counts, quiet_s) => {
  const devices = new Set(one.upgrades.map(({ deviceId }) => deviceId));
  const missing = one.plan?.filter(deviceId => !devices.has(deviceId)).length ?? null;
  const isQuiet = now() - one.last_ms > 1000 * quiet_s;
  const isOpen = counts.inProgress > 0 || missing > 0;
  return {
    planned: one.plan?.length ?? null,
    missing,
    state: isOpen ? (isQuiet ? 'stalled' : 'running') : missing === 0 || isQuiet ? 'finished' : 'running',
    software: 'software',
    targetVersions: grouped(
      one.upgrades.filter(({ targetVersion }) => targetVersion !== ''),
      ({ targetVersion }) => targetVersion,
    )
      .slice(0, 3)
      .map(group => ({ version: group[0].targetVersion, count: group.length })),
    note: one.note ?? null,
  };
};

const upgradeDocument = ({ began_ms, last_ms, notes, seq, ...rest }) => ({
  ...rest,
  beganAt: iso(began_ms),
  lastAt: iso(last_ms),
  seq,
});

/* Groups, the largest first. */
function grouped(list, keyOf) {
  const groups = new Map();
  for (const one of list) {
    const key = keyOf(one);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].sort((a, b) => b.length - a.length);
}

function failuresOf(upgrades) {
  const failed = upgrades.filter(one => one.state === 'FAIL');
  return grouped(failed, one => one.errorCode).map(group => ({
    errorCode: group[0].errorCode,
    count: group.length,
    share: +(group.length / failed.length).toFixed(4),
    firstAt: iso(Math.min(...group.map(one => one.last_ms))),
    lastAt: iso(Math.max(...group.map(one => one.last_ms))),
    example: group[0].description,
  }));
}

function versionsOf(upgrades) {
  const told = upgrades.filter(one => one.state !== 'IN_PROGRESS');
  return grouped(told, one => JSON.stringify([one.sourceVersion, one.targetVersion])).map(group => ({
    from: group[0].sourceVersion,
    to: group[0].targetVersion,
    success: tally(group).success,
    fail: tally(group).fail,
  }));
}

/* As the receiver does it: a point at the end of each interval in which something changed. */
function progressOf({ first_ms, last_ms, upgrades }) {
  const intervalMs = Math.max(1000, Math.ceil((last_ms - first_ms + 1) / 240 / 1000) * 1000);
  const changes = new Map();
  const change = (at, member, by) => {
    const slot = Math.floor((at - first_ms) / intervalMs);
    const counts = changes.get(slot) ?? { inProgress: 0, success: 0, fail: 0 };
    counts[member] += by;
    changes.set(slot, counts);
  };
  for (const one of upgrades) {
    change(one.began_ms, 'inProgress', 1);
    if (one.state === 'IN_PROGRESS') continue;
    change(one.last_ms, 'inProgress', -1);
    change(one.last_ms, one.state === 'FAIL' ? 'fail' : 'success', 1);
  }
  const sum = { inProgress: 0, success: 0, fail: 0 };
  const points = [...changes.keys()]
    .sort((a, b) => a - b)
    .map(slot => {
      for (const member of Object.keys(sum)) sum[member] += changes.get(slot)[member];
      return { at: iso(Math.min(last_ms, first_ms + (slot + 1) * intervalMs)), ...sum };
    });
  return { intervalMs, points };
}

/* A page of LIST behind the token AFTER (here simply how many came before). */
function paged(list, { after, limit }, fallback = 50) {
  const from = Number(after ?? 0);
  const most = Number(limit ?? fallback);
  return [list.slice(from, from + most), from + most < list.length ? String(from + most) : null];
}

export class NotFound extends Error {}
export class Misused extends Error {}

export class Books {
  constructor({ now = () => Date.now() } = {}) {
    this.now = now;
    this.more = null; /* campaign() */
    this.operations = [];
    this.news = new Map();
    this.quarantine = [];
    this.full = { fullSince: null, unknownFullSince: null };
    this.totals = { notifications: 0, repeats: 0, quarantined: 0, quarantineLogOnly: 0 };
    this.applications = [];
    this.shared = null; /* what several receivers share */
    this.receiver = {
      version: '0.1.0',
      pid: 4711,
      storeFault: null,
      logLinesDropped: 0,
      refusedInARow: 0,
      nearMisses: 0,
      quarantineMax: 10000,
      quarantineBytesMax: 67108864,
    };
  }

  /* From now on as a receiver that knows plans, notes and how operations go. */
  campaign() {
    this.more = campaignMembers(this.now);
    return this;
  }

  add(...operations) {
    this.operations.push(...operations);
    for (const { upgrades } of operations) this.totals.notifications += upgrades.length * 3;
    return this;
  }

  quarantineBodies(count, bytes = 65, reason = 'notifyType unknown', pointer = '/notifyType') {
    for (let i = 0; i < count; i++)
      this.quarantine.push({
        id: this.quarantine.length + 1,
        receivedAt: iso(this.now()),
        reason,
        pointer,
        bytes,
        body: '{"notifyType":"another"}',
      });
    this.totals.quarantined += count;
  }

  named(operationId, appId) {
    const found = this.latest().filter(one => one.operationId === operationId);
    const chosen = found.find(one => appId === undefined || one.appId === appId);
    if (chosen === undefined) throw new NotFound(`no operation '${operationId}'`);
    return [chosen, found.filter(one => one !== chosen).map(one => one.appId)];
  }

  latest() {
    return [...this.operations].sort((a, b) => b.last_ms - a.last_ms);
  }

  bytesHeld() {
    return this.quarantine.reduce((sum, body) => sum + body.bytes, 0);
  }

  overview(query) {
    const all = this.operations.flatMap(one => one.upgrades);
    const [page, next] = paged(this.latest(), query);
    return {
      seq: this.totals.notifications,
      token: `0123456789abcdef:${this.totals.notifications}`,
      lastAt: this.operations.length === 0 ? null : iso(Math.max(...this.operations.map(one => one.last_ms))),
      totals: this.totals,
      upgrades: tally(all),
      quarantine: { held: this.quarantine.length, bytes: this.bytesHeld(), ...this.full },
      applications: this.applications,
      receiver: this.receiver,
      books: this.shared,
      operations: page.map(one => operationDocument(one, this.more)),
      next,
    };
  }

  /* operations.json: those that are like that, in an order. */
  found({ state, appId, failAbove, since, until, sort, q, ...query }) {
    const share = ({ failureShare }) => failureShare ?? -1;
    const all = this.latest()
      .map(one => operationDocument(one, this.more))
      .filter(
        one =>
          (state === undefined || one.state === state) &&
          (appId === undefined || one.appId === appId) &&
          (failAbove === undefined || share(one) > Number(failAbove)) &&
          (since === undefined || one.lastAt >= since) &&
          (until === undefined || one.lastAt < until) &&
          (q === undefined || one.operationId.startsWith(q)),
      );
    if (sort === 'failures') all.sort((a, b) => share(b) - share(a));
    if (sort === 'name') all.sort((a, b) => (a.operationId < b.operationId ? -1 : 1));
    const [operations, next] = paged(all, query);
    return { operations, next };
  }

  errors(query) {
    const failed = this.operations.flatMap(one => one.upgrades.filter(({ state }) => state === 'FAIL'));
    const [errors, next] = paged(
      grouped(failed, one => one.errorCode).map(group => ({
        errorCode: group[0].errorCode,
        count: group.length,
        operations: new Set(group.map(({ operationId }) => operationId)).size,
        example: group[0].description,
      })),
      query,
    );
    return { errors, next };
  }

  missing({ operationId, appId, ...query }) {
    const [one] = this.named(operationId, appId);
    const { plan, upgrades } = one;
    const reported = new Set(upgrades.map(({ deviceId }) => deviceId));
    const [devices, next] = paged(
      (plan ?? []).filter(deviceId => !reported.has(deviceId)).map(deviceId => ({ deviceId })),
      query,
    );
    return { ...operationDocument(one, this.more), devices, next };
  }

  stuck(upgrades, seconds) {
    return upgrades
      .filter(one => one.state === 'IN_PROGRESS' && one.began_ms < this.now() - 1000 * seconds)
      .sort((a, b) => a.began_ms - b.began_ms);
  }

  operation({ operationId, appId, longerThan = 3600 }) {
    const [one, alsoIn] = this.named(operationId, appId);
    const failures = failuresOf(one.upgrades);
    const versions = versionsOf(one.upgrades);
    const stuck = this.stuck(one.upgrades, longerThan);
    return {
      ...operationDocument(one, this.more, longerThan),
      platform: one.platform ?? null,
      alsoIn,
      failures: failures.slice(0, 50),
      failuresMore: failures.length > 50,
      versions: versions.slice(0, 20),
      versionsMore: versions.length > 20,
      progress: progressOf(one),
      stuck: {
        longerThan: Number(longerThan),
        count: Math.min(100, stuck.length),
        more: stuck.length > 100,
        upgrades: stuck.slice(0, 10).map(upgradeDocument),
      },
    };
  }

  listed({ operationId, appId, state, errorCode, contradictory, longerThan }) {
    const { upgrades } = this.named(operationId, appId)[0];
    const among = longerThan === undefined ? upgrades : this.stuck(upgrades, longerThan);
    return among.filter(
      one =>
        (state === undefined || one.state === state) &&
        (errorCode === undefined || one.errorCode === errorCode) &&
        (contradictory === undefined || one.contradictory),
    );
  }

  upgrades(query) {
    const [page, next] = paged(this.listed(query), query);
    return { upgrades: page.map(upgradeDocument), next };
  }

  failures(query) {
    const [page, next] = paged(this.listed({ ...query, state: 'FAIL' }), query);
    return { failures: page.map(upgradeDocument), next };
  }

  device({ deviceId, ...query }) {
    const mine = this.latest().flatMap(one => one.upgrades.filter(upgrade => upgrade.deviceId === deviceId));
    const news = this.news.get(deviceId) ?? [];
    if (mine.length + news.length === 0) throw new NotFound(`no device '${deviceId}'`);
    const [page, next] = paged(mine, query);
    return {
      deviceId,
      history: page.map(one => ({ ...upgradeDocument(one), notifications: one.notes ?? notesOf(one) })),
      news: query.after === undefined ? news : [],
      next,
    };
  }

  search({ q, limit }) {
    if (q === undefined || q === '') throw new Misused('q is missing');
    const upgrades = this.operations.flatMap(one => one.upgrades).filter(one => one.deviceId === q).length;
    return {
      operations: this.latest()
        .filter(one => one.operationId.startsWith(q))
        .slice(0, Number(limit ?? 50))
        .map(one => operationDocument(one, this.more)),
      device: upgrades > 0 || this.news.has(q) ? { deviceId: q, upgrades } : null,
    };
  }

  quarantined({ reason, ...query }) {
    const all = this.quarantine.filter(body => reason === undefined || body.reason === reason);
    const [bodies, next] = paged(all, query);
    const reasons = grouped(this.quarantine, body => body.reason).map(group => ({
      reason: group[0].reason,
      count: group.length,
    }));
    return {
      held: this.quarantine.length,
      bytes: this.bytesHeld(),
      ...this.full,
      ...(this.more && { reasons }),
      bodies,
      next,
    };
  }
}

function notesOf({ began_ms, last_ms, seq, state, ...ids }) {
  const { appId, operationId, subOperationId, deviceId } = ids;
  const common = { deviceId, appId, operationId, subOperationId };
  const steps = [
    ['downloading', began_ms],
    ['downloaded', began_ms + (last_ms - began_ms) * 0.6],
  ];
  const notes = steps.map(([swUpgradeState, at], i) => ({
    seq: seq * 3 + i,
    receivedAt: iso(at),
    deliveries: 1,
    body: { notifyType: 'swUpgradeStateChangeNotify', ...common, swUpgradeState },
  }));
  if (state !== 'IN_PROGRESS') {
    const { curVersion, targetVersion, sourceVersion, upgradeTime, resultDesc, errorCode, description } = ids;
    notes.push({
      seq: seq * 3 + 2,
      receivedAt: iso(last_ms),
      deliveries: 2,
      body: {
        notifyType: 'swUpgradeResultNotify',
        ...common,
        curVersion,
        targetVersion,
        sourceVersion,
        swUpgradeResult: state,
        upgradeTime,
        resultDesc,
        errorCode,
        description,
      },
    });
  }
  return notes.reverse();
}

const MINUTE = 60000;
const HOUR = 60 * MINUTE;

/* A fleet as an operator might find it on a working day. */
export function workingDay(now) {
  const books = new Books({ now });
  const at = now();
  const meters = 'k8Vd0a2mXw3RzqYfT1bPn5sLhC4e';
  const gateways = 'Zt71-gatewaysEU_7HqL0pPx92aa';
  books.add(
    operation({
      operationId: 'fw-1.5.0-meters-wave2',
      appId: meters,
      devices: 5000,
      began_ms: at - 95 * MINUTE,
      spent_ms: 95 * MINUTE - 3000,
      whole_ms: 130 * MINUTE,
      fails: 0.07,
      lag: 18,
      seed: 7,
    }),
    operation({
      operationId: 'gateway-hotfix-2211',
      appId: gateways,
      devices: 140,
      began_ms: at - 26 * MINUTE,
      spent_ms: 26 * MINUTE - 41000,
      whole_ms: 60 * MINUTE,
      fails: 0.38,
      lag: 30,
      seed: 11,
    }),
    operation({
      operationId: 'fw-1.5.0-meters-wave1',
      appId: meters,
      devices: 800,
      began_ms: at - 27 * HOUR,
      spent_ms: 5 * HOUR,
      fails: 0.04,
      lag: 0,
      odd: 0.01,
      seed: 5,
    }),
    operation({
      operationId: 'fw-1.5.0-canary',
      appId: meters,
      devices: 25,
      began_ms: at - 52 * HOUR,
      spent_ms: HOUR,
      fails: 0,
      lag: 0,
      odd: 0,
      seed: 3,
    }),
    operation({
      operationId: 'sensor-battery-profile',
      appId: gateways,
      devices: 1260,
      began_ms: at - 9 * 24 * HOUR,
      spent_ms: 7 * HOUR,
      fails: 0.012,
      lag: 4,
      seed: 13,
    }),
    operation({
      operationId: '2e0c7d1b-7b0f-4a4e-9d0e-5a6a1f0c9be1',
      appId: meters,
      devices: 312,
      began_ms: at - 30 * 24 * HOUR,
      spent_ms: 3 * HOUR,
      fails: 0.09,
      lag: 0,
      seed: 17,
    }),
  );
  books.totals.repeats = 318;
  books.quarantineBodies(3);
  books.applications.push({ name: 'failures', cursor: books.totals.notifications, backlog: 0 });
  return books;
}
