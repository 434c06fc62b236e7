/* lib: the browser of the tests, and a page in it that is watched: what it logs, which rule of the
 * Content-Security-Policy it breaks, whom it asks. */

import assert from 'node:assert/strict';
import { accessSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { Mock } from './mock.mjs';
import { stopShared } from './serve.mjs';

/* As root Chromium has no sandbox; the rest keeps it from asking for anything by itself. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];
/* The first is the same browser without windows: a page takes it a third of the processor time. */
const PROGRAMS = [
  process.env.CHROMIUM,
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/google-chrome',
];

/* Longest wait for what happens at once on a machine that has nothing else to do. */
export const PATIENCE_MS = 120000;

const program = () =>
  PROGRAMS.find(file => {
    try {
      accessSync(file);
      return true;
    } catch {
      return false;
    }
  });

export const launch = () => chromium.launch({ executablePath: program(), args: FLAGS });

/* test(name, run): much of a test is waiting for the page to look again, so they run beside each
 * other. TESTS=PATTERN runs those whose name matches. */
const tests = [];
export function test(name, run) {
  if (new RegExp(process.env.TESTS ?? '').test(name)) tests.push([name, run]);
}

/* tests/run --full: what repeats others' promise in other sizes runs, too. */
export const isFull = process.env.UPGRADE_RECEIVER_TEST_FULL === '1';

export function runTests() {
  describe('page', { concurrency: Number(process.env.LANES ?? 4) }, () => {
    for (const [title, body] of tests) it(title, body);
    after(closeBrowser);
    after(stopShared);
  });
}

let browser = null; /* one for all tests */

async function closeBrowser() {
  await (await browser)?.close();
}

/* open(url, options): a page of its own, which is watched for what it should not do. With
 * options.ownClock its clock can be stopped. */
export async function open(url, { ownClock = false, ...options } = {}) {
  browser ??= launch();
  const context = await (
    await browser
  ).newContext({ viewport: { width: 1280, height: 860 }, timezoneId: 'UTC', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.wrongs = [];
  page.underWay = 0; /* requests without an answer */
  page.on('request', () => page.underWay++);
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, () => page.underWay--);
  if (ownClock) await page.clock.install();
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', event =>
      globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  page.on('pageerror', error => page.wrongs.push(`error: ${error.message}`));
  page.on('dialog', dialog => {
    page.wrongs.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  /* That a document could not be read is logged by the browser itself, and not the page's fault. */
  page.on('console', message => {
    if (message.type() !== 'log' && !message.text().startsWith('Failed to load resource'))
      page.wrongs.push(`console: ${message.text()}`);
  });
  page.on('request', request => {
    if (new URL(request.url()).origin !== new URL(url).origin) page.wrongs.push(`asked ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

/* Ends a page, which must have done nothing wrong. */
export async function done(page) {
  assert.deepEqual(
    await page.evaluate(() => globalThis.violations),
    [],
    'violations of the Content-Security-Policy',
  );
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
}

/* The clock of the page, which was opened with one of its own, stands still from now on. */
export async function stopClock(page) {
  /* It can only be stopped at a time to come, which a slow machine may have reached already. */
  for (let ahead_ms = 1000; ; ahead_ms *= 3) {
    try {
      await page.clock.pauseAt((await page.evaluate(() => Date.now())) + ahead_ms);
      break;
    } catch (error) {
      if (ahead_ms > 200000 || !/to the past/.test(error.message)) throw error;
    }
  }
  await settled(page);
}

/* MS pass for the page, in steps between which it has its answers. */
export async function pass(page, ms, step_ms = 500) {
  for (let passed = 0; passed < ms; passed += step_ms) {
    await page.clock.runFor(step_ms);
    await settled(page);
  }
}

async function settled(page) {
  const aTurn = () =>
    page.evaluate(
      () =>
        new Promise(resolve => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = resolve;
          port2.postMessage(0);
        }),
    );
  await aTurn();
  await until('answers', () => page.underWay === 0);
  await aTurn();
}

/* withMock(t, books): a Mock that ends with the test. */
export async function withMock(t, books) {
  const mock = await new Mock(books).listen();
  t.after(() => mock.close());
  return mock;
}

/* until(what, check): waits until CHECK gives something true, which it returns. */
export async function until(what, check, patience_ms = PATIENCE_MS) {
  const end = Date.now() + patience_ms;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) assert.fail(`waited in vain for: ${what}`);
    await new Promise(resolve => {
      setTimeout(resolve, 40);
    });
  }
}

export const place = (view, parameters = {}) =>
  `#/${view}${Object.keys(parameters).length > 0 ? '?' : ''}${Object.entries(parameters)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&')}`;

export const text = async locator => (await locator.innerText()).replace(/\s+/g, ' ').trim();

/* The text of each cell of each row of a table's body. */
export const rowsOf = table =>
  table
    .locator('tbody tr')
    .evaluateAll(rows =>
      rows.map(row => [...row.children].map(cell => cell.innerText.replace(/\s+/g, ' ').trim())),
    );

/* The figures of a view by name: {Success: '3,871', ...}. */
export const figuresOf = page =>
  page
    .locator('main .figures > div')
    .evaluateAll(all =>
      Object.fromEntries(
        all.map(one => [one.querySelector('dt').innerText, one.querySelector('.value').innerText.trim()]),
      ),
    );

export const number = value => new Intl.NumberFormat('en').format(value);
