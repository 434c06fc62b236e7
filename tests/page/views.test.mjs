/* Each view shows what its documents say. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Books, iso, operation, workingDay } from './books.mjs';
import { done, figuresOf, number, open, place, rowsOf, test, text, until, withMock } from './lib.mjs';
import { push, shared } from './serve.mjs';

/* The books stand in another year than this machine: times must come from the answers' Date. */
const at = Date.parse('2031-05-06T14:30:00Z');
const begun = Date.now();
const now = () => at + Date.now() - begun;

const count = (upgrades, check) => upgrades.filter(check).length;
const counts = upgrades => ({
  success: count(upgrades, one => one.state === 'SUCCESS'),
  fail: count(upgrades, one => one.state === 'FAIL'),
  inProgress: count(upgrades, one => one.state === 'IN_PROGRESS'),
  contradictory: count(upgrades, one => one.contradictory),
});

test('the overview shows all operations with their counts, the latest changed first', async t => {
  const mock = await withMock(t, workingDay(now));
  const page = await open(mock.url);
  await page.getByRole('heading', { level: 1, name: 'Operations' }).waitFor();
  await page.locator('table.operations').waitFor();
  const rows = await rowsOf(page.locator('table.operations'));
  const operations = mock.books.latest();
  assert.equal(rows.length, operations.length);
  for (const [i, one] of operations.entries()) {
    const { success, fail, inProgress, contradictory } = counts(one.upgrades);
    const [name, devices, failureShare, last] = rows[i];
    assert.equal(name, `${one.operationId} app ${one.appId}`);
    assert.equal(
      devices,
      `${number(success)} success ${number(fail)} fail ${number(inProgress)} in progress${contradictory > 0 ? ` ${number(contradictory)} contradictory` : ''}`,
    );
    const expected = (100 * fail) / (success + fail);
    assert.equal(failureShare, `${expected < 10 ? +expected.toFixed(1) : Math.round(expected)}%`);
    assert.match(last, /^(\d+ (sec|min|hrs?|days) ago|just now) began \d+ (sec|min|hrs?|days) ago$/);
  }
  const all = counts(operations.flatMap(one => one.upgrades));
  const figures = await figuresOf(page);
  assert.deepEqual(figures, {
    'In progress': number(all.inProgress),
    Success: number(all.success),
    Fail: number(all.fail),
    Contradictory: number(all.contradictory),
    Notifications: number(mock.books.totals.notifications),
  });
  assert.equal(
    await page.locator('table.operations tr:first-child .bar').getAttribute('aria-label'),
    `${number(counts(operations[0].upgrades).success)} success, ${number(counts(operations[0].upgrades).fail)} fail, ${number(counts(operations[0].upgrades).inProgress)} in progress`,
  );
  assert.match(
    await text(page.locator('#fresh')),
    /^Live Last notification \d+ sec ago Updated (just now|\d+ sec ago) Pause$/,
  );
  assert.match(await text(page.locator('.narrow')), /All is well, nothing was lost\./);
  await done(page);
});

test('the parts of a bar are as wide as their counts, and a small one can be seen', async t => {
  const books = new Books({ now });
  const one = operation({
    operationId: 'o',
    appId: 'a',
    devices: 2000,
    began_ms: at - 7200000,
    spent_ms: 3600000,
    fails: 0,
    lag: 0,
    odd: 0,
  });
  one.upgrades[0].state = 'FAIL';
  for (const upgrade of one.upgrades.slice(1, 501)) upgrade.state = 'IN_PROGRESS';
  const mock = await withMock(t, books.add(one));
  const page = await open(mock.url);
  await page.locator('table.operations .bar').waitFor();
  const bar = await page.locator('table.operations .bar').boundingBox();
  const part = async name =>
    (await page.locator(`table.operations .bar rect.${name}`).boundingBox()).width / bar.width;
  assert.ok(Math.abs((await part('SUCCESS')) - 1499 / 2000) < 0.01);
  assert.ok(Math.abs((await part('IN_PROGRESS')) - 500 / 2000) < 0.01);
  assert.ok((await part('FAIL')) * bar.width >= 2);
  await done(page);
});

