/* The page of the real receiver speaks the language of who looks, in all views and in all of a view. */

import assert from 'node:assert/strict';
import { done, figuresOf, open, place, test, text, until } from './lib.mjs';
import { push, shared } from './serve.mjs';

const IDS = { appId: 'language', operationId: 'language-operation' };

const result = (deviceId, swUpgradeResult) => ({
  notifyType: 'swUpgradeResultNotify',
  deviceId,
  ...IDS,
  subOperationId: `sub-${deviceId}`,
  curVersion: swUpgradeResult === 'FAIL' ? '1.0' : '2.0',
  targetVersion: '2.0',
  sourceVersion: '1.0',
  swUpgradeResult,
  upgradeTime: '1',
  resultDesc: '',
  errorCode: swUpgradeResult === 'FAIL' ? '4' : '0',
  description: '',
});

/* Words of another script that are seen, beside ids, codes and what others wrote. */
const strange = page =>
  page.evaluate(() => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode())
      if (node.parentElement.closest('[translate="no"], noscript, script') === null && /[a-z]{2}/i.test(node.data))
        found.push(node.data);
    for (const element of document.querySelectorAll('[aria-label], [title], [placeholder]'))
      if (element.closest('[translate="no"]') === null)
        found.push(
          ...['aria-label', 'title', 'placeholder']
            .map(name => element.getAttribute(name) ?? '')
            .filter(value => /[a-z]{2}/i.test(value)),
        );
    return found;
  });

/* Names that are the same in Chinese. */
const NAMES =
  /\b(JSON|CSV|JSON Lines|ID|Enter|Esc|UTC|KiB|MiB|NUL|POST|notifyType|upgrade-receiver|appId|SUCCESS|FAIL|null|Lines)\b/g;

test('in Chinese all is Chinese, in all views; the language is chosen by the browser, the address and a switch', async () => {
  const served = await shared();
  const state = deviceId => ({
    notifyType: 'swUpgradeStateChangeNotify',
    deviceId,
    ...IDS,
    subOperationId: `sub-${deviceId}`,
    swUpgradeState: 'downloading',
  });
  const bodies = [
    result('language-1', 'SUCCESS'),
    result('language-2', 'FAIL'),
    state('language-3'),
    { notifyType: 'language' },
    { notifyType: 'swUpgradeResultNotify' },
  ];
  const answers = await push(
    served,
    bodies.map(body => JSON.stringify(body)),
  );
  assert.ok(answers.every(({ status }) => status === 200));

  const page = await open(served.url, { ignoreHTTPSErrors: true, locale: 'zh-CN' });
  await page.locator('table.operations').waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
  assert.equal((await page.title()).replace('(!) ', ''), '设备升级');
  const isChinese = async what =>
    assert.deepEqual(
      (await strange(page)).filter(said => /[a-z]{2}/i.test(said.replace(NAMES, ''))),
      [],
      what,
    );
  await isChinese('overview');
  /* A receiver that knows how operations go lists them by it. */
  if ((await page.locator('.filter-box').count()) > 0) {
    await page.goto(served.url + place('overview', { state: 'running', appId: IDS.appId, sort: 'name' }));
    await until('the one that runs', async () => (await page.locator('table.operations tbody tr').count()) === 1);
    await isChinese('filters');
    await page.goto(served.url + place('errors'));
    await page.locator('table.errors-table').waitFor();
    await isChinese('errors');
  }
  for (const [view, parameters, title, there] of [
    ['operation', IDS, '升级任务 language-operation', '.devices-table'],
    ['device', { deviceId: 'language-2' }, '设备 language-2', 'li.upgrade'],
    ['quarantine', {}, '隔离区', '.quarantine-table'],
  ]) {
    await page.goto(served.url + place(view, parameters));
    await until(title, async () => (await text(page.locator('h1'))) === title);
    await page.locator(there).waitFor();
    for (const summary of await page.locator('main summary').all()) await summary.click();
    await isChinese(view);
    if (view === 'operation') {
      const figures = await figuresOf(page);
      assert.deepEqual(
        ['已上报', '升级成功', '升级失败', '升级中', '失败率'].map(name => figures[name]),
        ['3', '1', '1', '1', '50%'],
      );
    }
  }

  const heading = wanted => until(wanted, async () => (await text(page.locator('h1'))) === wanted);
  await page.getByRole('button', { name: 'English' }).click();
  await heading('Quarantine');
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en-GB');
  await page.goto(served.url);
  await heading('Operations');
  await page.goto(`${served.url}?lang=zh`);
  await heading('升级任务');
  await page.getByRole('button', { name: 'English' }).click();
  await heading('Operations');
  await done(page);
});
