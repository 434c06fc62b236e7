/* A campaign of 500 devices, or 5,000, comes in over HTTPS while the page is open. In the end the page, the
 * command and a plain recount of what was pushed say the same. */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { done, figuresOf, isFull, number, open, place, rowsOf, test, text, until } from './lib.mjs';
import { serve, SOURCE, start, STATUS, stop } from './serve.mjs';

const DEVICES = isFull ? 5000 : 500;

/* A process of the test, which ends with it. */
function run(t, command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', data => {
    out += data;
  });
  const end = once(child, 'exit').then(([code]) => ({ code, out }));
  t.after(async () => {
    child.kill('SIGTERM');
    await end;
  });
  return end;
}

const status = async (served, ...words) =>
  JSON.parse(
    (await promisify(execFile)(STATUS, ['--state', served.state, '--json', ...words], { maxBuffer: 1 << 26 }))
      .stdout,
  );

/* What the overview says of each operation, by id. */
const shownOperations = async page =>
  new Map(
    (await rowsOf(page.locator('table.operations'))).map(([name, devices]) => {
      const [, success, fail, inProgress, , contradictory] =
        /^([\d,]+) success ([\d,]+) fail ([\d,]+) in progress( ([\d,]+) contradictory)?/.exec(devices);
      return [
        name.split(' ')[0],
        [success, fail, inProgress, contradictory ?? '0'].map(text_ => Number(text_.replace(/,/g, ''))),
      ];
    }),
  );

const countsOf = ({ success, fail, inProgress, contradictory }) => [success, fail, inProgress, contradictory];

const sum = lists =>
  lists.reduce((total, [success, fail, inProgress]) => total + success + fail + inProgress, 0);

