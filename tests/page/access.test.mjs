/* axe finds nothing in any view, light and dark, with warnings; nor in the large ones at phone width
 * and at twice the size. (It takes a second or more each time.) */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { workingDay } from './books.mjs';
import { done, isFull, open, place, test, until, withMock } from './lib.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function examine(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { resultTypes: ['violations'] }),
  );
  assert.deepEqual(
    violations.map(
      ({ id, impact, nodes }) =>
        `${impact} ${id}: ${nodes
          .slice(0, 3)
          .map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary}`)
          .join('\n')}`,
    ),
    [],
    what,
  );
}

const fits = async page =>
  (await page.evaluate(() => document.documentElement.scrollWidth)) <= page.viewportSize().width;

const LOOKS = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
  'dark phone': { colorScheme: 'dark', viewport: { width: 360, height: 740 } },
  /* 1280 pixels at 200 % */
  'twice the size': { viewport: { width: 640, height: 430 }, deviceScaleFactor: 2 },
};

/* By default the one that looks at all views. */
const looks = Object.entries(LOOKS).filter(([name]) => isFull || name === 'light');

for (const [name, options] of looks) {
  test(name, async t => {
    const isWide = options.viewport === undefined;
    const examineWide = isWide ? examine : () => {};
    const books = workingDay(() => Date.now()).campaign();
    books.operations[0].plan = ['not yet', ...books.operations[0].upgrades.map(({ deviceId }) => deviceId)];
    books.operations[0].note = 'the second wave';
    books.receiver.refusedInARow = 7;
    books.receiver.logLinesDropped = 12;
    const mock = await withMock(t, books);
    const [one] = books.operations;
    const ids = { operationId: one.operationId, appId: one.appId };
    const page = await open(mock.url, options);
    await page.locator('.alarm').first().waitFor();
    await page.locator('table.operations').waitFor();
    await page.locator('.filter-box summary').click();
    await examine(page, 'overview');
    assert.ok(await fits(page), 'the overview is no wider than the window');
    await page.locator('#query').fill('fw');
    await page.locator('#found li').first().waitFor();
    await examineWide(page, 'search');

    await page.goto(mock.url + place('operation', { ...ids, errorCode: '4' }));
    await page.locator('.devices-table').waitFor();
    await page.getByText('The curve as a table').click();
    await examine(page, 'operation');
    assert.ok(await fits(page), 'an operation is no wider than the window');
    await page.goto(mock.url + place('operation', { ...ids, list: 'contradictory' }));
    await page.locator('.devices-table .odd').first().waitFor();
    await examineWide(page, 'contradictory');

    await page.goto(
      mock.url +
        place('device', { deviceId: one.upgrades.find(({ contradictory }) => contradictory).deviceId }),
    );
    await page.locator('li.upgrade').waitFor();
    await page.locator('summary').first().click();
    await examineWide(page, 'device');
    assert.ok(await fits(page), 'a device is no wider than the window');

    await page.goto(mock.url + place('quarantine'));
    await page.locator('table.quarantine-table').waitFor();
    await examineWide(page, 'quarantine');
    assert.ok(await fits(page), 'quarantine is no wider than the window');

    mock.answers = file => (file.endsWith('.json') ? { status: 503, detail: 'gone' } : null);
    await page.locator('.alarm[data-kind="gone"]').waitFor();
    await examineWide(page, 'stale');
    await done(page);
  });
}

test('every state has a mark of its own shape, and every part of a bar a pattern of its own', async t => {
  const mock = await withMock(
    t,
    workingDay(() => Date.now()),
  );
  const page = await open(mock.url);
  await page.locator('table.operations').waitFor();
  const marks = await page
    .locator('table.operations tr:first-child .counts svg use')
    .evaluateAll(all => all.map(one => one.getAttribute('href')));
  assert.deepEqual(marks, ['#mark-SUCCESS', '#mark-FAIL', '#mark-IN_PROGRESS', '#mark-odd']);
  for (const mark of marks) assert.equal(await page.locator(`symbol${mark}`).count(), 1);
  const patterns = await page
    .locator('table.operations tbody tr:first-child .bar g')
    .evaluateAll(all => all.map(one => one.querySelector('[fill]')?.getAttribute('fill') ?? 'plain'));
  assert.deepEqual(patterns, ['plain', 'url(#hatch)', 'url(#dots)']);

  /* So they are told apart in the reader's own colours, too; and with more contrast nothing is quiet. */
  const looks = () =>
    page.evaluate(() => {
      const style = selector => getComputedStyle(document.querySelector(selector));
      const row = 'table.operations tbody tr:first-child';
      return {
        success: style(`${row} rect.SUCCESS`).fill,
        progress: style(`${row} rect.IN_PROGRESS`).fill,
        mark: style(`${row} .mark.FAIL`).color,
        cut: style('#mark-FAIL .cut').stroke,
        quiet: style('.narrow .what').color,
        ink: style('h1').color,
      };
    });
  const usual = await looks();
  assert.notEqual(usual.quiet, usual.ink);
  await page.emulateMedia({ contrast: 'more' });
  await until('more contrast', async () => (await looks()).quiet === usual.ink);
  await page.emulateMedia({ contrast: null, forcedColors: 'active' });
  await until('forced colours', async () => (await looks()).success !== usual.success);
  const forced = await looks();
  assert.equal(new Set([forced.success, forced.progress]).size, 2);
  assert.notEqual(forced.mark, forced.cut);
  await done(page);
});

test('who wants no motion gets none', async t => {
  const mock = await withMock(
    t,
    workingDay(() => Date.now()),
  );
  mock.answers = file => (file.endsWith('.json') ? { status: 503, detail: 'not yet' } : null);
  const moving = async reducedMotion => {
    const page = await open(mock.url, { reducedMotion });
    await page.locator('main .waiting').waitFor();
    const count = await page.evaluate(
      () =>
        [...document.querySelectorAll('*')].filter(node => {
          const { animationName, transitionDuration } = getComputedStyle(node);
          return animationName !== 'none' || transitionDuration.split(',').some(time => parseFloat(time) > 0);
        }).length,
    );
    await done(page);
    return count;
  };
  assert.equal(await moving('reduce'), 0);
  assert.ok((await moving('no-preference')) > 0, 'else there is something');
});
