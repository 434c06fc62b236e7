/* The page refreshes itself in place, cheaply, and only while somebody can see it. */

import assert from 'node:assert/strict';
import { operation, workingDay } from './books.mjs';
import { done, number, open, pass, place, rowsOf, stopClock, test, text, until, withMock } from './lib.mjs';

const now = () => Date.now();

/* One more device fails in the first operation. */
function change(mock, code = '4') {
  const [one] = mock.books.operations;
  const upgrade = one.upgrades.find(({ state }) => state === 'IN_PROGRESS');
  Object.assign(upgrade, {
    state: 'FAIL',
    errorCode: code,
    description: 'Low battery',
    last_ms: Date.now(),
    sourceVersion: '1.3.8',
    targetVersion: '1.5.0',
    curVersion: '1.3.8',
  });
  one.last_ms = Date.now();
  mock.books.totals.notifications++;
  return upgrade;
}

const fails = mock => mock.books.operations[0].upgrades.filter(({ state }) => state === 'FAIL').length;

const place0 = mock =>
  place('operation', {
    operationId: mock.books.operations[0].operationId,
    appId: mock.books.operations[0].appId,
  });

test('what changes is changed in place: scroll, focus, selection and what is open stay', async t => {
  const mock = await withMock(t, workingDay(now));
  const page = await open(mock.url + place0(mock));
  await page.locator('.devices-table').waitFor();
  await page.getByText('The curve as a table').click();
  await page.locator('table.pace-table').waitFor();
  await page.evaluate(() => {
    window.scrollTo(0, 600);
    /* It ends in words that go on by themselves. */
    const time = document.querySelector('table.failures time').firstChild;
    getSelection().setBaseAndExtent(document.querySelector('.legend'), 0, time, time.length);
    document.querySelector('table.failures a').focus({ preventScroll: true });
    globalThis.before = {
      focused: document.activeElement,
      bar: document.querySelector('.bar.large'),
      chart: document.querySelector('svg.areas'),
    };
  });
  const selection = () => page.evaluate(() => getSelection().toString().replace(/\s+/g, ' ').trim());
  const selected = await selection();
  assert.match(selected, /^Latest .* (\d+ (sec|min) ago|just now)$/);
  const scroll = await page.evaluate(() => window.scrollY);
  const words = () =>
    page.evaluate(() => [...document.querySelectorAll('time[data-words]')].map(one => one.innerText).join());
  const was = fails(mock);
  for (let i = 0; i < 5; i++) change(mock);
  await until('the new count', async () =>
    (await text(page.locator('main .figures'))).includes(number(was + 5)),
  );
  const before = await words();
  await until('the words that tell the time have gone on', async () => (await words()) !== before);
  assert.deepEqual(
    await page.evaluate(() => ({
      focused: document.activeElement === globalThis.before.focused && document.activeElement.isConnected,
      bar: document.querySelector('.bar.large') === globalThis.before.bar,
      chart: document.querySelector('svg.areas') === globalThis.before.chart,
      open: document.querySelector('.pace details').open,
    })),
    { focused: true, bar: true, chart: true, open: true },
  );
  assert.match(await selection(), /^Latest .* (\d+ (sec|min) ago|just now)$/);
  assert.equal(await page.evaluate(() => window.scrollY), scroll);
  await done(page);
});

test('a row that is focused keeps the focus when others pass it', async t => {
  const mock = await withMock(t, workingDay(now));
  const page = await open(mock.url + place0(mock));
  const links = page.locator('table.failures tbody a');
  await links.first().waitFor();
  await links.nth(3).focus();
  const name = await text(links.nth(3));
  const element = await links.nth(3).elementHandle();
  /* That code becomes the most frequent one. */
  for (let i = 0; i < 120; i++) change(mock, name);
  await until('it is first', async () => (await text(links.first())) === name);
  assert.ok(await element.evaluate(node => node === document.activeElement));
  await done(page);
});