test('operations come in pages', async t => {
  const books = new Books({ now });
  for (let i = 0; i < 60; i++)
    books.add(
      operation({
        operationId: `op-${i}`,
        appId: 'a',
        devices: 2,
        began_ms: at - 3600000 * (i + 2),
        spent_ms: 3600000,
        lag: 0,
        seed: i,
      }),
    );
  const mock = await withMock(t, books);
  const page = await open(mock.url);
  const table = page.locator('table.operations');
  const seen = [];
  for (let pages = 1; ; pages++) {
    await table.waitFor();
    seen.push(...(await rowsOf(table)).map(([name]) => name.split(' ')[0]));
    const next = page.getByRole('link', { name: 'Next page' });
    if ((await next.count()) === 0) break;
    const first = (await rowsOf(table))[0][0];
    await next.click();
    await until(
      'the next page',
      async () => (await table.count()) > 0 && (await rowsOf(table))[0]?.[0] !== first,
    );
    assert.ok(pages < 5);
  }
  assert.deepEqual(
    seen,
    books.latest().map(one => one.operationId),
  );
  await page.getByRole('link', { name: 'First page' }).click();
  await until(
    'the first page',
    async () => (await table.count()) > 0 && (await rowsOf(table))[0]?.[0].startsWith('op-0 '),
  );
  await done(page);
});

test('an operation shows its counts, codes, versions and stuck devices as a plain count gives them', async t => {
  const mock = await withMock(t, workingDay(now));
  const [one] = mock.books.operations;
  const page = await open(mock.url + place('operation', { operationId: one.operationId, appId: one.appId }));
  await page.locator('table.failures').waitFor();
  const { success, fail, inProgress, contradictory } = counts(one.upgrades);
  const figures = await figuresOf(page);
  assert.equal(figures.Success, number(success));
  assert.equal(figures.Fail, number(fail));
  assert.equal(figures['In progress'], number(inProgress));
  assert.equal(figures.Contradictory, number(contradictory));
  assert.equal(figures['Failure share'], `${+((100 * fail) / (success + fail)).toFixed(1)}%`);
  assert.ok(
    (await text(page.locator('main'))).includes(
      `${number(success + fail)} of ${number(one.upgrades.length)} upgrades`,
    ),
  );

  const codes = await rowsOf(page.locator('table.failures'));
  const failed = one.upgrades.filter(upgrade => upgrade.state === 'FAIL');
  assert.equal(
    codes.reduce((sum, [, n]) => sum + Number(n.replace(/,/g, '')), 0),
    fail,
  );
  for (const [code, n, , , example] of codes) {
    const those = failed.filter(upgrade => upgrade.errorCode === (code === 'no code' ? '' : code));
    assert.equal(n, number(those.length), `code ${code}`);
    assert.equal(example, those[0].description);
  }
  assert.deepEqual(
    codes.map(([, n]) => Number(n)),
    codes.map(([, n]) => Number(n)).sort((a, b) => b - a),
  );

  const versions = await rowsOf(page.locator('table.versions-table'));
  for (const [move, s, f] of versions) {
    const those = one.upgrades.filter(
      upgrade =>
        upgrade.state !== 'IN_PROGRESS' && `${upgrade.sourceVersion} → ${upgrade.targetVersion}` === move,
    );
    assert.deepEqual([s, f], [number(counts(those).success), number(counts(those).fail)], move);
  }
  assert.equal(versions.length, 3);

  const stuck = seconds =>
    count(
      one.upgrades,
      upgrade => upgrade.state === 'IN_PROGRESS' && upgrade.began_ms < now() - 1000 * seconds,
    );
  assert.match(await text(page.locator('section.stuck .verdict')), new RegExp(`^${stuck(3600)} upgrades`));
  await page.getByLabel('In progress for longer than').selectOption('900');
  await until('another choice', async () =>
    (await text(page.locator('section.stuck .verdict'))).startsWith(
      stuck(900) > 100 ? 'more than 100 upgrades' : `${stuck(900)} upgrades`,
    ),
  );
  assert.match(page.url(), /longerThan=900/);
  await done(page);
});