test('the page ends with the numbers of the command and of a plain recount', async t => {
  const served = await serve(t);
  const page = await open(served.url, { ignoreHTTPSErrors: true });
  const statuses = new Map();
  page.on('response', answer => statuses.set(answer.status(), (statuses.get(answer.status()) ?? 0) + 1));
  await page.getByText('No upgrade has been heard of yet.').waitFor();

  const expectFile = join(served.folder, 'expect.json');
  let isOver = false;
  const pushing = run(t, 'python3', [
    join(SOURCE, 'tests/tool/play_platform.py'),
    '--url',
    served.callback,
    '--cacert',
    served.certificate,
    '--devices',
    String(DEVICES),
    '--seconds',
    isFull ? '10' : '4',
    '--rate',
    '4000',
    '--expect',
    expectFile,
  ]).finally(() => {
    isOver = true;
  });

  /* Meanwhile: the counts only grow, the page is alive, and the operation that is open moves. */
  await page.locator('table.operations').waitFor();
  const link = page.locator('table.operations tbody a').first();
  const other = await open(served.url + (await link.getAttribute('href')), { ignoreHTTPSErrors: true });
  await other.locator('main .figures').waitFor();
  const bar = await other.locator('.bar.large').elementHandle();
  const seen = [];
  while (!isOver) {
    const total = sum([...(await shownOperations(page)).values()]);
    if (total !== seen.at(-1)) seen.push(total);
    await page.waitForResponse(answer => answer.url().includes('overview.json'));
  }
  assert.deepEqual(
    seen,
    [...seen].sort((a, b) => a - b),
    'no device is forgotten',
  );
  assert.ok(await bar.evaluate(node => node.isConnected), 'in place');

  const { code, out } = await pushing;
  assert.equal(code, 0, out);
  const expected = JSON.parse(await readFile(expectFile, 'utf8'));
  const wanted = new Map(expected.operations.map(operation => [operation.operationId, countsOf(operation)]));
  assert.ok(sum([...wanted.values()]) >= DEVICES);

  await until('the overview is as the recount', async () => {
    const shown = await shownOperations(page);
    return JSON.stringify([...shown].sort()) === JSON.stringify([...wanted].sort());
  });
  const { upgrades, totals } = expected;
  assert.deepEqual(await figuresOf(page), {
    'In progress': number(upgrades.inProgress),
    Success: number(upgrades.success),
    Fail: number(upgrades.fail),
    Contradictory: number(upgrades.contradictory),
    Notifications: number(totals.notifications),
  });
  const overview = await status(served);
  assert.deepEqual(overview.upgrades, upgrades);
  for (const name of ['notifications', 'repeats', 'quarantined', 'quarantineLogOnly'])
    assert.equal(overview.totals[name], totals[name], name);
  assert.deepEqual(
    new Map(overview.operations.map(operation => [operation.operationId, countsOf(operation)])),
    wanted,
  );
  assert.ok((await text(page.locator('main .figures'))).includes(`${number(totals.repeats)} repeats`));
  assert.ok(
    totals.repeats > 0 && totals.quarantined > 0 && upgrades.contradictory > 0,
    'the campaign had something of everything',
  );

  for (const operation of expected.operations) {
    const { operationId, appId } = operation;
    await other.goto(served.url + place('operation', { operationId, appId }));
    const said = await status(served, 'operation', operationId);
    assert.deepEqual(countsOf(said), countsOf(operation));
    await until(
      `${operationId} as the recount`,
      async () =>
        (await text(other.locator('h1'))).endsWith(operationId) &&
        (await figuresOf(other)).Success === number(operation.success),
    );
    const figures = await figuresOf(other);
    assert.deepEqual(
      [figures.Fail, figures['In progress'], figures.Contradictory],
      [operation.fail, operation.inProgress, operation.contradictory].map(number),
    );
    const all = other.getByRole('button', { name: /^Show all \d+ codes/ });
    if ((await all.count()) > 0) await all.click();
    const codes = (await rowsOf(other.locator('table.failures'))).map(([errorCode, count]) => [
      errorCode === 'no code' ? '' : errorCode,
      Number(count.replace(/,/g, '')),
    ]);
    const byCode = list => [...list].sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(
      byCode(codes),
      byCode(operation.failures.map(({ errorCode, count }) => [errorCode, count])),
    );
    assert.deepEqual(byCode(said.failures.map(({ errorCode, count }) => [errorCode, count])), byCode(codes));
    const moves = (await rowsOf(other.locator('table.versions-table'))).map(([move, success, fail]) => [
      move,
      success,
      fail,
    ]);
    assert.deepEqual(
      byCode(moves),
      byCode(
        operation.versions.map(({ from, to, success, fail }) => [
          `${from} → ${to}`,
          number(success),
          number(fail),
        ]),
      ),
    );
    const { progress } = said;
    assert.deepEqual(
      [progress.points.at(-1).success, progress.points.at(-1).fail, progress.points.at(-1).inProgress],
      [operation.success, operation.fail, operation.inProgress],
    );
  }

  /* A device of a failure: through the bar of its code to its history. */
  await other.locator('table.failures tbody a').first().click();
  await other.locator('.devices-table tbody a').first().click();
  await other.locator('li.upgrade').first().waitFor();
  const history = await status(served, 'device', (await text(other.locator('h1'))).replace(/^Device /, ''));
  assert.equal(await other.locator('li.upgrade').count(), history.history.length);
  assert.equal(
    await other.locator('li.upgrade').first().locator('.notes > li').count(),
    history.history[0].notifications.length,
  );
  await other.goto(served.url + place('quarantine'));
  await until('quarantine', async () => (await figuresOf(other)).Held === number(totals.quarantined));
  await until('what has not changed is not sent again', () => statuses.get(304) > 0);

  /* The receiver goes, and comes back. */
  await stop(served);
  await page.locator('.alarm[data-kind="gone"]').waitFor();
  assert.equal(sum([...(await shownOperations(page)).values()]), sum([...wanted.values()]));
  await start(served);
  await until('it is back', async () => (await page.locator('.alarm[data-kind="gone"]').count()) === 0);
  await done(other);
  await done(page);
});
