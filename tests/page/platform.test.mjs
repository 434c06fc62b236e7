/* What upgrade-platform was told and kept is shown, in both languages, with when it was asked. With the real
 * receiver, and a platform of the tests' own. */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { accessSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { done, figuresOf, open, place, rowsOf, test, text, until } from './lib.mjs';
import { push, RECEIVER, shared, SOURCE } from './serve.mjs';

const ASK = join(dirname(RECEIVER), 'upgrade-platform');
const IDS = { operationId: 'asked-operation', appId: 'Zk3vXq7LmP0aT9sRwE2bYc5uHd8N' };

const resultOf = (deviceId, swUpgradeResult) => ({
  notifyType: 'swUpgradeResultNotify',
  deviceId,
  ...IDS,
  subOperationId: `sub-${deviceId}`,
  curVersion: '2.0',
  targetVersion: '2.0',
  sourceVersion: '1.0',
  swUpgradeResult,
  upgradeTime: '3',
  resultDesc: 'r',
  errorCode: '0',
  description: 'd',
});

/* The platform's API on STATUSES, by device; and upgrade-platform WORDS, which ends with CODE. */
async function platform(t, served, statuses) {
  const folder = await mkdtemp(join(tmpdir(), 'upgrade-receiver-platform.'));
  const file = name => join(folder, name);
  const devices = Object.entries(statuses).map(([deviceId, status]) => ({
    deviceId,
    subOperationId: `sub-${deviceId}`,
    status,
    detailInfo: `detail of ${deviceId}`,
  }));
  const task = { operationId: IDS.operationId, operateType: 'software_upgrade', status: 'processing', devices };
  await writeFile(file('books'), JSON.stringify({ operations: [task] }));
  const key = served.certificate.replace('certificate.pem', 'key.pem');
  const child = spawn(
    '/usr/bin/python3',
    [join(SOURCE, 'tests/tool/platform_api.py'), '--certificate', served.certificate, '--key', key]
      .concat('--port-file', file('port'), '--log', file('log'), '--books', file('books')),
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  t.after(async () => {
    child.kill('SIGKILL');
    await rm(folder, { recursive: true });
  });
  const port = await until('a port', () => readFile(file('port'), 'utf8').catch(() => ''));
  await writeFile(file('secret'), 'se cret&+=\n');
  await chmod(file('secret'), 0o600);
  const settings = { address: `https://localhost:${port}`, 'app-id': IDS.appId, 'secret-file': file('secret') };
  await writeFile(
    file('conf'),
    Object.entries({ ...settings, 'ca-file': served.certificate }).map(pair => `${pair.join(' ')}\n`).join(''),
  );
  return (...words) =>
    new Promise(resolve => {
      execFile(ASK, ['--state', served.state, '--config', file('conf'), ...words], (error, out, complaint) =>
        resolve({ code: error?.code ?? 0, out, complaint }),
      );
    });
}

const isBuilt = () => {
  try {
    accessSync(ASK);
    return true;
  } catch {
    return false;
  }
};

const sentences = page => page.locator('.differs li').allInnerTexts();

test('what the platform said is shown with when it was asked, and beside what came', async t => {
  if (!isBuilt()) {
    t.skip('upgrade-platform is not built: it takes libcurl');
    return;
  }
  const served = await shared();
  const answers = await push(
    served,
    [resultOf('good', 'SUCCESS'), resultOf('differs', 'SUCCESS'), resultOf('own', 'FAIL')].map(one => JSON.stringify(one)),
  );
  assert.ok(answers.every(({ status }) => status === 200));
  const lost = Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`lost-${i === 9 ? '9'.repeat(300) : i}`, 'success']));
  const ask = await platform(t, served, {
    good: 'success',
    differs: 'fail',
    begins: 'processing',
    waits: 'wait',
    late: 'timeout',
    ...lost,
  });
  const page = await open(served.url + place('operation', IDS), { ignoreHTTPSErrors: true });
  await page.locator('main .figures').waitFor();
  assert.equal(await page.locator('.panel.platform').count(), 0, 'nobody has asked yet');

  const { code, complaint } = await ask('reconcile', IDS.operationId, '--keep');
  assert.equal(code, 3, complaint);
  const panel = page.locator('.panel.platform');
  await panel.waitFor();
  assert.match(await text(panel), /^What the platform says Asked at \d\d:\d\d:\d\d, .*: the platform may say something else by now\./);
  const figures = await panel.locator('.figures > div').allInnerTexts();
  assert.deepEqual(
    figures.map(one => one.replace(/\s+/g, ' ').trim()),
    ['Planned devices 19', 'Success 15', 'Fail 1', 'Not ended 2 1 of them wait', 'Other 1'],
  );
  assert.deepEqual(await sentences(page), [
    '14 devices succeeded there, and no push came.',
    '1 device ended there without success, and no push came.',
    '1 device ended otherwise here.',
    '1 device reported here, and the platform does not name it.',
  ]);
  const table = panel.locator('table');
  assert.equal((await rowsOf(table)).length, 10);
  await panel.getByRole('button', { name: 'Show all 17 devices' }).press('Enter');
  await until('all', async () => (await rowsOf(table)).length === 17);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'platform');
  assert.deepEqual(
    (await rowsOf(table)).filter(([device]) => !/^lost-[1-9]/.test(device)),
    [
      ['differs', 'fail', 'Success', 'the ends differ', 'detail of differs'],
      ['late', 'timeout', '–', 'no push came', 'detail of late'],
      ['lost-0', 'success', '–', 'no push came', 'detail of lost-0'],
      ['own', '–', 'Fail', 'not at the platform', '–'],
    ],
  );

  await page.setViewportSize({ width: 320, height: 640 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320, 'nothing is wider than a phone');
  await page.setViewportSize({ width: 1280, height: 860 });

  /* Who is missing, with the status there. */
  assert.equal((await figuresOf(page))['Planned devices'], '19');
  await page.getByRole('link', { name: 'Missing 17' }).press('Enter');
  const missing = page.locator('.missing-table');
  await until('who is missing', async () => (await missing.count()) > 0 && (await rowsOf(missing)).length === 17);
  assert.deepEqual((await rowsOf(missing)).slice(0, 3), [
    ['begins', 'processing'],
    ['waits', 'wait'],
    ['late', 'timeout'],
  ]);

  /* In Chinese. */
  await page.goto(`${served.url}?lang=zh${place('operation', IDS)}`);
  await panel.waitFor();
  assert.match(await text(panel), /^平台侧的情况 查询于 \d\d:\d\d:\d\d（.*），平台侧此后可能已有变化。/);
  assert.equal((await sentences(page))[0], '14 台设备在平台侧升级成功，但未收到推送。');
  assert.equal((await rowsOf(table))[0][3], '结果不一致');
  await done(page);
});