test('a bar of failures opens the list of its devices', async t => {
  const mock = await withMock(t, workingDay(now));
  const one = mock.books.operations[1];
  const page = await open(mock.url + place('operation', { operationId: one.operationId, appId: one.appId }));
  await page.locator('table.failures').getByRole('link', { name: 'no code' }).click();
  const without = one.upgrades.filter(upgrade => upgrade.state === 'FAIL' && upgrade.errorCode === '');
  await until(
    'the devices without a code',
    async () => (await rowsOf(page.locator('.devices-table'))).length === without.length,
  );
  assert.deepEqual(
    (await rowsOf(page.locator('.devices-table'))).map(([id]) => id),
    without.map(upgrade => upgrade.deviceId),
  );
  assert.equal(await page.evaluate(() => document.activeElement.id), 'devices', 'focus is at the list');
  assert.match(page.url(), /errorCode=(&|$)/);
  await page.locator('table.failures').getByRole('link', { name: '4', exact: true }).click();
  const four = one.upgrades.filter(upgrade => upgrade.errorCode === '4').length;
  await until(
    'the devices of code 4',
    async () => (await rowsOf(page.locator('.devices-table'))).length === four,
  );
  assert.equal(await page.locator('table.failures tr[aria-current]').count(), 1);
  await done(page);
});

test('lists of devices: by state, stuck and contradictory, in pages', async t => {
  const mock = await withMock(t, workingDay(now));
  const [one] = mock.books.operations;
  const page = await open(mock.url + place('operation', { operationId: one.operationId, appId: one.appId }));
  await page.locator('.devices-table').waitFor();
  const tab = name => page.getByRole('navigation', { name: 'Lists of upgrades' }).getByRole('link', { name });
  const listed = name =>
    until(
      `the list ${name}`,
      async () =>
        (await tab(name).getAttribute('aria-current')) === 'true' &&
        mock.requests.at(-1).status &&
        (await page.locator('.devices-table').count()) > 0,
    );

  await tab('Contradictory').click();
  const odd = one.upgrades.filter(upgrade => upgrade.contradictory);
  await until(
    'the contradictory ones',
    async () => (await rowsOf(page.locator('.devices-table'))).length === odd.length,
  );
  const rows = await rowsOf(page.locator('.devices-table'));
  assert.deepEqual(
    rows.map(([id]) => id),
    odd.map(upgrade => upgrade.deviceId),
  );
  for (const [i, [, state, versions]] of rows.entries()) {
    assert.match(state, /^(Success|Fail) contradictory$/);
    assert.equal(versions, `${odd[i].sourceVersion} → ${odd[i].targetVersion} reports ${odd[i].curVersion}`);
  }

  await tab('Stuck').click();
  await listed('Stuck');
  await until('stuck ones', async () =>
    /for \d+ hrs?/.test((await rowsOf(page.locator('.devices-table')))[0]?.[1] ?? ''),
  );
  const stuck = await rowsOf(page.locator('.devices-table'));
  assert.equal(
    stuck.length,
    count(one.upgrades, upgrade => upgrade.state === 'IN_PROGRESS' && upgrade.began_ms < now() - 3600000),
  );
  assert.ok(
    stuck.every(([, state]) => /^In progress · \w+ for 1 hr/.test(state)),
    JSON.stringify(stuck[0]),
  );

  await tab('Fail').click();
  await until(
    'the failed ones',
    async () => (await rowsOf(page.locator('.devices-table')))[0]?.[1] === 'Fail',
  );
  const failed = one.upgrades.filter(upgrade => upgrade.state === 'FAIL').map(upgrade => upgrade.deviceId);
  const seen = [];
  for (;;) {
    const last = Math.min(failed.length, seen.length + 50);
    const rows_ = `Rows ${seen.length + 1} to ${last} of ${failed.length}`;
    await until(rows_, async () => (await text(page.locator('.pager'))).startsWith(rows_));
    const ids = (await rowsOf(page.locator('.devices-table'))).map(([id]) => id);
    seen.push(...ids);
    const next = page
      .getByRole('navigation', { name: 'Pages of upgrades' })
      .getByRole('link', { name: 'Next page' });
    if ((await next.count()) === 0) break;
    await next.click();
    await until(
      'another page',
      async () => (await rowsOf(page.locator('.devices-table')))[0]?.[0] === failed[seen.length],
    );
  }
  assert.deepEqual(seen, failed);
  await done(page);
});

