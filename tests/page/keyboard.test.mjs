/* Everything works with the keyboard alone. */

import assert from 'node:assert/strict';
import { operation, workingDay } from './books.mjs';
import { done, open, rowsOf, test, text, until, withMock } from './lib.mjs';

const focused = page =>
  page.evaluate(() => {
    const node = document.activeElement;
    const style = getComputedStyle(node);
    return {
      tag: node.localName,
      id: node.id,
      text: node.innerText?.replace(/\s+/g, ' ').trim() ?? '',
      isSeen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    };
  });

/* Tab until the focus is at what CHECK wants; every stop must be seen. */
async function tabTo(page, what, check) {
  for (let i = 0; i < 120; i++) {
    await page.keyboard.press('Tab');
    const at = await focused(page);
    if (at.tag !== 'body') assert.ok(at.isSeen, `the focus cannot be seen at ${at.tag} ${at.text}`);
    if (check(at)) return at;
  }
  return assert.fail(`Tab does not reach ${what}`);
}

test('a walk through all views', async t => {
  const mock = await withMock(
    t,
    workingDay(() => Date.now()),
  );
  const [one] = mock.books.operations;
  const page = await open(mock.url);
  await page.locator('table.operations').waitFor();

  await page.keyboard.press('Tab');
  assert.equal((await focused(page)).id, 'skip');
  await page.keyboard.press('Enter');
  assert.equal((await focused(page)).id, 'main');

  await tabTo(page, 'the operation', at => at.text === one.operationId);
  await page.keyboard.press('Enter');
  await page.locator('table.failures').waitFor();
  const at = await focused(page);
  assert.deepEqual([at.tag, at.text], ['h1', `Operation ${one.operationId}`]);

  await tabTo(page, 'the curve as a table', ({ tag }) => tag === 'summary');
  await page.keyboard.press('Enter');
  await page.locator('table.pace-table').waitFor();
  await tabTo(page, 'how long', ({ id }) => id === 'longer');
  await page.keyboard.press('ArrowDown');
  await until('six hours', () => page.url().includes('longerThan=21600'));
  assert.equal((await focused(page)).id, 'longer');

  await tabTo(page, 'a code', ({ tag, text: code }) => tag === 'a' && code === '5');
  await page.keyboard.press('Enter');
  const five = one.upgrades.filter(({ errorCode }) => errorCode === '5').length;
  await until(
    'its devices',
    async () => (await rowsOf(page.locator('.devices-table'))).length === Math.min(50, five),
  );
  assert.equal((await focused(page)).id, 'devices');

  await tabTo(page, 'a list', ({ text: title }) => title.startsWith('Contradictory'));
  await page.keyboard.press('Enter');
  await until('the list', async () =>
    (await rowsOf(page.locator('.devices-table'))).every(([, state]) => state.includes('contradictory')),
  );
  assert.match((await focused(page)).text, /^Contradictory/, 'the focus stays at the list');

  const device = (await rowsOf(page.locator('.devices-table')))[0][0];
  await tabTo(page, 'a device', at_ => at_.text === device);
  await page.keyboard.press('Enter');
  await page.locator('li.upgrade').waitFor();
  assert.equal((await focused(page)).text, `Device ${device}`);
  await tabTo(page, 'a notification', ({ tag }) => tag === 'summary');
  await page.keyboard.press('Space');
  await page.locator('pre').waitFor();

  await page.goBack(); /* Alt and the left arrow, but not in a browser without a window */
  await page.locator('table.failures').waitFor();
  assert.equal((await focused(page)).tag, 'h1');
  await tabTo(page, 'the top', ({ tag, text: title }) => tag === 'a' && title === 'Skip to content');
  await tabTo(page, 'quarantine', ({ text: title }) => title.startsWith('Quarantine'));
  await page.keyboard.press('Enter');
  await page.locator('table.quarantine-table').waitFor();
  assert.deepEqual(await focused(page).then(({ tag, text: title }) => [tag, title]), ['h1', 'Quarantine']);
  await done(page);
});

