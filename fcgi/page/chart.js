/* chart: an operation's progress over time, as stacked areas.
 *
 * SVG made here, in about two hundred lines. A library is many times that, draws on a canvas, which no screen reader and
 * no forced colours reach, and knows neither the patterns that tell states apart without colour nor how to be changed
 * in place. */

import { later } from './opened.js';
import { PATTERNS, hasPlan, hasResultsAlone, inWords, stateWord, swatch, table, totalOf } from './parts.js';
import { pageOf, route } from './route.js';
import { duration, number } from './text.js';
import { clockTime, formats, moment, serverNow } from './time.js';
import { h, treeOf, updateChildren } from './tree.js';
import { locale, say, words } from './words.js';

const RATE_MS = 300000; /* what "the last minutes" are at least */
const STEADY = 2; /* how many times the slowest part of them the fastest may be */
const END_MOST_MS = 30 * 86400000; /* an end that is further off is not told */

/* Width of the chart, as the last layout left it. */
let chartWidth = 640;

/* Takes the width that its column has now. Returns whether it changed. */
export function fitChart() {
  const width = Math.floor(document.querySelector('.chart')?.clientWidth ?? chartWidth);
  if (width === chartWidth || width < 100) return false;
  chartWidth = width;
  return true;
}

/* What the pointer is at: the index of a point. */
let pointed = null;

/* Whether more may come: then the curve goes on to now. */
const isOpen = ({ state, inProgress, missing, lastAt }) =>
  state === undefined
    ? inProgress > 0 || serverNow() - Date.parse(lastAt) < RATE_MS
    : state !== 'finished' || missing > 0;

/* The points with what happened between them: a point is at the end of an interval in which
 * something changed, and before that interval nothing had. */
function curve(operation) {
  const { progress, firstAt } = operation;
  const points = [];
  for (const { at, inProgress, success, fail } of progress.points) {
    const at_ms = Date.parse(at);
    const before = points.at(-1) ?? {
      at_ms: Math.min(Date.parse(firstAt), at_ms),
      inProgress: 0,
      success: 0,
      fail: 0,
    };
    if (points.length === 0) points.push({ ...before, isAdded: true });
    const began_ms = at_ms - progress.intervalMs;
    if (began_ms > before.at_ms) points.push({ ...before, at_ms: began_ms, isAdded: true });
    points.push({ at_ms, inProgress, success, fail });
  }
  const last = points.at(-1);
  if (last !== undefined && isOpen(operation) && serverNow() > last.at_ms)
    points.push({ ...last, at_ms: serverNow(), isAdded: true });
  return points;
}

/* How many had ended at AT: a point is at the end of its interval, and what is under way is not told. */
function endedAt({ points }, at_ms) {
  const point = points.findLast(({ at }) => Date.parse(at) <= at_ms);
  return point === undefined ? 0 : point.success + point.fail;
}

/* How fast upgrades end, over time that has whole intervals, in three parts. */
function rateOf({ progress, firstAt }) {
  const to_ms = serverNow();
  const window_ms = Math.max(RATE_MS, 3 * progress.intervalMs);
  const ended = [3, 2, 1, 0].map(part => endedAt(progress, to_ms - (part * window_ms) / 3));
  const parts = [0, 1, 2].map(i => ended[i + 1] - ended[i]);
  const count = ended[3] - ended[0];
  const isWhole = Date.parse(firstAt) <= to_ms - window_ms;
  const isSteady = isWhole && Math.min(...parts) > 0 && Math.max(...parts) <= STEADY * Math.min(...parts);
  return { window_ms, count, isWhole, isSteady, aMinute: (60000 * count) / window_ms };
}

const rates = new Intl.NumberFormat(locale, { maximumSignificantDigits: 2 });

