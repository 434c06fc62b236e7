/* Nothing that was received stops the page: bodies with values of every type, nested and odd, in every
 * member that has no type by its schema, through every view. And a view that fails all the same stops
 * neither the refresh nor the warnings. */

import assert from 'node:assert/strict';
import { done, open, place, test, text, until } from './lib.mjs';
import { push, shared } from './serve.mjs';

/* As JSON texts: a parser here would make 1 of 1.0. */
const VALUES = [
  'null',
  'true',
  '0',
  '-1',
  '1.0',
  '1e5',
  '3',
  '12345678901234567890',
  '""',
  '" "',
  '"constructor"',
  '"\\u202Egnp"',
  '{}',
  '{"toString":1}',
  '{"toString":null,"valueOf":{}}',
  '{"__proto__":{"a":1},"length":-1}',
  '{"toJSON":1,"tag":"p","key":"k","children":0}',
  '[]',
  '[[[[[[[[[[]]]]]]]]]]',
  '[null,{"step":[]}]',
  `"${'x'.repeat(3000)}"`,
  `${'['.repeat(200)}${']'.repeat(200)}`,
];
const MEMBERS = [
  'step',
  'stepDesc',
  'status',
  'Status',
  'swUpgradeState',
  'swUpgradeResult',
  'description',
  'errorCode',
  'upgradeTime',
  'notifyType',
  'toJSON',
  '__proto__',
];
const OPERATION = 'odd-operation';
const PER_DEVICE = 12;

const result = {
  curVersion: '1',
  targetVersion: '2',
  sourceVersion: '1',
  swUpgradeResult: 'FAIL',
  upgradeTime: '1',
  resultDesc: '',
  errorCode: '4',
  description: '',
};
const KINDS = [
  ['swUpgradeResultNotify', result],
  ['swUpgradeStateChangeNotify', { swUpgradeState: 'downloading' }],
  ['fwUpgradeStateChangeNotify', { step: '1' }],
  ['deviceInfoChanged', {}],
];

/* {device, text} of each body: a member in place of that of the same name, or beside the others. */
function bodies() {
  const made = [];
  for (const member of MEMBERS)
    for (const value of VALUES) {
      const i = made.length;
      const [notifyType, more] = KINDS[i % KINDS.length];
      const device = `odd-${Math.floor(i / PER_DEVICE)}`;
      const ids = { deviceId: device, appId: 'odd', operationId: OPERATION, subOperationId: `s${i}` };
      const members = Object.entries({ notifyType, ...ids, ...more }).filter(([name]) => name !== member);
      const all = [...members.map(([name, one]) => [name, JSON.stringify(one)]), [member, value]];
      made.push({
        device,
        text: `{${all.map(([name, one]) => `${JSON.stringify(name)}:${one}`).join(',')}}`,
      });
    }
  return made;
}

/* Waits until the page has looked again, twice: the first may have been on its way. */
async function lookedAgain(page) {
  for (let i = 0; i < 2; i++) await page.waitForResponse(answer => answer.url().includes('overview.json'));
}

test('no stored value stops the page, in no view', async () => {
  const served = await shared();
  const all = bodies();
  const answers = await push(
    served,
    all.map(one => one.text),
  );
  assert.ok(answers.every(({ status }) => status === 200));
  const kept = all.filter((_, i) => /"(stored|repeated)"/.test(answers[i].said));
  assert.ok(kept.length > all.length / 3, `${kept.length} of ${all.length} are notifications`);

  const page = await open(served.url, { ignoreHTTPSErrors: true });
  await page.locator('table.operations').waitFor();
  const visit = async (fragment, title) => {
    await page.evaluate(hash => {
      location.hash = hash;
    }, fragment);
    await until(title, async () => (await text(page.locator('h1'))).includes(title));
    await until(`${title} is there`, async () => (await page.locator('main .waiting').count()) === 0);
    /* Everything that can be opened is. */
    await page.evaluate(() => {
      for (const one of document.querySelectorAll('main details')) one.open = true;
    });
    await until(
      `${title} is open`,
      async () => (await page.locator('main details:not(:has(> :nth-child(2)))').count()) === 0,
    );
    assert.equal(await page.locator('.alarm[data-kind^="broken"]').count(), 0, title);
  };
  for (const list of ['all', 'fail', 'inProgress', 'stuck', 'success', 'contradictory'])
    await visit(place('operation', { operationId: OPERATION, appId: 'odd', longerThan: 1, list }), OPERATION);
  for (const device of new Set(kept.map(one => one.device))) await visit(place('device', { deviceId: device }), device);
  await visit(place('quarantine'), 'Quarantine');
  await visit('#/', 'Operations');
  await lookedAgain(page);
  await done(page);
});

test('a view that fails stops neither the refresh nor the warnings, and is drawn again when it can be', async () => {
  const served = await shared();
  const one = KINDS[3];
  await push(served, [JSON.stringify({ notifyType: one[0], deviceId: 'fragile' })]);
  const page = await open(served.url, { ignoreHTTPSErrors: true });
  await page.route('**/device.json*', route =>
    route.fulfill({ contentType: 'application/json', body: '{"deviceId":"fragile","history":null}' }),
  );
  await page.goto(served.url + place('device', { deviceId: 'fragile' }));
  const alarm = page.locator('.alarm[data-kind="broken view"]');
  await alarm.waitFor();
  assert.match(await text(alarm), /This page cannot show this view\. TypeError.* a fault of the page/);
  assert.equal(await text(page.locator('h1')), 'This cannot be shown');
  assert.match(await page.title(), /^\(!\) /);
  await lookedAgain(page);
  assert.match(await text(page.locator('#fresh')), /^Live/);
  await page.unroute('**/device.json*');
  await page.locator('section.news').waitFor();
  await until('the warning is gone', async () => (await alarm.count()) === 0);
  assert.match(page.wrongs.join(), /TypeError/, 'it is told to whoever looks into it');
  page.wrongs.length = 0;
  await done(page);
});