test('the CSV link gives all failures, however many there are, as Excel wants them', async () => {
  const served = await shared();
  const devices = Array.from({ length: 1100 }, (_, i) => `csv-${i}`); /* two pages of the store */
  const failed = deviceId => ({
    notifyType: 'swUpgradeResultNotify',
    deviceId,
    appId: 'csv',
    operationId: 'csv operation',
    subOperationId: 's',
    curVersion: '1',
    targetVersion: '2',
    sourceVersion: '1',
    swUpgradeResult: 'FAIL',
    upgradeTime: '1',
    resultDesc: '',
    errorCode: deviceId === 'csv-7' ? '5' : '4',
    description: '',
  });
  const answers = await push(
    served,
    devices.map(device => JSON.stringify(failed(device))),
  );
  assert.ok(answers.every(({ status }) => status === 200));
  const page = await open(served.url, { acceptDownloads: true, ignoreHTTPSErrors: true });
  for (const [errorCode, title, expected] of [
    [undefined, 'Failures as CSV', devices],
    ['5', 'These failures as CSV', ['csv-7']],
  ]) {
    await page.goto(
      served.url + place('operation', { operationId: 'csv operation', appId: 'csv', ...(errorCode && { errorCode }) }),
    );
    const waiting = page.waitForEvent('download');
    await page.getByRole('link', { name: title, exact: true }).click();
    const download = await waiting;
    assert.equal(download.suggestedFilename(), 'failures-csv_operation.csv');
    const lines = readFileSync(await download.path(), 'utf8').split('\r\n');
    assert.equal(lines.pop(), '');
    assert.match(lines.shift(), /^\ufeffappId,operationId,/);
    assert.deepEqual(lines.map(line => line.split(',')[3].replaceAll('"', '')).sort(), [...expected].sort());
  }
  await done(page);
});

test('the chart has a readable time axis, tells figures at the pointer, and stands as a table too', async t => {
  const mock = await withMock(t, workingDay(now));
  const [one] = mock.books.operations;
  const page = await open(mock.url + place('operation', { operationId: one.operationId, appId: one.appId }));
  await page.locator('svg.areas').waitFor();
  const { points } = mock.books.operation({ operationId: one.operationId }).progress;
  const last = points.at(-1);
  assert.ok(points.length > 100);
  assert.match(
    await page.locator('svg.areas').getAttribute('aria-label'),
    new RegExp(
      `At the end ${number(last.success)} success, ${number(last.fail)} fail, ${number(last.inProgress)} in progress`,
    ),
  );
  const ticks = await page
    .locator('svg.areas .tick text')
    .allInnerTexts()
    .then(all => (all[0] === undefined ? page.locator('svg.areas .tick text').allTextContents() : all));
  assert.ok(ticks.length >= 4 && ticks.length <= 12, ticks.join(' '));
  assert.ok(
    ticks.every(tick => /^\d\d:[0-5][05]$/.test(tick)),
    ticks.join(' '),
  );
  const boxes = await page
    .locator('svg.areas .tick text')
    .evaluateAll(all =>
      all.map(one_ => one_.getBoundingClientRect()).map(({ left, right }) => [left, right]),
    );
  for (let i = 1; i < boxes.length; i++)
    assert.ok(boxes[i][0] > boxes[i - 1][1], 'labels of the axis do not touch');

  const box = await page.locator('svg.areas').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await until('figures at the pointer', async () =>
    /^\d\d:\d\d:\d\d/.test(await text(page.locator('.legend'))),
  );
  const [, time, inProgress, fail, success] =
    /^(\S+) In progress ([\d,]+) Fail ([\d,]+) Success ([\d,]+)$/.exec(await text(page.locator('.legend')));
  const point = points.find(({ at: when }) => when.slice(11, 19) === time);
  assert.deepEqual(
    [inProgress, fail, success],
    [number(point.inProgress), number(point.fail), number(point.success)],
  );

  await page.getByText('The curve as a table').click();
  await page.locator('table.pace-table').waitFor();
  const rows = await rowsOf(page.locator('table.pace-table'));
  assert.equal(rows.length, points.length);
  assert.deepEqual(rows.at(-1).slice(1), [number(last.success), number(last.fail), number(last.inProgress)]);
  await done(page);
});

