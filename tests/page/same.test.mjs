/* The mock says what the receiver says: the same operation, pushed to the receiver and put into the
 * mock's books, gives the same documents, heads, refusals and pages. So what a test sees of the mock is
 * what there is. */

import assert from 'node:assert/strict';
import { Books, operation } from './books.mjs';
import { until, test, withMock } from './lib.mjs';
import { get, push, shared } from './serve.mjs';

const IDS = { operationId: 'same-operation', appId: 'same' };
const ASKED = `operationId=${IDS.operationId}&appId=${IDS.appId}`;

/* As little as leads to the state that the books give. */
function bodyOf({ state, step, ...one }) {
  const { appId, operationId, subOperationId, deviceId } = one;
  const ids = { deviceId, appId, operationId, subOperationId };
  if (state === 'IN_PROGRESS')
    return { notifyType: 'swUpgradeStateChangeNotify', ...ids, swUpgradeState: step };
  const { curVersion, targetVersion, sourceVersion, upgradeTime, resultDesc, errorCode, description } = one;
  return {
    notifyType: 'swUpgradeResultNotify',
    ...ids,
    curVersion,
    targetVersion,
    sourceVersion,
    swUpgradeResult: state,
    upgradeTime,
    resultDesc,
    errorCode,
    description,
  };
}

async function both(t) {
  const books = new Books();
  const at = Date.now();
  books.add(
    operation({ ...IDS, devices: 120, began_ms: at - 20000, spent_ms: 9000, whole_ms: 12000, fails: 0.4, odd: 0.1 }),
  );
  const [{ upgrades }] = books.operations;
  for (const state of ['SUCCESS', 'FAIL', 'IN_PROGRESS'])
    assert.ok(upgrades.filter(one => one.state === state).length > 10, state);
  const news = { notifyType: 'deviceDeleted', deviceId: 'same-news', gatewayId: null };
  books.news.set('same-news', [{ seq: 1, receivedAt: new Date(at).toISOString(), deliveries: 1, body: news }]);
  books.quarantineBodies(1);
  const mock = await withMock(t, books);
  const served = await shared();
  const answers = await push(
    served,
    [...upgrades.map(bodyOf), news, {}].map(body => JSON.stringify(body)),
  );
  assert.ok(answers.every(({ status }) => status === 200));
  /* A receiver that knows how operations go tells more. */
  const { operations } = JSON.parse((await get(served, 'overview.json?limit=1')).text);
  if (operations[0].state !== undefined) books.campaign();
  return {
    upgrades,
    campaign: books.more !== null,
    ask: async (path, headers = {}) => [
      await get({ url: mock.url }, path, headers),
      await get(served, path, headers),
    ],
  };
}

/* Without what can differ: times, numbers, and an order that means nothing. */
function plain(value, name = '') {
  if (Array.isArray(value)) {
    const all = value.map(one => plain(one, name));
    return all.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([member, one]) => [member, plain(one, member)]));
  if (/At$|^at$|^seq$|^next$/.test(name) && value !== null) return name;
  return value;
}

/* Members and types alone; of a list, those of its first element. */
function shape(value) {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([member, one]) => [member, shape(one)]));
  return value === null ? 'null' : typeof value;
}

const HEADS = [
  'content-type',
  'cache-control',
  'x-content-type-options',
  'content-security-policy',
  'referrer-policy',
];
const headOf = ({ status, headers }) => ({
  status,
  ...Object.fromEntries(HEADS.map(name => [name, headers[name]])),
  etag: headers.etag === undefined ? undefined : /^"[0-9a-f]{32}"$/.test(headers.etag),
  date: !Number.isNaN(Date.parse(headers.date)),
});

