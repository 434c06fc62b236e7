/* operation: one upgrade task: how far, who failed and why, who is stuck. */

import { paceOf } from './chart.js';
import { go } from './going.js';
import { isOpened, setOpened } from './opened.js';
import {
  campaignMark,
  campaignWord,
  exports,
  figure,
  hasPlan,
  hasResultsAlone,
  idHeading,
  instead,
  mark,
  odd,
  pager,
  panel,
  plainBar,
  plannedReported,
  stackedBar,
  stateOf,
  stuckFor,
  table,
  totalOf,
} from './parts.js';
import { platformPanel } from './platform.js';
import { LISTS, address, listOf, longerThan, pageOf, route, to, toOperation } from './route.js';
import { documentOf, refusalOf } from './reading.js';
import { duration, foreign, none, number, said, share, stepInWords } from './text.js';
import { clockTime, moment } from './time.js';
import { h } from './tree.js';
import { say, words } from './words.js';

const STUCK_CHOICES_S = [300, 900, 3600, 21600, 86400];
const STUCK_ROWS = 5; /* the longest ones, beside the chart */
const CODES_FIRST = 10; /* rows of failures shown before all are asked for */

export function operationView() {
  const operation = documentOf('main');
  const title = idHeading(
    say('operation.kind', {
      kind: inner => h('span', { class: 'kind' }, inner),
      id: foreign(route.operationId, 400),
    }),
    route.operationId,
  );
  if (operation === undefined || refusalOf('main') !== undefined)
    return [title, instead('main', words('instead.operation'))];
  return [
    title,
    aboutOf(operation),
    verdictOf(operation),
    operation.pruned ? h('p', { key: 'pruned', class: 'notice' }, words('operation.pruned')) : null,
    stackedBar(operation, 'large'),
    figuresOf(operation),
    h(
      'div',
      { class: 'pair' },
      panel('pace', words('panel.pace'), paceOf(operation)),
      panel('stuck', words('panel.stuck'), stuckOf(operation)),
    ),
    platformPanel(operation),
    h(
      'div',
      { class: 'pair' },
      panel('failures', words('panel.failures'), failuresOf(operation)),
      panel('versions', words('panel.versions'), versionsOf(operation)),
    ),
    panel('devices', words('panel.upgrades'), devicesOf(operation)),
  ];
}

const KINDS = { software: () => words('kind.software'), firmware: () => words('kind.firmware') };

function aboutOf(operation) {
  const { appId, firstAt, lastAt, alsoIn, software, targetVersions, note } = operation;
  const parameters = { app: foreign(appId), first: clockTime(firstAt), last: moment(lastAt) };
  const kind = KINDS[software]?.();
  const line = (key, content) => h('span', { key, class: 'line' }, content);
  const between = (list, one) => list.map((each, i) => [i > 0 ? ', ' : '', one(each)]);
  return h(
    'p',
    { class: 'about' },
    line(
      'about',
      kind === undefined
        ? say('operation.about', parameters)
        : say('operation.aboutKind', { ...parameters, kind }),
    ),
    targetVersions?.length > 0
      ? line(
          'targets',
          say('operation.targets', {
            versions: between(targetVersions, ({ version: name, count }) =>
              say('operation.target', { version: version(name), count }),
            ),
          }),
        )
      : null,
    note ? line('note', say('operation.note', { note: foreign(note, 1000, 'said') })) : null,
    alsoIn.length > 0
      ? line(
          'also',
          say('operation.alsoIn', {
            links: between(alsoIn, other =>
              h('a', { href: toOperation({ ...operation, appId: other }) }, foreign(other)),
            ),
          }),
        )
      : null,
  );
}

/* How the operation goes, apart from how the receiver is. */
function verdictOf(operation) {
  const { state, success, fail, inProgress } = operation;
  if (state === undefined) return null;
  const ended = success + fail;
  const counts = { ended, all: totalOf(operation), open: inProgress, share: share(fail, ended) };
  const facts = { ...counts, duration: moment(operation.lastAt, 'since') };
  const missing = hasPlan(operation) ? operation.missing : 0;
  const plan = { ...counts, planned: operation.planned, reported: hasPlan(operation) ? plannedReported(operation) : 0 };
  const sentence = {
    running: () =>
      missing > 0
        ? fail > 0
          ? say('verdict.runningPlanFails', plan)
          : say('verdict.runningPlan', plan)
        : fail > 0
          ? say('verdict.runningFails', counts)
          : say('verdict.running', counts),
    stalled: () =>
      missing > 0 ? say('verdict.stalledMissing', { ...facts, missing }) : say('verdict.stalled', facts),
    finished: () => (fail > 0 ? say('verdict.finishedFails', counts) : say('verdict.finished', counts)),
  }[state];
  return h(
    'p',
    { key: 'verdict', class: `verdict campaign ${state}` },
    campaignMark(state),
    h('span', null, sentence === undefined ? campaignWord(state) : sentence()),
  );
}