test('a curve is flat where nothing happened', async t => {
  const books = new Books({ now });
  const upgrade = (i, began_ms, last_ms) => ({
    appId: 'a',
    operationId: 'o',
    subOperationId: `s${i}`,
    deviceId: `d${i}`,
    state: 'SUCCESS',
    step: '',
    curVersion: '2',
    targetVersion: '2',
    sourceVersion: '1',
    upgradeTime: '',
    resultDesc: '',
    errorCode: '0',
    description: '',
    contradictory: false,
    began_ms,
    last_ms,
    seq: i + 1,
  });
  const upgrades = [upgrade(0, at - 3600000, at - 3590000), upgrade(1, at - 60000, at - 50000)];
  const mock = await withMock(
    t,
    books.add({
      operationId: 'o',
      appId: 'a',
      first_ms: at - 3600000,
      last_ms: at - 50000,
      pruned: false,
      upgrades,
    }),
  );
  const page = await open(mock.url + place('operation', { operationId: 'o' }));
  const edge = await page.locator('svg.areas .edge.IN_PROGRESS').getAttribute('d');
  const heights = edge
    .slice(1)
    .split('L')
    .map(pair => pair.split(',').map(Number));
  const halfway = heights.findIndex(([x], i) => i > 0 && x > 500 && heights[i - 1][0] < 500);
  assert.equal(heights[halfway][1], heights[halfway - 1][1], edge);
  await done(page);
});

test('a device shows its history over operations, its notifications as received, and its news', async t => {
  const books = workingDay(now);
  const deviceId = books.operations[0].upgrades.find(upgrade => upgrade.state === 'FAIL').deviceId;
  books.operations[2].upgrades[0].deviceId = deviceId;
  books.news.set(deviceId, [
    {
      seq: 999,
      receivedAt: iso(at - 1000),
      deliveries: 1,
      body: {
        notifyType: 'deviceInfoChanged',
        deviceId,
        deviceInfo: { signal: 12345678901234567890n.toString() },
      },
    },
  ]);
  const mock = await withMock(t, books);
  const page = await open(mock.url + place('device', { deviceId }));
  await page.locator('li.upgrade').first().waitFor();
  assert.equal(await text(page.locator('h1')), `Device ${deviceId}`);
  const cards = page.locator('li.upgrade');
  assert.equal(await cards.count(), 2);
  assert.match(
    await text(cards.nth(0).locator('h2')),
    new RegExp(`^Fail in ${books.operations[0].operationId}`),
  );
  assert.match(await text(cards.nth(1).locator('h2')), new RegExp(`in ${books.operations[2].operationId}`));
  const kinds = await cards.nth(0).locator('.note-kind').allInnerTexts();
  assert.deepEqual(kinds, [
    'swUpgradeResultNotify FAIL',
    'swUpgradeStateChangeNotify downloaded',
    'swUpgradeStateChangeNotify downloading',
  ]);
  assert.match(await text(cards.nth(0).locator('.notes')), /received 2 times/);
  await cards.nth(0).locator('summary').first().click();
  const body = JSON.parse(await cards.nth(0).locator('pre').innerText());
  assert.equal(body.deviceId, deviceId);
  assert.equal(body.swUpgradeResult, 'FAIL');
  assert.match(await text(page.locator('section.news')), /deviceInfoChanged/);
  await cards.nth(1).getByRole('link').first().click();
  await page.getByRole('heading', { level: 1, name: books.operations[2].operationId }).waitFor();
  await done(page);
});

test('a firmware step is a word with its number, and one that is not known is as it came', async t => {
  const books = new Books({ now });
  const steps = ['0', '1', '2', '3', '4', 'updating', 'constructor'];
  const words = ['idle (0)', 'downloading (1)', 'downloaded (2)', 'updating (3)', '4', 'updating', 'constructor'];
  const upgrades = steps.map((step, i) => ({
    appId: 'a',
    operationId: 'o',
    subOperationId: `s${i}`,
    deviceId: `d${i}`,
    state: 'IN_PROGRESS',
    step,
    curVersion: '',
    targetVersion: '',
    sourceVersion: '',
    upgradeTime: '',
    resultDesc: '',
    errorCode: '',
    description: '',
    contradictory: false,
    began_ms: at - 7200000 + i,
    last_ms: at - 7000000,
    seq: i + 1,
  }));
  books.add({ operationId: 'o', appId: 'a', first_ms: at - 7200000, last_ms: at, pruned: false, upgrades });
  books.news.set(
    'd1',
    [...steps, 2].map((step, i) => ({
      seq: 100 + i,
      receivedAt: iso(at),
      deliveries: 1,
      body: { notifyType: 'fwUpgradeStateChangeNotify', deviceId: 'd1', step },
    })),
  );
  const mock = await withMock(t, books);
  const page = await open(mock.url + place('operation', { operationId: 'o' }));
  await page.locator('table.devices-table').waitFor();
  const listed = await rowsOf(page.locator('table.devices-table'));
  const expected = Object.fromEntries(words.map((word, i) => [`d${i}`, `In progress · ${word}`]));
  for (const [device, state] of listed) assert.ok(state.startsWith(expected[device]), `${device}: ${state}`);
  assert.equal(listed.length, steps.length);
  const stuck = await rowsOf(page.locator('table.stuck-table'));
  assert.deepEqual(
    stuck.map(([device, step]) => [device, step]),
    words.map((word, i) => [`d${i}`, word]).slice(0, stuck.length),
  );
  await page.goto(mock.url + place('device', { deviceId: 'd1' }));
  await page.locator('section.news').waitFor();
  assert.deepEqual(
    await page.locator('section.news .note-kind').allInnerTexts(),
    [...words, 'downloaded (2)'].map(word => `fwUpgradeStateChangeNotify ${word}`),
  );
  await done(page);
});