/* How fast it goes now, and when it ends if that can be said: there is a plan, and the pace is steady. */
function rateWords(operation) {
  const { success, fail, lastAt } = operation;
  if (!isOpen(operation)) return null;
  const { window_ms, count, isWhole, isSteady, aMinute } = rateOf(operation);
  if (!isWhole) return null;
  const window = duration(window_ms / 1000);
  if (count === 0)
    return h('p', { key: 'rate', class: 'rate' }, say('pace.none', { window, last: moment(lastAt) }));
  const left = hasPlan(operation) ? operation.planned - success - fail : 0;
  const more_ms = (60000 * left) / aMinute;
  return h(
    'p',
    { key: 'rate', class: 'rate' },
    h('span', null, say('pace.rate', { count, window, rate: rates.format(aMinute) })),
    isSteady && left > 0 && more_ms < END_MOST_MS
      ? [
          ' ',
          h(
            'span',
            { key: 'end' },
            say('pace.end', {
              planned: operation.planned,
              at: formats.dayMinute.format(serverNow() + more_ms),
            }),
          ),
        ]
      : null,
  );
}

function niceStep(most, steps) {
  const rough = most / steps;
  const power = 10 ** Math.floor(Math.log10(rough));
  return Math.max(1, [1, 2, 5, 10].find(factor => factor * power >= rough) * power);
}

const TIME_STEPS_S = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
  1209600, 2592000, 7776000, 31536000,
];

/* Moments at round local times, WIDTH pixels apart at least 78. */
function timeTicks(from_ms, to_ms, width) {
  const most = Math.max(2, Math.floor(width / 78));
  const step_ms =
    1000 * (TIME_STEPS_S.find(step => (to_ms - from_ms) / (1000 * step) <= most) ?? TIME_STEPS_S.at(-1));
  const shift_ms = -60000 * new Date(from_ms).getTimezoneOffset();
  const ticks = [];
  for (let at = Math.ceil((from_ms + shift_ms) / step_ms) * step_ms - shift_ms; at <= to_ms; at += step_ms)
    ticks.push(at);
  const format = step_ms < 60000 ? formats.second : step_ms < 86400000 ? formats.minute : formats.day;
  return ticks.map((at, i) => {
    const isNewDay =
      step_ms < 86400000 && i > 0 && formats.day.format(at) !== formats.day.format(ticks[i - 1]);
    return { at, text: (isNewDay ? formats.day : format).format(at) };
  });
}

export function paceOf(operation) {
  const points = curve(operation);
  const to_ms = points.at(-1)?.at_ms;
  if (points.length < 2 || to_ms - points[0].at_ms < 1)
    return h('p', { class: 'quiet' }, words('chart.early'));
  return [
    rateWords(operation),
    h('div', { key: 'chart', class: 'chart' }, chartOf(operation, points)),
    later(`figures ${pageOf(route)}`, words('chart.table'), () =>
      treeOf(operation.progress, () => paceTable(operation)),
    ),
  ];
}

const paceTable = ({ progress, firstAt }) =>
  h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': words('chart.tableLabel') },
    table(
      words('chart.caption', { since: formats.dayMinute.format(Date.parse(firstAt)) }),
      [
        [words('column.at'), 'name'],
        [words('state.SUCCESS'), 'n'],
        [words('state.FAIL'), 'n'],
        [words('state.IN_PROGRESS'), 'n'],
      ],
      progress.points.map(({ at, success, fail, inProgress }) => ({
        key: at,
        cells: [clockTime(at), number(success), number(fail), number(inProgress)],
      })),
      'pace-table',
    ),
  );