test('each document is that of the receiver, and so is its head', async t => {
  const { ask, upgrades, campaign } = await both(t);
  const someone = upgrades.find(one => one.state === 'FAIL').deviceId;
  /* Documents of this operation alone. */
  for (const path of [
    `upgrades.json?${ASKED}&limit=1000`,
    `upgrades.json?${ASKED}&state=FAIL&errorCode=4`,
    `upgrades.json?${ASKED}&contradictory=1`,
    `failures.json?${ASKED}&limit=1000`,
    'search.json?q=same-op',
    'search.json?q=same-news',
    'search.json?q=same-nothing',
    ...(campaign ? [`operations.json?appId=same&q=same-op&state=running`, `missing.json?${ASKED}`] : []),
  ]) {
    const [mocked, real] = await ask(path);
    assert.deepEqual(headOf(mocked), headOf(real), path);
    assert.deepEqual(plain(JSON.parse(mocked.text)), plain(JSON.parse(real.text)), path);
  }
  {
    const path = `operation.json?${ASKED}&longerThan=1`;
    const [mocked, real] = await until('all are stuck, and the operation has stalled', async () => {
      const asked = await ask(path);
      const [mock, receiver] = asked.map(({ text }) => JSON.parse(text));
      return mock.stuck.count === receiver.stuck.count && mock.state === receiver.state && asked;
    });
    assert.deepEqual(headOf(mocked), headOf(real), path);
    const [{ progress, stuck, ...rest }, is] = [JSON.parse(mocked.text), JSON.parse(real.text)];
    const { progress: isProgress, stuck: isStuck, ...isRest } = is;
    assert.deepEqual(plain(rest), plain(isRest));
    assert.deepEqual(shape(progress), shape(isProgress));
    assert.deepEqual(plain(progress.points.at(-1)), plain(isProgress.points.at(-1)));
    assert.deepEqual(shape(stuck), shape(isStuck));
    assert.deepEqual([stuck.count, stuck.upgrades.length], [isStuck.count, isStuck.upgrades.length]);
  }

  /* Documents in which others are, too: this operation, and the shape of the rest. */
  for (const path of [
    'overview.json?limit=1000',
    'quarantine.json',
    ...(campaign ? ['errors.json'] : []),
    `device.json?deviceId=${someone}`,
    'device.json?deviceId=same-news',
  ]) {
    const [mocked, real] = await ask(path);
    assert.deepEqual(headOf(mocked), headOf(real), path);
    const [is, should] = [JSON.parse(mocked.text), JSON.parse(real.text)];
    if (should.operations !== undefined) {
      const mine = ({ operations }) => plain(operations.find(one => one.operationId === IDS.operationId));
      assert.deepEqual(mine(is), mine(should));
    }
    for (const one of [is, should]) delete one.next; /* a text or null */
    if (path.startsWith('device')) {
      for (const one of [...is.history, ...should.history]) one.notifications.splice(1);
      for (const one of [...is.history, ...should.history])
        for (const note of one.notifications) note.deliveries = 1;
      /* Each of these tests sends the news. */
      for (const one of [...(is.news ?? []), ...(should.news ?? [])]) one.deliveries = 1;
      assert.deepEqual(plain(is), plain(should), path);
    } else {
      assert.deepEqual(shape(is), shape(should), path);
    }
  }
});

test('the page, what is unchanged, and what is refused come as from the receiver', async t => {
  const { ask } = await both(t);
  for (const path of [
    '',
    'app.js',
    'style.css',
    'icon.svg',
    'nothing',
    'search.json',
    'operation.json?operationId=same-nothing',
    'device.json?deviceId=same-nothing',
    'upgrades.json?operationId=same-nothing',
  ]) {
    const [mocked, real] = await ask(path);
    assert.deepEqual(headOf(mocked), headOf(real), path);
    if (mocked.status !== 200) {
      const [is, should] = [JSON.parse(mocked.text), JSON.parse(real.text)];
      assert.equal(is.status, should.status);
      assert.equal(typeof is.detail, typeof should.detail);
      continue;
    }
    assert.equal(mocked.text, real.text, path);
    const again = await Promise.all(
      [mocked, real].map(async ({ headers }, i) => (await ask(path, { 'If-None-Match': headers.etag }))[i]),
    );
    assert.deepEqual(headOf(again[0]), headOf(again[1]), path);
    assert.deepEqual(
      again.map(({ status, text }) => [status, text]),
      [
        [304, ''],
        [304, ''],
      ],
    );
  }
});

test('lists come in pages as from the receiver', async t => {
  const { ask, upgrades } = await both(t);
  for (const list of ['state=FAIL', 'state=SUCCESS', '']) {
    const walked = await Promise.all(
      [0, 1].map(async which => {
        const pages = [];
        for (let after = ''; after !== null;) {
          const path = `upgrades.json?${ASKED}&${list}${list && '&'}limit=20${after && `&after=${after}`}`;
          const page = JSON.parse((await ask(path))[which].text);
          pages.push(page.upgrades.map(one => one.deviceId));
          after = page.next;
        }
        return pages;
      }),
    );
    const [mocked, real] = walked;
    assert.deepEqual(
      mocked.map(page => page.length),
      real.map(page => page.length),
      list,
    );
    assert.deepEqual(mocked.flat().sort(), real.flat().sort(), list);
  }
  const { deviceId } = upgrades[0];
  const [mocked, real] = await ask(`device.json?deviceId=${deviceId}&limit=1&after=1.1`);
  assert.deepEqual(shape(JSON.parse(mocked.text)), shape(JSON.parse(real.text)));
});