test('a number too large for JavaScript is shown as it was received', async t => {
  const books = new Books({ now });
  books.news.set('d', [
    {
      seq: 1,
      receivedAt: iso(at),
      deliveries: 1,
      body: { notifyType: 'deviceDataChanged', deviceId: 'd', value: 'NUMBER', exact: 1.5 },
    },
  ]);
  const device = books.device.bind(books);
  books.device = query => ({ toJSON: undefined, ...device(query) });
  const mock = await withMock(t, books);
  const send = mock.send.bind(mock);
  mock.send = (request, answer, type, body) =>
    send(
      request,
      answer,
      type,
      typeof body === 'string' ? body.replace('"NUMBER"', '12345678901234567890') : body,
    );
  const page = await open(mock.url + place('device', { deviceId: 'd' }));
  await page.locator('section.news summary').click();
  assert.match(await page.locator('pre').innerText(), /"value": 12345678901234567890,/);
  await done(page);
});

test('quarantine shows what is held, and how much of its bounds', async t => {
  const mock = await withMock(t, workingDay(now));
  mock.books.quarantineBodies(1, 2048, 'missing', '/deviceId');
  const page = await open(mock.url + place('quarantine'));
  await page.locator('table.quarantine-table').waitFor();
  assert.deepEqual(
    (await rowsOf(page.locator('table.quarantine-table'))).map(([id, , reason, pointer, size]) => [
      id,
      reason,
      pointer,
      size,
    ]),
    [
      ['1', 'The receiver knows no notification of this name. notifyType unknown Body 1 as received', '/notifyType', '65 bytes'],
      ['2', 'The receiver knows no notification of this name. notifyType unknown Body 2 as received', '/notifyType', '65 bytes'],
      ['3', 'The receiver knows no notification of this name. notifyType unknown Body 3 as received', '/notifyType', '65 bytes'],
      ['4', 'A mandatory member is missing. missing Body 4 as received', '/deviceId', '2 KiB'],
    ],
  );
  assert.equal((await figuresOf(page)).Held, '4');
  await done(page);
});