test('the search: / comes to it, arrows choose, Enter opens, Escape closes', async t => {
  const mock = await withMock(
    t,
    workingDay(() => Date.now()),
  );
  const page = await open(mock.url);
  await page.locator('table.operations').waitFor();
  await page.keyboard.press('/');
  assert.equal((await focused(page)).id, 'query');
  await page.keyboard.type('fw-1.5.0');
  const query = page.locator('#query');
  await until(
    'an answer to all of it',
    async () => (await query.getAttribute('aria-activedescendant')) === 'found-0',
  );
  assert.equal(await page.locator('#found li').count(), 3);
  assert.equal(await query.getAttribute('aria-expanded'), 'true');
  assert.match(
    await text(page.locator('#found li').first()),
    new RegExp(`^Operation ${mock.books.latest()[0].operationId}`),
  );
  await page.keyboard.press('ArrowDown');
  assert.equal(await query.getAttribute('aria-activedescendant'), 'found-1');
  assert.equal(await page.locator('#found [aria-selected="true"]').count(), 1);
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowUp');
  assert.equal(await query.getAttribute('aria-activedescendant'), 'found-2');
  await page.keyboard.press('Escape');
  assert.equal(await query.getAttribute('aria-expanded'), 'false');
  await page.keyboard.type('-canary');
  await page.locator('#found li').waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'fw-1.5.0-canary' }).waitFor();
  assert.equal((await focused(page)).tag, 'h1');

  /* A whole device id, and Enter before the answer is there. */
  const { deviceId } = mock.books.operations[2].upgrades[5];
  mock.delay_ms = 400;
  await page.keyboard.press('/');
  await page.keyboard.insertText(deviceId);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: deviceId }).waitFor();
  mock.delay_ms = 0;

  await page.keyboard.press('/');
  await page.keyboard.type('nothing like it');
  await until('nothing found', async () =>
    /No operation begins so/.test(await text(page.locator('#found-none'))),
  );
  await page.keyboard.press('Enter');
  assert.match(page.url(), /#\/device/);
  /* A / in the box is a character. */
  await query.fill('');
  await page.keyboard.type('a/b');
  assert.equal(await query.inputValue(), 'a/b');

  /* The key alone can be switched off, and stays so. */
  const slash = page.getByLabel('The key / goes to the search');
  await slash.uncheck();
  await page.locator('h1').focus();
  await page.keyboard.press('/');
  assert.equal((await focused(page)).tag, 'h1');
  await page.reload();
  await page.locator('main h1').waitFor();
  assert.equal(await slash.isChecked(), false);
  await done(page);
});

test('an answer on its way does not change what is selected, and Enter opens that', async t => {
  const books = workingDay(() => Date.now());
  const at = Date.now();
  books.add(operation({ operationId: 'fw-0', appId: 'a', devices: 2, began_ms: at - 9000, spent_ms: 9000 }));
  books.operations.at(-1).last_ms = at;
  const mock = await withMock(t, books);
  const page = await open(mock.url);
  await page.locator('table.operations').waitFor();
  const selected = page.locator('#found [aria-selected="true"]');
  const selectedText = async () => ((await selected.count()) === 0 ? null : text(selected));

  /* Asks for 'fw', then for 'fw-1' with its answer held back; meanwhile ID is selected. */
  const chooseMeanwhile = async id => {
    await page.keyboard.press('/');
    await page.keyboard.insertText('fw');
    await until('an answer', async () => (await selectedText())?.startsWith('Operation fw-0 '));
    let letGo;
    const held = new Promise(resolve => {
      letGo = resolve;
    });
    await page.route('**/search.json*', async route => {
      await held;
      await route.continue();
    });
    const asked = page.waitForRequest(/search\.json\?q=fw-1/);
    await page.keyboard.insertText('-1');
    await asked;
    for (let i = 0; i < 5 && !(await selectedText())?.startsWith(`Operation ${id} `); i++)
      await page.keyboard.press('ArrowDown');
    assert.match(await selectedText(), new RegExp(`^Operation ${id} `));
    letGo();
    await until('the other answer', async () => (await page.locator('#found li').count()) === 3);
    await page.unroute('**/search.json*');
  };

  await chooseMeanwhile('fw-1.5.0-meters-wave1');
  assert.match(await selectedText(), /^Operation fw-1\.5\.0-meters-wave1 /);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'fw-1.5.0-meters-wave1' }).waitFor();

  /* What is not found any more leaves nothing selected: nothing else is opened in its place. */
  await page.goto(mock.url);
  await page.locator('table.operations').waitFor();
  await chooseMeanwhile('fw-0');
  assert.equal(await selectedText(), null);
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowDown');
  assert.match(await selectedText(), /^Operation fw-1\.5\.0-meters-wave2 /);
  assert.match(page.url(), /\/status\/(#\/)?$/);
  await done(page);
});

test('the pointer chooses as well, and leaving the box closes it', async t => {
  const mock = await withMock(
    t,
    workingDay(() => Date.now()),
  );
  const page = await open(mock.url);
  await page.locator('table.operations').waitFor();
  await page.locator('#query').fill('fw-1.5.0');
  await page.locator('#found li').nth(1).click();
  await page
    .getByRole('heading', {
      level: 1,
      name: mock.books.latest().filter(one => one.operationId.startsWith('fw-1.5.0'))[1].operationId,
    })
    .waitFor();
  await page.locator('#query').fill('fw');
  await page.locator('#found li').first().waitFor();
  await page.locator('#foot').click({ position: { x: 2, y: 2 } });
  await until('closed', async () => !(await page.locator('#found-box').isVisible()));
  await done(page);
});
