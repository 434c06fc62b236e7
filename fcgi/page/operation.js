/* operation: one upgrade task: how far, who failed and why, who is stuck. */

import { paceOf } from './chart.js';
import { go } from './going.js';
import { isOpened, later, setOpened } from './opened.js';
import {
  figure,
  heading,
  instead,
  isStuck,
  mark,
  odd,
  pager,
  panel,
  plainBar,
  stackedBar,
  stateOf,
  table,
  totalOf,
} from './parts.js';
import { LISTS, address, listOf, longerThan, pageOf, route, to, toOperation } from './route.js';
import { documentOf, refusalOf } from './reading.js';
import { counted, duration, foreign, number, said, share, stepInWords } from './text.js';
import { clockTime, moment } from './time.js';
import { h } from './tree.js';

const STUCK_CHOICES_S = [300, 900, 3600, 21600, 86400];
const STUCK_ROWS = 5; /* the longest ones, beside the chart */
const CODES_FIRST = 10; /* rows of failures shown before all are asked for */

export function operationView() {
  const operation = documentOf('main');
  const title = heading(h('span', { class: 'kind' }, 'Operation '), foreign(route.operationId, 400));
  if (operation === undefined || refusalOf('main') !== undefined)
    return [title, instead('main', 'operation')];
  return [
    title,
    h(
      'p',
      { class: 'about' },
      'application ',
      foreign(operation.appId),
      ' · first heard of ',
      clockTime(operation.firstAt),
      ' · last change ',
      moment(operation.lastAt),
      operation.alsoIn.length > 0
        ? [
            ' · also in ',
            operation.alsoIn.map((appId, i) => [
              i > 0 ? ', ' : '',
              h('a', { href: toOperation({ ...operation, appId }) }, foreign(appId)),
            ]),
          ]
        : null,
    ),
    operation.pruned
      ? h(
          'p',
          { class: 'notice' },
          'Pruned: its notifications and upgrades are gone from the store, the counters stay.',
        )
      : null,
    stackedBar(operation, 'large'),
    figuresOf(operation),
    h(
      'div',
      { class: 'pair' },
      panel('pace', 'Progress over time', paceOf(operation)),
      panel('stuck', 'Stuck', stuckOf(operation)),
    ),
    h(
      'div',
      { class: 'pair' },
      panel('failures', 'Failures by error code', failuresOf(operation)),
      panel('versions', 'Versions', versionsOf(operation)),
    ),
    panel('devices', 'Upgrades', devicesOf(operation)),
  ];
}

function figuresOf(operation) {
  const { inProgress, success, fail, contradictory } = operation;
  const all = totalOf(operation);
  return h(
    'dl',
    { class: 'figures' },
    figure('Finished', share(success + fail, all), `${number(success + fail)} of ${counted(all, 'upgrade')}`),
    figure('Success', [mark('SUCCESS'), number(success)], share(success, all)),
    figure('Fail', [mark('FAIL'), number(fail)], share(fail, all)),
    figure('In progress', [mark('IN_PROGRESS'), number(inProgress)], share(inProgress, all)),
    figure(
      'Failure share',
      operation.failureShare === null ? '–' : share(fail, success + fail),
      'of finished',
    ),
    figure(
      'Contradictory',
      contradictory > 0
        ? [mark('odd'), h('a', { href: listLink('contradictory') }, number(contradictory))]
        : '0',
      contradictory > 0 ? 'result and version disagree' : null,
    ),
  );
}

const listLink = (list, more = {}) =>
  to('operation', {
    ...route,
    view: undefined,
    list: list === 'all' ? undefined : list,
    errorCode: undefined,
    after: undefined,
    ...more,
  });