test('a campaign: its state, plan, note and pace, apart from how the receiver is; and operations by what they are', async t => {
  const books = workingDay(now).campaign();
  const [one, gateways, , , stalled] = books.operations;
  one.plan = [...one.upgrades.map(({ deviceId }) => deviceId), 'late-1', 'late-2'];
  one.note = 'the second wave';
  books.receiver.logLinesDropped = 3;
  books.quarantineBodies(2, 20, 'something new', '');
  books.quarantine.at(-1).body = '{"a":\u200b1} ';
  const mock = await withMock(t, books);
  const page = await open(mock.url);
  const table = page.locator('table.operations');
  await table.waitFor();
  const names = async () => (await rowsOf(table)).map(([name]) => name);
  const [first] = await names();
  assert.equal(first, `${one.operationId} running → 1.5.0 app ${one.appId} the second wave`);
  const all = one.upgrades.length;
  assert.ok(
    (await rowsOf(table))[0][1].endsWith(`${number(all)} of ${number(all + 2)} planned devices reported`),
  );

  /* By share of failures, and only what runs. */
  await page.getByText('Filter and order').click();
  await page.getByLabel('Order').selectOption('failures');
  await page.getByLabel('State').selectOption('running');
  await until('those that run', async () => (await names()).length === 2);
  assert.ok((await names())[0].startsWith(gateways.operationId));
  assert.equal(await page.getByRole('link', { name: 'JSON lines' }).getAttribute('href'), 'operations.jsonl?state=running&sort=failures');
  await page.getByLabel('Id begins with').fill('nothing');
  await page.getByLabel('Id begins with').press('Enter');
  await page.getByText('No operation is like that.').waitFor();
  await page.getByRole('link', { name: 'Show all' }).first().click();
  await until('all', async () => (await table.count()) > 0 && (await names()).length === books.operations.length);

  await page.getByRole('link', { name: 'Failures', exact: true }).click();
  await page.locator('table.errors-table').waitFor();
  const failed = books.operations.flatMap(({ upgrades }) => upgrades.filter(({ state }) => state === 'FAIL'));
  const [[code, times, operations]] = await rowsOf(page.locator('table.errors-table'));
  const same = failed.filter(({ errorCode }) => errorCode === code);
  assert.deepEqual(
    [times, operations],
    [number(same.length), String(new Set(same.map(({ operationId }) => operationId)).size)],
  );

  await page.goto(mock.url + place('operation', { operationId: one.operationId, appId: one.appId }));
  await page.locator('.verdict.campaign').waitFor();
  assert.match(
    await text(page.locator('.verdict.campaign')),
    new RegExp(`^Running: ${number(all)} of ${number(all + 2)} planned devices have reported; [\\d,]+ upgrades have ended, [\\d.]+% of them as FAIL\\.$`),
  );
  assert.match(await text(page.locator('.about')), /^software · .*Target versions: 1\.5\.0 .*Note: the second wave$/);
  assert.equal((await figuresOf(page))['Planned devices'], `${number(all)}/${number(all + 2)}`);
  assert.doesNotMatch(await text(page.locator('main')), /Finished|100%/);
  assert.match(
    await text(page.locator('.rate')),
    /^[\d,]+ upgrades ended in the last 5 mins: [\d,.]+ a minute\.( At this steady pace all [\d,]+ planned devices will have ended at about .*)?$/,
  );
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByRole('button', { name: 'Copy id' }).click();
  await until('it is said', async () => (await text(page.locator('#announce'))) === 'Copied.');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), one.operationId);
  await page.getByRole('link', { name: '2 have not reported' }).click();
  await until('who is missing', async () => (await rowsOf(page.locator('.missing-table'))).join() === 'late-1,late-2');

  /* One that stands: its curve goes on to now, and is flat. */
  await page.goto(mock.url + place('operation', { operationId: stalled.operationId, appId: stalled.appId }));
  await until('it stands', async () =>
    /^Stalled: nothing has changed for 8 days 1\d hrs, and 4 upgrades are in progress\.$/.test(
      (await page.locator('.verdict.campaign').count()) > 0 ? await text(page.locator('.verdict.campaign')) : '',
    ),
  );
  assert.match(await text(page.locator('.rate')), /^No upgrade ended in the last .*\. The last change was 8 days ago\.$/);
  const edge = (await page.locator('svg.areas .edge.IN_PROGRESS').getAttribute('d'))
    .slice(1)
    .split('L')
    .map(pair => pair.split(',').map(Number));
  const [[before, height], [end, last]] = edge.slice(-2);
  assert.ok(height === last && end - before > 0.8 * end, 'most of the curve is the time since');

  await page.goto(mock.url + place('quarantine'));
  await page.locator('.reasons table').waitFor();
  assert.deepEqual(await rowsOf(page.locator('.reasons table')), [
    ['The receiver knows no notification of this name. notifyType unknown', '3'],
    ['something new', '2'],
  ]);
  await page.getByRole('link', { name: 'something new' }).click();
  await until('those of the reason', async () => (await rowsOf(page.locator('.quarantine-table'))).length === 2);
  await page.getByText('Body 5 as received').click();
  assert.equal(await page.locator('.quarantine-table pre').innerText(), '{"a":‹U+200B›1}␣');
  await done(page);
});

test('results alone are an operation like another, without what cannot be known', async t => {
  const books = new Books({ now });
  const one = operation({ operationId: 'o', appId: 'a', devices: 300, began_ms: at - 7200000, spent_ms: 7200000, lag: 0 });
  one.upgrades = one.upgrades.filter(({ state }) => state !== 'IN_PROGRESS');
  for (const upgrade of one.upgrades) upgrade.began_ms = upgrade.last_ms;
  const mock = await withMock(t, books.add(one));
  const page = await open(mock.url + place('operation', { operationId: 'o' }));
  await page.locator('svg.areas').waitFor();
  assert.equal((await figuresOf(page)).Reported, number(one.upgrades.length));
  for (const needless of ['.legend', '.tabs', 'main .figures'])
    assert.doesNotMatch(await text(page.locator(needless)), /In progress|Stuck/, needless);
  assert.match(await text(page.locator('section.stuck')), /Only results have been reported here/);
  await done(page);
});

