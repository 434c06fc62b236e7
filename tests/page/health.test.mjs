/* A banner for each thing that is wrong, and none when all is well. */

import assert from 'node:assert/strict';
import { workingDay } from './books.mjs';
import { done, open, pass, place, stopClock, test, text, until, withMock } from './lib.mjs';

const now = () => Date.now();

const banner = (page, kind) => page.locator(`.alarm[data-kind="${kind}"]`);

/* Opens the overview, changes something, and waits for the banner; then changes it back. */
async function raises(t, kind, expected, make, unmake, level) {
  const mock = await withMock(t, workingDay(now));
  const page = await open(mock.url);
  await page.locator('table.operations').waitFor();
  assert.equal(await page.locator('.alarm').count(), 0, 'all is well');
  assert.match(await text(page.locator('.narrow')), /All is well/);
  make(mock);
  await banner(page, kind).waitFor();
  assert.match(await text(banner(page, kind)), expected);
  assert.ok(await banner(page, kind).evaluate((node, name) => node.classList.contains(name), level), level);
  assert.match(await page.title(), /^\(!\) /);
  assert.ok((await text(page.locator('#announce'))).length > 10, 'it is said aloud');
  if (kind !== 'gone') {
    assert.doesNotMatch(await text(page.locator('.narrow .verdict')), /All is well/);
    assert.ok((await page.locator('.checks .bad').count()) > 0 || kind === 'quarantine');
  }
  if (unmake !== null) {
    unmake(mock);
    await until('the banner is gone', async () => (await page.locator('.alarm').count()) === 0);
    assert.doesNotMatch(await page.title(), /^\(!\)/);
  }
  await done(page);
  return mock;
}

test('the store fails', t =>
  raises(
    t,
    'store',
    /The store takes nothing\. disk I\/O error\. The platform is answered 503/,
    ({ books }) => {
      books.receiver.storeFault = 'disk I/O error';
    },
    ({ books }) => {
      books.receiver.storeFault = null;
    },
    'critical',
  ));

test('answers are not 200: the platform acts at ten', t =>
  raises(
    t,
    'refused',
    /3 answers in a row were not 200\. The platform acts at 10/,
    ({ books }) => {
      books.receiver.refusedInARow = 3;
    },
    ({ books }) => {
      books.receiver.refusedInARow = 0;
    },
    'warning',
  ));

test('close to ten it is critical', t =>
  raises(
    t,
    'refused',
    /8 answers in a row/,
    ({ books }) => {
      books.receiver.refusedInARow = 8;
    },
    ({ books }) => {
      books.receiver.refusedInARow = 0;
    },
    'critical',
  ));

test('log lines were dropped', t =>
  raises(
    t,
    'log',
    /1,234 log lines dropped.*upgrade-status log/,
    ({ books }) => {
      books.receiver.logLinesDropped = 1234;
    },
    ({ books }) => {
      books.receiver.logLinesDropped = 0;
    },
    'warning',
  ));

test('quarantine has many bodies', t =>
  raises(
    t,
    'quarantine',
    /Quarantine is filling: 8,003 of 10,000 bodies/,
    ({ books }) => {
      books.quarantineBodies(8000);
      books.totals.notifications += 100000; /* most of what arrives is well */
    },
    ({ books }) => {
      books.receiver.quarantineMax = 100000;
      books.totals.quarantined = 3;
    },
    'warning',
  ));

test('quarantine has many bytes', t =>
  raises(
    t,
    'quarantine',
    /Quarantine is filling: 5 of 10,000 bodies, 60 MiB of 64 MiB/,
    ({ books }) => {
      books.quarantineBodies(2, 30 << 20);
    },
    null,
    'warning',
  ));

test('quarantine is full', t =>
  raises(
    t,
    'quarantine',
    /Quarantine is full: what comes now goes to the log alone/,
    ({ books }) => {
      books.receiver.quarantineMax = 3;
    },
    ({ books }) => {
      books.receiver.quarantineMax = 10000;
    },
    'critical',
  ));

