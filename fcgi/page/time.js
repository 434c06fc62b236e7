/* time: the server's, as the Date of its answers tells it, and words for it that go on by themselves. */

import { duration } from './text.js';
import { h } from './tree.js';

/* What must be added to this page's own steady clock. Date has whole seconds: each answer says
 * between which bounds it lies, and all together soon say it well. */
const clock = { low: -Infinity, high: Infinity };

export function learnTime(date, asked_ms, answered_ms) {
  const second = Date.parse(date);
  if (Number.isNaN(second)) return;
  const low = second - answered_ms;
  const high = second + 1000 - asked_ms;
  const fits = low <= clock.high && high >= clock.low; /* not so after a clock was set, or a sleep */
  clock.low = fits ? Math.max(clock.low, low) : low;
  clock.high = fits ? Math.min(clock.high, high) : high;
}

export function serverNow() {
  const offset = Number.isFinite(clock.low) ? (clock.low + clock.high) / 2 : Date.now() - performance.now();
  return performance.now() + offset;
}

const form = options => new Intl.DateTimeFormat('en-GB', { hourCycle: 'h23', ...options });
const DAY = { day: 'numeric', month: 'short' };
const MINUTE = { hour: '2-digit', minute: '2-digit' };
const SECOND = { ...MINUTE, second: '2-digit' };
export const formats = {
  full: form({ ...DAY, year: 'numeric', ...SECOND }),
  year: form({ ...DAY, year: 'numeric' }),
  day: form(DAY),
  minute: form(MINUTE),
  second: form(SECOND),
  dayMinute: form({ ...DAY, ...MINUTE }),
};
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function ago(at_ms) {
  const seconds = Math.floor((serverNow() - at_ms) / 1000);
  if (seconds < 1) return 'just now';
  if (seconds < 100) return `${seconds} s ago`;
  if (seconds < 6000) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 60 * 86400) return `${Math.floor(seconds / 86400)} days ago`;
  return formats.year.format(at_ms);
}

function since(at_ms) {
  return duration(Math.max(0, Math.floor((serverNow() - at_ms) / 1000)));
}

export const timeWords = { ago, since };

/* A moment in words that go on by themselves: "12 s ago" or, with 'since', "12 s". */
export function moment(at, words = 'ago') {
  if (at === null || at === undefined || at === '') return h('span', { class: 'none' }, '–');
  const at_ms = typeof at === 'number' ? at : Date.parse(at);
  return h(
    'time',
    {
      datetime: new Date(at_ms).toISOString(),
      title: formats.full.format(at_ms),
      'data-words': words,
    },
    timeWords[words](at_ms),
  );
}

export function clockTime(at) {
  const at_ms = typeof at === 'number' ? at : Date.parse(at);
  const sameDay = formats.year.format(at_ms) === formats.year.format(serverNow());
  return h(
    'time',
    { datetime: new Date(at_ms).toISOString(), title: formats.full.format(at_ms) },
    (sameDay ? formats.second : formats.full).format(at_ms),
  );
}