function failuresOf(operation) {
  if (operation.failures.length === 0) return h('p', { class: 'quiet' }, 'None has failed.');
  const most = operation.failures[0].count;
  const key = `codes ${pageOf(route)}`;
  const isAll = isOpened(key) || operation.failures.length <= CODES_FIRST + 2;
  const rows = isAll ? operation.failures : operation.failures.slice(0, CODES_FIRST);
  return [
    table(
      'Failures by error code, the most frequent first; a code opens the list of its upgrades',
      [
        ['Code', 'name'],
        ['Upgrades', 'progress'],
        ['Of failures', 'n'],
        ['Last', 'n'],
        ['For example', 'text'],
      ],
      rows.map(failure => ({
        key: failure.errorCode,
        current: route.errorCode === failure.errorCode,
        cells: [
          h(
            'a',
            { href: listLink('fail', { errorCode: failure.errorCode }) },
            failure.errorCode === '' ? h('em', null, 'no code') : foreign(failure.errorCode),
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
          `Show all ${operation.failures.length} codes`,
        ),
    operation.failuresMore
      ? h(
          'p',
          { key: 'more', class: 'quiet' },
          'There are more codes than these; the CSV file has all of them.',
        )
      : null,
  ];
}

function showAllCodes(key) {
  setOpened(key, true);
  document.getElementById('failures').focus({ preventScroll: true });
}

function versionsOf(operation) {
  if (operation.versions.length === 0) return h('p', { class: 'quiet' }, 'No result has told any yet.');
  return [
    table(
      'Versions from and to',
      [
        ['From, to', 'name'],
        ['Success', 'n'],
        ['Fail', 'n'],
      ],
      operation.versions.map(({ from, to: target, success, fail }) => ({
        key: JSON.stringify([from, target]),
        cells: [
          [version(from), ' → ', version(target), stackedBar({ success, fail, inProgress: 0 }, 'thin')],
          number(success),
          number(fail),
        ],
      })),
      'versions-table',
    ),
    operation.versionsMore
      ? h('p', { key: 'more', class: 'quiet' }, 'There are more; these are the most frequent.')
      : null,
  ];
}

export const version = text => (text === '' ? h('em', null, 'none') : foreign(text, 40));

function stuckOf({ stuck }) {
  const seconds = longerThan(route);
  const choices = [...new Set([...STUCK_CHOICES_S, seconds])].sort((a, b) => a - b);
  return [
    h(
      'p',
      { class: 'choice' },
      h('label', { for: 'longer' }, 'In progress for longer than '),
      h(
        'select',
        {
          id: 'longer',
          value: String(seconds),
          onchange: event =>
            go(
              to('operation', {
                ...route,
                view: undefined,
                after: undefined,
                longerThan: event.target.value,
              }),
            ),
        },
        choices.map(choice => h('option', { key: String(choice), value: String(choice) }, duration(choice))),
      ),
    ),
    stuck.longerThan !== seconds
      ? h('p', { key: 'reading', class: 'waiting' }, 'Reading…')
      : stuck.count === 0
        ? h('p', { key: 'none', class: 'quiet' }, 'No upgrade is.')
        : [
            h(
              'p',
              { key: 'count', class: 'verdict bad' },
              mark('stuck'),
              h(
                'span',
                null,
                stuck.more ? `more than ${number(stuck.count)} upgrades` : counted(stuck.count, 'upgrade'),
                ' ',
                h('a', { href: listLink('stuck') }, 'List all'),
              ),
            ),
            table(
              'The longest of them',
              [
                ['Device', 'name'],
                ['Step', 'word'],
                ['For', 'n'],
              ],
              stuck.upgrades.slice(0, STUCK_ROWS).map(upgrade => ({
                key: upgradeKey(upgrade),
                cells: [deviceLink(upgrade), said(stepInWords(upgrade.step)), moment(upgrade.beganAt, 'since')],
              })),
              'stuck-table',
            ),
          ],
  ];
}

export const upgradeKey = ({ appId, operationId, subOperationId, deviceId }) =>
  JSON.stringify([appId, operationId, subOperationId, deviceId]);

const deviceLink = ({ deviceId }) => h('a', { href: to('device', { deviceId }) }, foreign(deviceId));

/* From where to where, and where it ended if that is elsewhere. */
export const moved = ({ sourceVersion, targetVersion, curVersion, contradictory }) => [
  sourceVersion === '' && targetVersion === ''
    ? h('span', { class: 'none' }, '–')
    : [version(sourceVersion), ' → ', version(targetVersion)],
  contradictory ? [' ', h('span', { class: 'sub' }, 'reports ', version(curVersion))] : null,
];

function devicesOf(operation) {
  const list = listOf(route);
  const upgrades = documentOf('list');
  return [
    h(
      'div',
      { class: 'bar-of-lists' },
      h(
        'nav',
        { 'aria-label': 'Lists of upgrades' },
        h(
          'ul',
          { class: 'tabs' },
          Object.entries(LISTS).map(([name, { title, count, more }]) =>
            h(
              'li',
              { key: name },
              h(
                'a',
                { href: listLink(name), 'aria-current': name === list ? 'true' : null, 'data-stays': true },
                title,
                ' ',
                h('span', { class: 'count' }, `${more?.(operation) ? '>' : ''}${number(count(operation))}`),
              ),
            ),
          ),
        ),
      ),
      operation.fail > 0 ? csvLink(operation) : null,
    ),
    route.errorCode === undefined
      ? null
      : h(
          'p',
          { key: 'code', class: 'filter' },
          'Only error code ',
          route.errorCode === '' ? h('em', null, 'none') : foreign(route.errorCode),
          ' ',
          h('a', { href: listLink('fail'), 'data-stays': true }, 'all codes'),
        ),
    upgrades === undefined || refusalOf('list') !== undefined
      ? instead('list', 'list')
      : devicesTable(upgrades.upgrades),
    upgrades === undefined ? null : pager(upgrades.next, route, 'Pages of upgrades'),
  ];
}

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
    errorCode === undefined ? 'Failures as CSV' : 'These failures as CSV',
  );
}

function devicesTable(upgrades) {
  if (upgrades.length === 0) return h('p', { key: 'none', class: 'quiet' }, 'No upgrade is in this list.');
  const seconds = longerThan(route);
  return table(
    'Upgrades',
    [
      ['Device', 'name'],
      ['State', 'state-column'],
      ['Versions', ''],
      ['Code', ''],
      ['What it says', 'text'],
      ['Last change', 'n'],
    ],
    upgrades.map(upgrade => ({
      key: upgradeKey(upgrade),
      cells: [
        deviceLink(upgrade),
        [
          stateOf(upgrade),
          upgrade.contradictory ? odd('contradictory') : null,
          isStuck(upgrade, seconds)
            ? h('span', { class: 'badge stuck' }, mark('stuck'), 'for ', moment(upgrade.beganAt, 'since'))
            : null,
        ],
        moved(upgrade),
        upgrade.state !== 'FAIL' && upgrade.errorCode === '0'
          ? said('')
          : upgrade.state === 'FAIL' && upgrade.errorCode === ''
            ? h('em', null, 'no code')
            : said(upgrade.errorCode),
        said(upgrade.description || upgrade.resultDesc),
        moment(upgrade.lastAt),
      ],
    })),
    'cards devices-table',
  );
}