test('quarantine is full for noise', t =>
  raises(
    t,
    'quarantine',
    /Quarantine is full since .*: what names no known notifyType goes to the log alone, 0 so far/,
    ({ books }) => {
      books.full.unknownFullSince = new Date(books.now()).toISOString();
    },
    ({ books }) => {
      books.full.unknownFullSince = null;
    },
    'critical',
  ));

test('quarantine grows', t =>
  raises(
    t,
    'quarantine',
    /Quarantine grows: 3 bodies since \d\d:\d\d:\d\d, the last (just now|\d+ sec ago), that are no known notification, of 1,003 received/,
    ({ books }) => {
      books.quarantineBodies(3);
      books.totals.notifications += 1000;
    },
    null,
    'warning',
  ));

test('one odd body, or two, raise no alarm; a third does, and it says since when they came', async t => {
  const mock = await withMock(t, workingDay(now));
  const began = now();
  const page = await open(mock.url);
  const held = page.locator('.checks').getByRole('link', { name: 'bodies' });
  await page.locator('table.operations').waitFor();
  for (const count of [4, 5]) {
    mock.books.quarantineBodies(1);
    await until('it is counted', async () => (await text(held)) === `${count} bodies`);
  }
  assert.equal(await page.locator('.alarm').count(), 0);
  assert.match(await text(page.locator('.narrow')), /All is well/);
  mock.books.quarantineBodies(1);
  await banner(page, 'quarantine').waitFor();
  const since = Date.parse(
    await banner(page, 'quarantine').locator('time:not([data-words])').getAttribute('datetime'),
  );
  /* An answer tells the server's time to the second. */
  assert.ok(since > began - 2000 && since < now() + 2000, `since ${since}, not ${began}`);
  await done(page);
});

test('an application falls behind, or takes nothing', async t => {
  const mock = await withMock(t, workingDay(now));
  const [application] = mock.books.applications;
  const page = await open(mock.url, { ownClock: true });
  await page.locator('table.operations').waitFor();
  await stopClock(page);
  for (let i = 0; i < 8; i++) {
    application.backlog += 50;
    application.cursor += 10;
    await pass(page, 2000, 1000);
  }
  await banner(page, 'backlog failures').waitFor();
  assert.match(
    await text(banner(page, 'backlog failures')),
    /Application failures falls behind: [\d,]+ notifications wait for it/,
  );
  await pass(page, 16000, 1000);
  assert.match(await text(banner(page, 'backlog failures')), /takes nothing/);
  application.backlog = 0;
  await pass(page, 3000, 1000);
  assert.equal(await page.locator('.alarm').count(), 0, 'it caught up');
  application.lost = true;
  await pass(page, 3000, 1000);
  assert.match(await text(banner(page, 'backlog failures')), /failures gets nothing: .*upgrade-status forget/);
  application.lost = false;

  /* So do books that several receivers share, and do not confirm. */
  const since = new Date(now()).toISOString();
  mock.books.shared = {
    name: 'primary/upgrades',
    state: 'away',
    since,
    fault: 'connection refused',
    behindRecords: 12,
    behindSeconds: 3,
    copyBehindRecords: 0,
    copyBehindSeconds: 0,
    copyFault: null,
    required: false,
  };
  await pass(page, 3000, 1000);
  assert.match(
    await text(banner(page, 'books')),
    /The shared books primary\/upgrades cannot be reached since [\d:]+: connection refused\. The platform is answered 200 for .* alone; 12 records wait/,
  );
  assert.doesNotMatch(await text(page.locator('.narrow .verdict')), /All is well/);
  Object.assign(mock.books.shared, { state: 'confirming', fault: null, behindRecords: 0 });
  await pass(page, 3000, 1000);
  assert.equal(await page.locator('.alarm').count(), 0);
  assert.match(await text(page.locator('.checks')), /Shared books confirm, 0 records behind/);
  assert.match(await text(page.locator('.checks')), /Copy of the shared books 0 records behind/);

  /* And a copy of them in which others' notifications are missing. */
  Object.assign(mock.books.shared, { copyBehindRecords: 1200, copyBehindSeconds: 29 });
  await pass(page, 3000, 1000);
  assert.equal(await page.locator('.alarm').count(), 0);
  assert.match(await text(page.locator('.checks')), /Copy of the shared books 1,200 records behind, 29 secs?/);
  Object.assign(mock.books.shared, { copyBehindSeconds: 90, copyFault: 'the disk has no room' });
  await pass(page, 3000, 1000);
  assert.match(
    await text(banner(page, 'copy')),
    /The copy of the shared books is behind: the disk has no room\. It had all of them 1 min,? 30 secs? ago; 1,200 records/,
  );
  await done(page);
});

