/* chart: an operation's progress over time, as stacked areas.
 *
 * SVG made here. A library would be many times that, would want inline styles, which the
 * Content-Security-Policy refuses, and would know neither the patterns that tell states apart without colour
 * nor how to be changed in place. */

import { later } from './opened.js';
import { PATTERNS, STATES, inWords, swatch, table, totalOf } from './parts.js';
import { pageOf, route } from './route.js';
import { number } from './text.js';
import { clockTime, formats } from './time.js';
import { h, treeOf, updateChildren } from './tree.js';

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

/* The points with what happened between them: a point is at the end of an interval in which
 * something changed, and before that interval nothing had. */
function curve({ progress, firstAt }) {
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
  return points;
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
    return h('p', { class: 'quiet' }, 'Too early for a curve.');
  return [
    h('div', { key: 'chart', class: 'chart' }, chartOf(operation, points)),
    later(`figures ${pageOf(route)}`, 'The curve as a table', () =>
      treeOf(operation.progress, () => paceTable(operation)),
    ),
  ];
}

const paceTable = ({ progress, firstAt }) =>
  h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Progress as a table' },
    table(
      `Progress since ${formats.dayMinute.format(Date.parse(firstAt))}`,
      [
        ['At', 'name'],
        ['Success', 'n'],
        ['Fail', 'n'],
        ['In progress', 'n'],
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
          ? 'Latest'
          : (last.at_ms - points[0].at_ms > 86400000 ? formats.dayMinute : formats.second).format(at.at_ms),
      ),
      ['IN_PROGRESS', 'FAIL', 'SUCCESS'].map(name =>
        h('span', { key: name }, swatch(name), `${STATES[name]} `, h('b', null, number(at[COUNTS[name]]))),
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
        'aria-label': `Stacked areas from ${formats.full.format(points[0].at_ms)} to ${formats.full.format(last.at_ms)}. At the end ${inWords(last)}. The figures are in the table below.`,
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
            {
              x: Math.min(Math.max(x(tick), box.left + 10), box.right - 16),
              y: box.bottom + 18,
              'text-anchor': 'middle',
            },
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