function figuresOf(operation) {
  const { inProgress, success, fail, contradictory } = operation;
  const all = totalOf(operation);
  const ofReported = count => say('figure.ofReported', { share: share(count, all) });
  return h(
    'dl',
    { class: 'figures' },
    hasPlan(operation) ? plannedFigure(operation) : null,
    figure(
      words('figure.reported'),
      number(all),
      say('figure.reported.ended', { ended: success + fail, count: all }),
    ),
    figure(words('figure.success'), [mark('SUCCESS'), number(success)], ofReported(success)),
    figure(words('figure.fail'), [mark('FAIL'), number(fail)], ofReported(fail)),
    hasResultsAlone(operation)
      ? null
      : figure(words('figure.inProgress'), [mark('IN_PROGRESS'), number(inProgress)], ofReported(inProgress)),
    figure(
      words('figure.failureShare'),
      operation.failureShare === null ? '–' : share(fail, success + fail),
      words('figure.failureShare.more'),
    ),
    figure(
      words('figure.contradictory'),
      contradictory > 0
        ? [mark('odd'), h('a', { href: listLink('contradictory') }, number(contradictory))]
        : number(0),
      contradictory > 0 ? words('figure.contradictory.more') : null,
    ),
  );
}

function plannedFigure(operation) {
  const { planned, missing } = operation;
  return figure(
    words('figure.planned'),
    [number(plannedReported(operation)), h('span', { class: 'of' }, '/', number(planned))],
    missing > 0
      ? say('figure.planned.missing', {
          missing,
          link: inner => h('a', { href: listLink('missing') }, inner),
        })
      : words('figure.planned.all'),
  );
}

const listLink = (list, more = {}) =>
  to('operation', {
    ...route,
    view: undefined,
    list: list === 'all' ? undefined : list,
    errorCode: undefined,
    after: undefined,
    from: undefined,
    ...more,
  });

function failuresOf(operation) {
  if (operation.failures.length === 0) return h('p', { class: 'quiet' }, words('failures.none'));
  const most = operation.failures[0].count;
  const key = `codes ${pageOf(route)}`;
  const isAll = isOpened(key) || operation.failures.length <= CODES_FIRST + 2;
  const rows = isAll ? operation.failures : operation.failures.slice(0, CODES_FIRST);
  return [
    table(
      words('failures.caption'),
      [
        [words('column.code'), 'name'],
        [words('column.upgrades'), 'progress'],
        [words('column.ofFailures'), 'n'],
        [words('column.last'), 'n'],
        [words('column.example'), 'text'],
      ],
      rows.map(failure => ({
        key: failure.errorCode,
        current: route.errorCode === failure.errorCode,
        cells: [
          h(
            'a',
            { href: listLink('fail', { errorCode: failure.errorCode }) },
            failure.errorCode === '' ? noCode() : foreign(failure.errorCode),
          ),
          h(
            'span',
            { class: 'bar-count' },
            plainBar(failure.count / most, 'FAIL'),
            h('span', { class: 'count' }, number(failure.count)),
          ),
          share(failure.count, operation.fail),
          moment(failure.lastAt),
          said(failure.example),
        ],
      })),
      'cards failures',
    ),
    isAll
      ? null
      : h(
          'button',
          { key: 'all', type: 'button', class: 'small', onclick: () => showAllCodes(key) },
          words('failures.showAll', { count: operation.failures.length }),
        ),
    operation.failuresMore
      ? h(
          'p',
          { key: 'more', class: 'quiet' },
          words('failures.more'),
        )
      : null,
  ];
}

function showAllCodes(key) {
  setOpened(key, true);
  document.getElementById('failures').focus({ preventScroll: true });
}