test('operations keep their order while somebody moves among them, and no longer', async t => {
  const mock = await withMock(t, workingDay(now));
  const page = await open(mock.url);
  const table = page.locator('table.operations');
  await table.waitFor();
  const names = async () => (await rowsOf(table)).map(([name]) => name.split(' ')[0]);
  const before = await names();
  await page.getByRole('link', { name: before[2] }).hover();
  mock.books.operations[5].last_ms = Date.now();
  mock.books.add(
    operation({
      operationId: 'brand-new',
      appId: 'a',
      devices: 5,
      began_ms: Date.now() - 1000,
      spent_ms: 900,
    }),
  );
  await until('the new one', async () => (await names()).includes('brand-new'));
  assert.deepEqual(await names(), ['brand-new', ...before], 'a new one comes on top');
  /* The pointer rests where it is. */
  await until(
    'the order of the document',
    async () =>
      (await names()).join() ===
      mock.books
        .latest()
        .map(one => one.operationId)
        .join(),
  );
  await done(page);
});

test('what has not changed is answered 304', async t => {
  const mock = await withMock(t, workingDay(now));
  const page = await open(mock.url);
  await page.locator('table.operations').waitFor();
  await until(
    'three refreshes',
    () => mock.requests.filter(({ name }) => name === 'overview.json').length >= 4,
  );
  const asked = mock.requests.filter(({ name }) => name === 'overview.json').slice(0, 4);
  assert.deepEqual(
    asked.map(({ status }) => status),
    [200, 304, 304, 304],
  );
  change(mock);
  await until(
    'news',
    () => mock.requests.filter(({ name, status }) => name === 'overview.json' && status === 200).length === 2,
  );
  await done(page);
});

test('how old the data is goes on by itself, by the clock of the server', async t => {
  const mock = await withMock(
    t,
    workingDay(() => Date.now() + 86400000 * 400),
  );
  const page = await open(mock.url);
  const last = page.locator('#fresh time').first();
  await last.waitFor();
  const seconds = async () => Number(/^(\d+) sec ago$/.exec(await text(last))?.[1]);
  const first = await seconds();
  assert.ok(first >= 2, String(first));
  await until('time goes on', async () => (await seconds()) >= first + 2);
  assert.match(await text(page.locator('#fresh')), /Updated (just now|\d+ sec ago)/);
  await done(page);
});

test('a hidden page asks every half minute, its title warns, and it looks at once when it is seen again', async t => {
  const mock = await withMock(t, workingDay(now));
  const page = await open(mock.url, { ownClock: true });
  await page.locator('table.operations').waitFor();
  await stopClock(page);
  const hide = hidden =>
    page.evaluate(value => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  const shown = mock.requests.length;
  await pass(page, 6000);
  assert.ok(mock.requests.length >= shown + 2, 'it asks while it is seen');
  await hide(true);
  const asked = mock.requests.length;
  await pass(page, 29000, 1000);
  assert.equal(mock.requests.length, asked);
  assert.equal(await page.title(), 'Upgrades');
  mock.books.receiver.storeFault = 'disk I/O error';
  await pass(page, 2000, 1000);
  assert.equal(mock.requests.length, asked + 1);
  assert.equal(await page.title(), '(!) Upgrades');
  await hide(false);
  await until('a look', () => mock.requests.length > asked + 1);

  /* And none at all once it was paused, until it is to go on; what tells the time stays, too. */
  await page.getByRole('button', { name: 'Pause' }).click();
  const paused = mock.requests.length;
  const words = await text(page.locator('main'));
  await pass(page, 65000, 5000);
  assert.equal(mock.requests.length, paused);
  assert.match(await text(page.locator('#fresh')), /^Paused/);
  assert.equal(await text(page.locator('main')), words);
  await page.getByRole('button', { name: 'Go on' }).click();
  await until('a look', () => mock.requests.length > paused);
  await until('it is live', async () => /^Live/.test(await text(page.locator('#fresh'))));
  await done(page);
});

test('a large operation with many codes is drawn quickly', async t => {
  const books = workingDay(now);
  const codes = Array.from({ length: 60 }, (_, i) => [String(1000 + i), `What code ${i} says`, 61 - i]);
  books.add(
    operation({
      operationId: 'large',
      appId: 'a',
      devices: 5000,
      began_ms: Date.now() - 86400000,
      spent_ms: 86000000,
      fails: 0.5,
      lag: 40,
      seed: 23,
      codes,
    }),
  );
  const mock = await withMock(t, books);
  const page = await open(mock.url + place('operation', { operationId: 'large' }));
  await page.locator('table.failures').waitFor();
  assert.equal((await rowsOf(page.locator('table.failures'))).length, 10);
  await page.getByRole('button', { name: 'Show all 50 codes' }).click();
  await until('all codes', async () => (await rowsOf(page.locator('table.failures'))).length === 50);
  await page.getByText('The curve as a table').click();
  await until('the table', async () => (await rowsOf(page.locator('table.pace-table'))).length > 200);
  const box = await page.locator('svg.areas').boundingBox();
  /* In time of the page's own thread, whatever else this machine does. */
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent_ms = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1000 * metrics.find(({ name }) => name === 'TaskDuration').value;
  };
  const figures = await text(page.locator('main .figures'));
  const before = await spent_ms();
  for (let i = 0; i < 40; i++) await page.mouse.move(box.x + 80 + 10 * i, box.y + 100);
  const pointing = (await spent_ms()) - before;
  Object.assign(
    books.operations.at(-1).upgrades.find(({ state }) => state === 'IN_PROGRESS'),
    { state: 'SUCCESS' },
  );
  /* Whoever looks at the page has it laid out, which takes its time: first what was asked. */
  await until(
    'another document',
    () => mock.requests.filter(({ name, status }) => name === 'operation.json' && status === 200).length >= 2,
  );
  await until('another figure', async () => (await text(page.locator('main .figures'))) !== figures);
  const all = (await spent_ms()) - before;
  assert.ok(pointing / 40 < 100, `${pointing / 40} ms for each move of the pointer`);
  assert.ok(all - pointing < 2000, `${all - pointing} ms for a refresh`);
  await done(page);
});