test('the receiver goes and comes back: the last data stay, marked, with since when', async t => {
  const mock = await withMock(t, workingDay(now));
  const [one] = mock.books.operations;
  const page = await open(mock.url + place('operation', { operationId: one.operationId, appId: one.appId }));
  await page.locator('.devices-table').waitFor();
  const shown = await text(page.locator('main .figures'));
  const where = await page.locator('.devices-table').elementHandle();
  mock.gone = true;
  mock.server.closeAllConnections();
  await banner(page, 'gone').waitFor();
  assert.match(
    await text(banner(page, 'gone')),
    /No answer from the receiver since \d\d:\d\d:\d\d \(\d+ secs?\): the web server cannot be reached.*What is shown is as of \d\d:\d\d:\d\d\. Try now/,
  );
  assert.match(await text(page.locator('#fresh')), /^No answer/);
  assert.ok(await page.evaluate(() => document.body.classList.contains('stale')));
  assert.equal(await text(page.locator('main .figures')), shown);
  assert.match(await text(page.locator('#announce')), /No answer from the receiver/);

  /* Then nginx is there, but nothing behind it. */
  mock.gone = false;
  mock.answers = name =>
    name.endsWith('.json') ? { status: 503, detail: 'the receiver cannot be reached now' } : null;
  await page.getByRole('button', { name: 'Try now' }).click();
  await until('what nginx says', async () =>
    (await text(banner(page, 'gone'))).includes('503 (not available now) the receiver cannot be reached now'),
  );
  mock.answers = name => (name.endsWith('.json') ? { status: 502, detail: 'Bad Gateway' } : null);
  await page.getByRole('button', { name: 'Try now' }).click();
  await until('what another says', async () =>
    (await text(banner(page, 'gone'))).includes('502 (the web server got no answer) Bad Gateway'),
  );

  mock.answers = null;
  await page.getByRole('button', { name: 'Try now' }).click();
  await until('it is back', async () => (await page.locator('.alarm').count()) === 0);
  assert.ok(!(await page.evaluate(() => document.body.classList.contains('stale'))));
  assert.match(await text(page.locator('#announce')), /answers again/);
  assert.ok(await where.evaluate(node => node.isConnected), 'nothing was built anew');
  await done(page);
});

test('while documents are refused the page says so, and nothing is called live or well', async t => {
  const mock = await withMock(t, workingDay(now));
  const page = await open(mock.url, { ownClock: true });
  await page.locator('table.operations').waitFor();
  await stopClock(page);
  for (const [status, detail] of [
    [401, 'a name and a password are asked for here'],
    [403, 'this address has no access here'],
    [429, 'Too Many Requests'],
  ]) {
    mock.answers = name => (name.endsWith('.json') ? { status, detail } : null);
    await pass(page, 8000, 1000);
    assert.match(await text(banner(page, 'gone')), new RegExp(`: ${status} \\(.*\\) ${detail}\\.`));
    assert.match(await text(banner(page, 'gone')), /^This page may not read how upgrades go since/);
    assert.match(await text(page.locator('#fresh')), /^Refused/);
    assert.doesNotMatch(await text(page.locator('main')), /All is well/);
    mock.answers = null;
    await page.getByRole('button', { name: 'Try now' }).click();
    await until('it is back', async () => (await page.locator('.alarm').count()) === 0);
    assert.match(await text(page.locator('#fresh')), /^Live/);
  }
  await done(page);
});