test('an empty store, an unknown operation, device and page say so', async t => {
  const mock = await withMock(t, new Books({ now }));
  const page = await open(mock.url);
  await page.getByText('No upgrade has been heard of yet.').waitFor();
  assert.match(await text(page.locator('#fresh')), /Last notification: none yet/);
  for (const [fragment, expected] of [
    [place('operation', { operationId: 'nix' }), /There is no such operation\..*no operation 'nix'/],
    [place('device', { deviceId: 'nix' }), /There is no such device\./],
    [place('quarantine'), /Nothing is in quarantine\./],
    ['#/elsewhere', /There is no such page/],
    ['#/operation', /There is no such page/],
  ]) {
    await page.goto(mock.url + fragment);
    await until(fragment, async () => expected.test(await text(page.locator('main'))));
  }
  /* All that arrives is in quarantine: that is not well, and named. */
  mock.books.quarantineBodies(120, 65, 'missing', '/deviceId');
  for (const [language, wrong, named] of [
    ['en', /Most of what arrives is no known notification: 120 of the 120 bodies/, /120 bodies have arrived that are no known/],
    ['zh', /收到的内容大部分无法识别：.*120 条中有 120 条/, /已收到 120 条无法识别的内容/],
  ]) {
    await page.goto(`${mock.url}?lang=${language}`);
    await page.locator('.alarm.critical').waitFor();
    assert.match(await text(page.locator('.alarm.critical')), wrong);
    assert.match(await text(page.locator('main .empty')), named);
    assert.doesNotMatch(await text(page.locator('.narrow .verdict')), /All is well|一切正常/);
    assert.match(await page.title(), /^\(!\) /);
  }
  await done(page);
});

test('an operation that two applications have leads to the other one; without application it is the latest', async t => {
  const books = new Books({ now });
  books.add(
    operation({
      operationId: 'same',
      appId: 'one',
      devices: 10,
      began_ms: at - 90000,
      spent_ms: 60000,
      lag: 0,
      seed: 1,
    }),
  );
  books.add(
    operation({
      operationId: 'same',
      appId: 'two',
      devices: 20,
      began_ms: at - 80000,
      spent_ms: 60000,
      lag: 0,
      seed: 2,
    }),
  );
  const mock = await withMock(t, books);
  const page = await open(mock.url + place('operation', { operationId: 'same' }));
  await until('the latest', async () => (await text(page.locator('main'))).includes('of 20 upgrades'));
  assert.match(page.url(), /appId=two/);
  await until('its devices alone', async () => (await rowsOf(page.locator('.devices-table'))).length === 20);
  await page.getByRole('link', { name: 'one' }).click();
  await until('the other', async () => (await text(page.locator('main'))).includes('of 10 upgrades'));
  await until('its devices', async () => (await rowsOf(page.locator('.devices-table'))).length === 10);
  await done(page);
});

test('links, reload and back lead to the same place', async t => {
  const mock = await withMock(t, workingDay(now));
  const [one] = mock.books.operations;
  const page = await open(mock.url);
  await page.getByRole('link', { name: one.operationId }).click();
  await page.getByRole('heading', { level: 1, name: one.operationId }).waitFor();
  await page.locator('.devices-table').waitFor();
  await page.evaluate(() => window.scrollTo(0, 700));
  await page.locator('.devices-table a').nth(3).click();
  await page.locator('li.upgrade').waitFor();
  assert.equal(await page.evaluate(() => window.scrollY), 0);
  await page.goBack();
  await page.getByRole('heading', { level: 1, name: one.operationId }).waitFor();
  // A line above may have become longer meanwhile; the browser then scrolls by as much.
  const back = () =>
    page.evaluate(() => Math.abs(window.scrollY - 700) < 40 && history.state?.scroll === window.scrollY);
  await until('the same place', back);
  await page.reload();
  await page.locator('.devices-table').waitFor();
  await until('the same place after a reload', back);
  await page.goBack();
  await page.getByRole('heading', { level: 1, name: 'Operations' }).waitFor();
  await done(page);
});