test('the time limit of a reading that was given up does not end the next one', async t => {
  const mock = await withMock(t, workingDay(now));
  const [one] = mock.books.operations;
  const page = await open(mock.url, { ownClock: true });
  await page.locator('table.operations').waitFor();
  await stopClock(page);
  mock.held = [];
  /* Nothing is answered meanwhile, so only the clock goes on. */
  await page.clock.runFor(2100);
  await until('the first reading', () => mock.held.length > 0);
  await page.clock.runFor(5000);
  const asked = () => mock.held.filter(({ name }) => name === 'operation.json').length;
  await page.evaluate(
    target => {
      location.hash = target;
    },
    place('operation', { operationId: one.operationId, appId: one.appId }),
  );
  await until('the next reading', () => asked() === 1);
  await page.clock.runFor(6000); /* the first one would have had ten seconds */
  await page.evaluate(() => fetch('style.css').then(answer => answer.text()));
  await page.clock.runFor(2000);
  assert.equal(asked(), 1, 'it was not begun again');
  mock.release();
  await page.locator('.devices-table').waitFor();
  assert.match(await text(page.locator('#fresh')), /^Live/);
  await done(page);
});

test('a link that is followed while an answer arrives leads to its place', async t => {
  const mock = await withMock(t, workingDay(now));
  const [one] = mock.books.operations;
  const { deviceId } = one.upgrades[0];
  const page = await open(mock.url);
  await page.locator('table.operations').waitFor();
  /* The address changes when the last answer has come, just before it is told of. */
  await page.evaluate(target => {
    const textOf = Response.prototype.text;
    Response.prototype.text = async function text() {
      const whole = await textOf.call(this);
      if (!this.url.includes('operation.json')) return whole;
      await new Promise(resolve => {
        setTimeout(resolve, 300);
      });
      Response.prototype.text = textOf;
      location.hash = target;
      return whole;
    };
  }, place('device', { deviceId }));
  /* Without its application: the page names the one that the answer brings. */
  await page.evaluate(target => {
    location.hash = target;
  }, place('operation', { operationId: one.operationId }));
  await page.locator('.notes summary').first().waitFor();
  assert.equal(await text(page.locator('h1')), `Device ${deviceId}`);
  await done(page);
});