function versionsOf(operation) {
  if (operation.versions.length === 0) return h('p', { class: 'quiet' }, words('versions.none'));
  return [
    table(
      words('versions.caption'),
      [
        [words('column.move'), 'name'],
        [words('state.SUCCESS'), 'n'],
        [words('state.FAIL'), 'n'],
      ],
      operation.versions.map(({ from, to: target, success, fail }) => ({
        key: JSON.stringify([from, target]),
        cells: [
          [
            h('span', null, say('versions.move', { from: version(from), to: version(target) })),
            stackedBar({ success, fail, inProgress: 0 }, 'thin'),
          ],
          number(success),
          number(fail),
        ],
      })),
      'versions-table',
    ),
    operation.versionsMore
      ? h('p', { key: 'more', class: 'quiet' }, words('versions.more'))
      : null,
  ];
}

export const version = text => (text === '' ? h('em', null, words('version.none')) : foreign(text, 40));

function stuckOf(operation) {
  if (hasResultsAlone(operation)) {
    return [
      h('p', { key: 'alone', class: 'quiet' }, words('stuck.resultsAlone')),
      operation.planned === null ? h('p', { key: 'plan', class: 'quiet' }, say('stuck.plan')) : null,
    ];
  }
  const { stuck } = operation;
  const seconds = longerThan(route);
  const choices = [...new Set([...STUCK_CHOICES_S, seconds])].sort((a, b) => a - b);
  const choose = event =>
    go(
      to('operation', {
        ...route,
        view: undefined,
        after: undefined,
        from: undefined,
        longerThan: event.target.value,
      }),
    );
  return [
    h(
      'p',
      { class: 'choice' },
      h('label', { for: 'longer' }, words('stuck.choose')),
      h(
        'select',
        { id: 'longer', value: String(seconds), onchange: choose },
        choices.map(choice => h('option', { key: String(choice), value: String(choice) }, duration(choice))),
      ),
    ),
    stuck.longerThan !== seconds
      ? h('p', { key: 'reading', class: 'waiting' }, words('instead.waiting'))
      : stuck.count === 0
        ? h('p', { key: 'none', class: 'quiet' }, words('stuck.none'))
        : stuckTable(stuck),
  ];
}

function stuckTable({ count, more, upgrades }) {
  const parameters = { count, link: inner => h('a', { href: listLink('stuck') }, inner) };
  return [
    h(
      'p',
      { key: 'count', class: 'verdict bad' },
      mark('stuck'),
      h('span', null, more ? say('stuck.countMore', parameters) : say('stuck.count', parameters)),
    ),
    table(
      words('stuck.caption'),
      [
        [words('column.device'), 'name'],
        [words('column.step'), 'word'],
        [words('column.for'), 'n'],
      ],
      upgrades.slice(0, STUCK_ROWS).map(upgrade => ({
        key: upgradeKey(upgrade),
        cells: [deviceLink(upgrade), said(stepInWords(upgrade.step)), moment(upgrade.beganAt, 'since')],
      })),
      'stuck-table',
    ),
  ];
}

export const upgradeKey = ({ appId, operationId, subOperationId, deviceId }) =>
  JSON.stringify([appId, operationId, subOperationId, deviceId]);

const deviceLink = ({ deviceId }) => h('a', { href: to('device', { deviceId }) }, foreign(deviceId));

export const noCode = () => h('em', null, words('code.none'));

/* From where to where, and where it ended if that is elsewhere. */
export function moved({ sourceVersion, targetVersion, curVersion, contradictory }) {
  const move = { from: version(sourceVersion), to: version(targetVersion) };
  if (contradictory) {
    const sub = inner => h('span', { class: 'sub' }, inner);
    return say('versions.moveReports', { ...move, current: version(curVersion), sub });
  }
  return sourceVersion === '' && targetVersion === '' ? none() : say('versions.move', move);
}

/** @type {Record<string, import('./words.js').Key>} */
const TITLES = {
  all: 'list.all',
  fail: 'list.fail',
  inProgress: 'list.inProgress',
  stuck: 'list.stuck',
  success: 'list.success',
  contradictory: 'list.contradictory',
  missing: 'list.missing',
};

