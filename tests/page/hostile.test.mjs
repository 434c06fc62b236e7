/* Ids and texts of anybody's making do nothing, and stay in their place. */

import assert from 'node:assert/strict';
import { Books, iso, operation } from './books.mjs';
import { done, isFull, open, place, rowsOf, test, text, until, withMock } from './lib.mjs';

const TEXTS = [
  '<img src=x onerror=alert(1)><script>alert(2)</script>',
  '"\'><a href="javascript:alert(3)">x</a>',
  '\u202Egnp.elif\u2066\u200F abc',
  'line\nbreak\r\ttab\u0007',
  `long${'x'.repeat(5000)}end`,
  'a/b?c=d&e=f#g %00%2e + ; =',
  '../../etc/passwd',
  '__proto__',
  'constructor',
  `\u{1F600}${'\u{1e8d0}'.repeat(300)} ماذا 日本語`,
  ' ',
  'null\u00a0\u3164  1 ',
];

function books() {
  const made = new Books();
  TEXTS.forEach((hostile, i) => {
    const one = operation({
      operationId: hostile,
      appId: TEXTS[(i + 1) % TEXTS.length],
      devices: 6,
      began_ms: Date.now() - 9000000,
      spent_ms: 8000000,
      fails: 0.5,
      lag: 100,
      seed: i + 1,
    });
    one.upgrades.forEach((upgrade, n) =>
      Object.assign(upgrade, {
        deviceId: n === 0 ? hostile : upgrade.deviceId,
        subOperationId: hostile + n,
        step: hostile,
        curVersion: hostile,
        sourceVersion: hostile,
        targetVersion: hostile,
        errorCode: upgrade.state === 'FAIL' ? hostile : upgrade.errorCode,
        description: hostile,
        resultDesc: hostile,
        upgradeTime: hostile,
        contradictory: true,
      }),
    );
    made.add(one);
  });
  made.news.set(
    TEXTS[0],
    TEXTS.map((hostile, i) => ({
      seq: i + 1,
      receivedAt: iso(Date.now()),
      deliveries: 1,
      body: { notifyType: hostile, [hostile]: hostile, status: hostile },
    })),
  );
  made.applications.push({ name: TEXTS[0], cursor: 1, backlog: 5 });
  made.receiver.version = TEXTS[0];
  made.receiver.storeFault = TEXTS[0];
  made.quarantine.push(
    ...TEXTS.map((hostile, i) => ({
      id: i + 1,
      receivedAt: iso(Date.now()),
      reason: hostile,
      pointer: hostile,
      bytes: 10,
    })),
  );
  return made;
}

/* Nothing that a text could have made, nothing beside the page, nothing that turns other texts. */
async function contained(page) {
  assert.equal(
    await page.locator('main img, main script, main a[href^="javascript"], main iframe').count(),
    0,
  );
  assert.ok(
    await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth),
    'nothing sticks out',
  );
  assert.doesNotMatch(
    await page.evaluate(() => document.body.innerText),
    /[\u202a-\u202e\u2066-\u2069\u200e\u200f]/,
    'no mark of direction is left',
  );
  assert.deepEqual(
    await page.evaluate(
      () =>
        [...document.querySelectorAll('bdi')].filter(node => getComputedStyle(node).unicodeBidi !== 'isolate')
          .length,
    ),
    0,
  );
}

for (const width of isFull ? [1280, 360] : [360]) {
  test(`in all views, ${width} pixels wide`, async t => {
    const mock = await withMock(t, books());
    const page = await open(mock.url, { viewport: { width, height: 800 } });
    await page.locator('table.operations').waitFor();
    assert.equal(await page.locator('table.operations tbody tr').count(), TEXTS.length);
    await contained(page);
    for (const hostile of TEXTS) {
      await page.goto(mock.url + place('operation', { operationId: hostile }));
      await page.locator('.devices-table').waitFor();
      await contained(page);
      await page.goto(mock.url + place('device', { deviceId: hostile }));
      await page.locator('li.upgrade').first().waitFor();
      await contained(page);
    }
    const before = await text(page.locator('h1'));
    await page.goto(mock.url + place('device', { deviceId: TEXTS[0] }));
    await until('the first device', async () => (await text(page.locator('h1'))) !== before);
    await page.locator('li.upgrade').first().waitFor();
    for (const summary of await page.locator('summary').all()) await summary.click();
    await contained(page);
    await page.goto(mock.url + place('quarantine'));
    await page.locator('table.quarantine-table').waitFor();
    await contained(page);
    await done(page);
  });
}

test('links lead to exactly the id they show', async t => {
  const mock = await withMock(t, books());
  const page = await open(mock.url);
  await page.locator('table.operations').waitFor();
  const links = await page
    .locator('table.operations tbody a')
    .evaluateAll(all => all.map(link => link.getAttribute('href')));
  const ids = links.map(href => new URLSearchParams(href.split('?')[1]).get('operationId'));
  assert.deepEqual(
    ids,
    mock.books.latest().map(one => one.operationId),
  );
  for (const [i, id] of ids.entries()) {
    await page.goto(mock.url + links[i]);
    await until(
      'the operation of the link',
      () =>
        new URLSearchParams(mock.requests.filter(({ name }) => name === 'operation.json').at(-1)?.search).get(
          'operationId',
        ) === id,
    );
    await page.locator('table.failures').or(page.getByText('None has failed.')).first().waitFor();
    const code = page.locator('table.failures tbody a');
    if ((await code.count()) > 0) {
      await code.first().click();
      await until(
        'the list of the code',
        () =>
          new URLSearchParams(mock.requests.filter(({ name }) => name === 'upgrades.json').at(-1).search).get(
            'errorCode',
          ) === id,
      );
    }
  }
  await done(page);
});

test('what cannot be seen is shown by its number', async t => {
  const mock = await withMock(t, books());
  const page = await open(mock.url + place('operation', { operationId: TEXTS[2] }));
  await page.locator('.devices-table').waitFor();
  assert.equal(await text(page.locator('h1')), 'Operation ‹U+202E›gnp.elif‹U+2066›‹U+200F› abc');
  await page.goto(mock.url + place('operation', { operationId: TEXTS[3] }));
  await until('the other', async () => (await text(page.locator('h1'))) === 'Operation line‹U+000A›break‹U+000D›‹U+0009›tab‹U+0007›');
  await page.goto(mock.url + place('operation', { operationId: TEXTS[11] }));
  await until(
    'blanks',
    async () => (await text(page.locator('h1'))) === 'Operation null‹U+00A0›‹U+3164›␣␣1␣',
  );
  await page.goto(mock.url + place('device', { deviceId: TEXTS[2] }));
  await page.locator('.notes summary').first().click();
  const body = await page.locator('.notes pre').first().innerText();
  assert.equal(JSON.parse(body).deviceId, TEXTS[2], 'escaped as JSON does, and so the same');
  await done(page);
});

test('a search for it finds it', async t => {
  const mock = await withMock(t, books());
  const page = await open(mock.url);
  await page.locator('table.operations').waitFor();
  for (const hostile of TEXTS.filter(one => one.trim() === one && !/[\n\r]/.test(one) && one.length < 4000)) {
    await page.locator('#query').fill(hostile);
    await page.locator('#found li').first().waitFor();
    assert.ok((await rowsOf(page.locator('table.operations'))).length === TEXTS.length);
    await page.keyboard.press('Enter');
    await until(
      hostile,
      async () => new URLSearchParams(page.url().split(/\?(.*)/s)[1]).get('deviceId') === hostile,
    );
    await page.goto(mock.url);
    await page.locator('table.operations').waitFor();
  }
  await done(page);
});
