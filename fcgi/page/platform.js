/* platform: what the platform itself said of an operation when it was asked, and what differed here. */

import { isOpened, setOpened } from './opened.js';
import { figure, mark, panel, stateWord, table } from './parts.js';
import { pageOf, route, to } from './route.js';
import { foreign, none, number, said } from './text.js';
import { clockTime, moment } from './time.js';
import { h } from './tree.js';
import { meaning, say, words } from './words.js';

const ROWS_FIRST = 10; /* shown before all are asked for */

/* The panel of an operation of which the platform was asked; null if it was not. */
export function platformPanel({ platform }) {
  if (!platform) return null;
  const { askedAt, said: told } = platform;
  const clock = clockTime(askedAt);
  return panel(
    'platform',
    words('panel.platform'),
    h('p', { key: 'asked', class: 'quiet' }, say('platform.asked', { clock, ago: moment(askedAt) })),
    figuresOf(told),
    differencesOf(told.found),
    told.findings.length > 0 ? findingsOf(told) : null,
  );
}

function figuresOf({ planned, platform }) {
  const { going, waiting, success, fail, otherEnd, unknown } = platform;
  return h(
    'dl',
    { key: 'figures', class: 'figures' },
    figure(words('figure.planned'), number(planned)),
    figure(words('figure.success'), [mark('SUCCESS'), number(success)]),
    figure(words('figure.fail'), [mark('FAIL'), number(fail)]),
    figure(
      words('figure.notEnded'),
      [mark('IN_PROGRESS'), number(going)],
      going > 0 ? say('figure.notEnded.waiting', { waiting }) : null,
    ),
    otherEnd + unknown > 0 ? figure(words('figure.otherEnd'), number(otherEnd + unknown)) : null,
  );
}

/* A sentence for each thing that differed. */
function differencesOf({ noPush, noPushOfSuccess, noResult, endsDiffer, notAtPlatform, unknownStatus }) {
  const lines = [
    [noPushOfSuccess, () => say('platform.lost', { count: noPushOfSuccess })],
    [noPush - noPushOfSuccess, () => say('platform.noPush', { count: noPush - noPushOfSuccess })],
    [noResult, () => say('platform.noResult', { count: noResult })],
    [endsDiffer, () => say('platform.endsDiffer', { count: endsDiffer })],
    [notAtPlatform, () => say('platform.notAtPlatform', { count: notAtPlatform })],
    [unknownStatus, () => say('platform.unknownStatus', { count: unknownStatus })],
  ].filter(([count]) => count > 0);
  if (lines.length === 0) return h('p', { key: 'none', class: 'quiet' }, words('platform.none'));
  return h(
    'ul',
    { key: 'differs', class: 'differs' },
    lines.map(([, sentence], i) =>
      h('li', { key: String(i), class: 'verdict bad' }, mark('odd'), h('span', null, sentence())),
    ),
  );
}

function findingsOf({ findings, findingsMore }) {
  const key = `findings ${pageOf(route)}`;
  const isAll = isOpened(key) || findings.length <= ROWS_FIRST + 2;
  const rows = isAll ? findings : findings.slice(0, ROWS_FIRST);
  return [
    table(
      words('platform.caption'),
      [
        [words('column.device'), 'name'],
        [words('column.platform'), ''],
        [words('column.hereThen'), ''],
        [words('column.finding'), 'text'],
        [words('column.says'), 'text'],
      ],
      rows.map(({ deviceId, subOperationId, platform, here, finding, detailInfo }) => ({
        key: JSON.stringify([deviceId, subOperationId]),
        cells: [
          h('a', { href: to('device', { deviceId }) }, foreign(deviceId)),
          said(platform ?? ''),
          here === null ? none() : h('span', { class: 'state' }, mark(here), stateWord(here)),
          meaning('findings', finding) ?? said(finding),
          said(detailInfo),
        ],
      })),
      'cards findings',
    ),
    isAll
      ? null
      : h(
          'button',
          { key: 'all', type: 'button', class: 'small', onclick: () => showAll(key) },
          words('platform.showAll', { count: findings.length }),
        ),
    findingsMore ? h('p', { key: 'more', class: 'quiet' }, say('platform.more')) : null,
  ];
}

function showAll(key) {
  setOpened(key, true);
  document.getElementById('platform').focus({ preventScroll: true });
}