function devicesOf(operation) {
  const list = listOf(route);
  const found = documentOf('list');
  const isMissing = list === 'missing';
  const rows = found === undefined ? undefined : isMissing ? found.devices : found.upgrades;
  const { count, more } = LISTS[list];
  return [
    h('div', { class: 'bar-of-lists' }, tabsOf(operation, list), operation.fail > 0 ? csvLink(operation) : null),
    route.errorCode === undefined
      ? null
      : h(
          'p',
          { key: 'code', class: 'filter' },
          say('list.code', {
            code: route.errorCode === '' ? noCode() : foreign(route.errorCode),
            link: inner => h('a', { href: listLink('fail'), 'data-stays': true }, inner),
          }),
        ),
    rows === undefined || refusalOf('list') !== undefined
      ? instead('list', words('instead.list'))
      : isMissing
        ? missingTable(rows)
        : devicesTable(rows),
    rows === undefined
      ? null
      : h(
          'div',
          { key: 'below', class: 'below' },
          operation.state === undefined || rows.length === 0
            ? null
            : exports(isMissing ? 'missing' : 'upgrades', {
                operationId: operation.operationId,
                appId: operation.appId,
                ...LISTS[list].ask(route),
              }),
          pager(
            found.next,
            route,
            words('pager.upgrades'),
            rows.length,
            route.errorCode !== undefined || more?.(operation) ? undefined : count(operation),
          ),
        ),
  ];
}

/* Lists that an operation cannot have. */
const isNeedless = (name, operation) =>
  name === 'missing'
    ? !hasPlan(operation)
    : (name === 'inProgress' || name === 'stuck') && hasResultsAlone(operation);

const tabsOf = (operation, list) =>
  h(
    'nav',
    { 'aria-label': words('lists.label') },
    h(
      'ul',
      { class: 'tabs' },
      Object.entries(LISTS)
        .filter(([name]) => name === list || !isNeedless(name, operation))
        .map(([name, { count, more }]) =>
          h(
            'li',
            { key: name },
            h(
              'a',
              { href: listLink(name), 'aria-current': name === list ? 'true' : null, 'data-stays': true },
              say(TITLES[name], {
                count: h(
                  'span',
                  { class: 'count' },
                  `${more?.(operation) ? '>' : ''}${number(count(operation))}`,
                ),
              }),
            ),
          ),
        ),
    ),
  );

/* The receiver streams the whole table; with a byte order mark, by which Excel knows UTF-8. */
function csvLink({ operationId, appId }) {
  const { errorCode } = route;
  return h(
    'a',
    {
      key: 'csv',
      class: 'csv',
      href: address('failures.csv', { operationId, appId, errorCode, bom: 1 }),
      download: `failures-${operationId.replace(/[^\w.-]+/g, '_').slice(0, 60)}.csv`,
    },
    errorCode === undefined ? words('export.failures') : words('export.code'),
  );
}

/* Devices of the plan. If it is the platform's, each has the status that it had there. */
function missingTable(devices) {
  if (devices.length === 0) return h('p', { key: 'none', class: 'quiet' }, words('list.none.missing'));
  const isTold = devices.some(({ platform }) => platform !== undefined);
  return table(
    words('list.caption.missing'),
    [[words('column.device'), 'name'], ...(isTold ? [[words('column.platformThen'), '']] : [])],
    devices.map(device => ({
      key: device.deviceId,
      cells: [deviceLink(device), ...(isTold ? [said(device.platform ?? '')] : [])],
    })),
    'missing-table',
  );
}

function devicesTable(upgrades) {
  if (upgrades.length === 0) return h('p', { key: 'none', class: 'quiet' }, words('list.none'));
  const seconds = longerThan(route);
  return table(
    words('panel.upgrades'),
    [
      [words('column.device'), 'name'],
      [words('column.state'), 'state-column'],
      [words('column.versions'), ''],
      [words('column.code'), ''],
      [words('column.says'), 'text'],
      [words('column.lastChange'), 'n'],
    ],
    upgrades.map(upgrade => ({
      key: upgradeKey(upgrade),
      cells: [
        deviceLink(upgrade),
        [
          stateOf(upgrade),
          upgrade.contradictory ? odd(words('odd.badge')) : null,
          stuckFor(upgrade, seconds),
        ],
        moved(upgrade),
        upgrade.state !== 'FAIL' && upgrade.errorCode === '0'
          ? none()
          : upgrade.state === 'FAIL' && upgrade.errorCode === ''
            ? noCode()
            : said(upgrade.errorCode),
        said(upgrade.description || upgrade.resultDesc),
        moment(upgrade.lastAt),
      ],
    })),
    'cards devices-table',
  );
}
