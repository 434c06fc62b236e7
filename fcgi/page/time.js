/* time: the server's, as the Date of its answers tells it, and words for it that go on by themselves. */

import { duration, none } from './text.js';
import { h } from './tree.js';
import { locale, words } from './words.js';

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

const form = options => new Intl.DateTimeFormat(locale, { hourCycle: 'h23', ...options });
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

const relative = new Intl.RelativeTimeFormat(locale, { style: 'short' });
const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86400;

function ago(at_ms) {
  const seconds = Math.floor((serverNow() - at_ms) / 1000);
  if (seconds < 1) return words('time.now');
  if (seconds < MINUTE_S) return relative.format(-seconds, 'second');
  if (seconds < HOUR_S) return relative.format(-Math.floor(seconds / MINUTE_S), 'minute');
  if (seconds < 2 * DAY_S) return relative.format(-Math.floor(seconds / HOUR_S), 'hour');
  if (seconds < 60 * DAY_S) return relative.format(-Math.floor(seconds / DAY_S), 'day');
  return formats.year.format(at_ms);
}

function since(at_ms) {
  return duration(Math.max(0, Math.floor((serverNow() - at_ms) / 1000)));
}

export const timeWords = { ago, since };

/* A moment in words that go on by themselves: "12 sec ago" or, with 'since', "12 secs". */
export function moment(at, kind = 'ago') {
  if (at === null || at === undefined || at === '') return none();
  const at_ms = typeof at === 'number' ? at : Date.parse(at);
  return h(
    'time',
    {
      datetime: new Date(at_ms).toISOString(),
      title: formats.full.format(at_ms),
      'data-words': kind,
    },
    timeWords[kind](at_ms),
  );
}

export function clockTime(at) {
  if (at === null) return none();
  const at_ms = typeof at === 'number' ? at : Date.parse(at);
  const sameDay = formats.year.format(at_ms) === formats.year.format(serverNow());
  return h(
    'time',
    { datetime: new Date(at_ms).toISOString(), title: formats.full.format(at_ms) },
    (sameDay ? formats.second : formats.full).format(at_ms),
  );
}