function chartOf(operation, points) {
  const width = chartWidth;
  const last = points.at(-1);
  const most = Math.max(...points.map(totalOf));
  const step = niceStep(most, 4);
  const top = Math.ceil(most / step) * step;
  const box = {
    left: 14 + 7.5 * number(top).length,
    right: width - 8,
    top: 10,
    bottom: (width < 480 ? 200 : 280) - 26,
  };
  const x = at =>
    box.left + ((at - points[0].at_ms) / (last.at_ms - points[0].at_ms)) * (box.right - box.left);
  const y = count => box.bottom - (count / top) * (box.bottom - box.top);
  const rows = [];
  for (let count = 0; count <= top; count += step) rows.push(count);
  const at = points[Math.min(pointed ?? points.length - 1, points.length - 1)];
  return [
    h(
      'p',
      { class: 'legend' },
      h(
        'span',
        { key: 'when', class: 'when' },
        pointed === null
          ? words('chart.latest')
          : (last.at_ms - points[0].at_ms > 86400000 ? formats.dayMinute : formats.second).format(at.at_ms),
      ),
      (hasResultsAlone(operation) ? ['FAIL', 'SUCCESS'] : ['IN_PROGRESS', 'FAIL', 'SUCCESS']).map(name =>
        h(
          'span',
          { key: name },
          swatch(name),
          say('chart.legend', { state: stateWord(name), count: h('b', null, number(at[COUNTS[name]])) }),
        ),
      ),
    ),
    h(
      'svg',
      {
        class: 'areas',
        width,
        height: box.bottom + 26,
        viewBox: `0 0 ${width} ${box.bottom + 26}`,
        role: 'img',
        'aria-label': words('chart.label', {
          from: formats.full.format(points[0].at_ms),
          to: formats.full.format(last.at_ms),
          counts: inWords(last),
        }),
        onpointermove: event => pointAt(event, operation, points, x),
        onpointerleave: event => pointAt(event, operation, points, null),
      },
      rows.map(count =>
        h(
          'g',
          { key: `row ${count}`, class: 'row' },
          h('line', { x1: box.left, x2: box.right, y1: y(count), y2: y(count) }),
          h('text', { x: box.left - 7, y: y(count) + 4, 'text-anchor': 'end' }, number(count)),
        ),
      ),
      areasOf(points, x, y),
      timeTicks(points[0].at_ms, last.at_ms, box.right - box.left).map(({ at: tick, text }) =>
        h(
          'g',
          { key: `tick ${tick}`, class: 'tick' },
          h('line', { x1: x(tick), x2: x(tick), y1: box.bottom, y2: box.bottom + 4 }),
          h(
            'text',
            { ...labelAt(x(tick), box), y: box.bottom + 18 },
            text,
          ),
        ),
      ),
      pointed === null
        ? null
        : h('line', {
            key: 'pointer',
            class: 'pointer',
            x1: x(at.at_ms),
            x2: x(at.at_ms),
            y1: box.top,
            y2: box.bottom,
          }),
    ),
  ];
}

/* Where a label of the time axis begins or ends: in the middle of its tick, unless the edge would cut it. */
const LABEL_HALF = 30; /* pixels; "30 November" is no longer than twice that */
const labelAt = (x, { left, right }) =>
  x - LABEL_HALF < 0
    ? { x: Math.max(0, x - left / 2), 'text-anchor': 'start' }
    : x + LABEL_HALF > right + 8
      ? { x: Math.min(right + 8, x + LABEL_HALF), 'text-anchor': 'end' }
      : { x, 'text-anchor': 'middle' };

const COUNTS = { SUCCESS: 'success', FAIL: 'fail', IN_PROGRESS: 'inProgress' };

/* From the bottom: success, fail, in progress. */
function areasOf(points, x, y) {
  const base = points.map(() => 0);
  return Object.entries(COUNTS).map(([name, member]) => {
    const lower = points.map(({ at_ms }, i) => `${x(at_ms).toFixed(1)},${y(base[i]).toFixed(1)}`).reverse();
    points.forEach((point, i) => {
      base[i] += point[member];
    });
    const upper = points.map(({ at_ms }, i) => `${x(at_ms).toFixed(1)},${y(base[i]).toFixed(1)}`);
    const area = `M${upper.join('L')}L${lower.join('L')}Z`;
    return h(
      'g',
      { key: name },
      h('path', { class: name, d: area }),
      PATTERNS[name] ? h('path', { key: 'pattern', fill: PATTERNS[name], d: area }) : null,
      h('path', { key: 'edge', class: `edge ${name}`, d: `M${upper.join('L')}` }),
    );
  });
}

/* Only the chart is drawn anew: there may be hundreds of these in a second. */
function pointAt(event, operation, points, x) {
  const before = pointed;
  pointed = null;
  if (x !== null) {
    const at = event.clientX - event.currentTarget.getBoundingClientRect().left;
    const distance = points.map(point => Math.abs(x(point.at_ms) - at));
    pointed = distance.indexOf(Math.min(...distance));
  }
  const box = document.querySelector('.chart');
  if (pointed !== before && box !== null) updateChildren(box, chartOf(operation, points));
}

export function forgetPointer() {
  pointed = null;
}