test('while the copy of the shared books is made the page says how far it is, and where to look meanwhile', async t => {
  const mock = await withMock(t, workingDay(now));
  const copy = { entries: 0, of: 0, fault: null };
  mock.answers = name => (name.endsWith('.json') ? { status: 503, detail: 'being made', copy } : null);
  const page = await open(mock.url, { ownClock: true });
  await banner(page, 'copying').waitFor();
  await stopClock(page);
  const said = /^The copy of the shared books is being made\. Until then, see what this receiver got itself\.$/;
  assert.match(await text(banner(page, 'copying')), said);
  assert.equal(await banner(page, 'copying').getByRole('link').getAttribute('href'), 'local/');
  assert.equal(await banner(page, 'gone').count(), 0);
  assert.match(await text(page.locator('#fresh')), /^Copying/);
  assert.match(await text(page.locator('main')), /Nothing to show until the copy of the shared books is made/);
  /* It is read as often as ever, so the page shows how it goes on. */
  for (copy.entries = 1000, copy.of = 5000; copy.entries <= 5000; copy.entries += 1000) {
    await pass(page, 2500, 500);
    assert.match(await text(banner(page, 'copying')), new RegExp(`${copy.entries / 1000},000 of 5,000 entries so far`));
  }
  Object.assign(copy, { entries: 5000, fault: 'no route to host' });
  await pass(page, 3000, 1000);
  assert.match(
    await text(banner(page, 'copying')),
    /^There is no copy of the shared books yet: no route to host\. 5,000 of 5,000/,
  );
  await page.getByRole('button', { name: '中文' }).click();
  await pass(page, 3000, 1000);
  assert.match(await text(banner(page, 'copying')), /^共享账本的本机副本尚未建成：.*在此之前，可查看本接收器自己收到的内容。$/);
  await page.getByRole('button', { name: 'English' }).click();
  mock.answers = null;
  await pass(page, 3000, 1000);
  await page.locator('table.operations').waitFor();
  assert.equal(await page.locator('.alarm').count(), 0);
  await done(page);
});

test('it is asked less and less often while it is gone, and comes back by itself', async t => {
  const mock = await withMock(t, workingDay(now));
  const page = await open(mock.url, { ownClock: true });
  await page.locator('table.operations').waitFor();
  await stopClock(page);
  const asked = [];
  let passed = 0;
  mock.answers = name => {
    if (!name.endsWith('.json')) return null;
    asked.push(passed);
    return { status: 503, detail: 'gone' };
  };
  for (; asked.length < 5; passed += 100) {
    assert.ok(passed < 60000, `tries at ${asked.join(', ')} ms`);
    await pass(page, 100, 100);
  }
  const pauses = asked.slice(1, 5).map((when, i) => when - asked[i]);
  for (let i = 1; i < pauses.length; i++)
    assert.ok(pauses[i] > 1.3 * pauses[i - 1], `pauses ${pauses.join(', ')}`);
  mock.answers = null;
  await pass(page, 31000, 1000);
  assert.equal(await page.locator('.alarm').count(), 0, 'it is back by itself');
  await done(page);
});

test('one answer that fails raises no alarm; a page that opens on nothing says so at once', async t => {
  const mock = await withMock(t, workingDay(now));
  const page = await open(mock.url, { ownClock: true });
  await page.locator('table.operations').waitFor();
  await stopClock(page);
  let failed = 0;
  mock.answers = name =>
    name.endsWith('.json') && failed++ === 0 ? { status: 503, detail: 'too many readers' } : null;
  await pass(page, 8000);
  assert.ok(failed >= 3, 'the next ones went well');
  assert.equal(await text(page.locator('#announce')), '');
  mock.answers = name => (name.endsWith('.json') ? { status: 503, detail: 'starting' } : null);
  await page.reload();
  await banner(page, 'gone').waitFor();
  assert.match(await text(banner(page, 'gone')), /503 \(not available now\) starting.*Nothing was read yet/);
  mock.answers = null;
  await pass(page, 4000);
  await page.locator('table.operations').waitFor();
  await done(page);
});
