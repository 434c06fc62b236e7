/* text: numbers as they are shown, and texts that others chose made safe to look at. */

import { h } from './tree.js';
import { locale, meaning, number, words } from './words.js';

const CUT_ID = 96; /* characters of an id or text in a list */
const MARKS = 3; /* combining marks on one letter: more are no language's */

/* Characters that show nothing, or change how others are shown: controls, marks of direction, fillers, and all blanks
 * but the common one. */
const HIDDEN = /\p{Cc}|\p{Cf}|\p{Cs}|\p{Zl}|\p{Zp}|(?! )\p{Zs}|\p{Default_Ignorable_Code_Point}/gu;
/* A blank that nothing follows, or nothing or a blank goes before, is not seen. */
const BLANK = /^ | $|(?<= ) | (?= )/g;
const PILED = new RegExp(`(?<=\\p{M}{${MARKS}})\\p{M}`, 'gu');

const codeOf = character => character.codePointAt(0).toString(16).padStart(4, '0').toUpperCase();
const byNumber = character => `‹U+${codeOf(character)}›`;

/* A text of anybody's making as it can be shown: nothing in it stays unseen, and nothing piles up. */
export const visible = text =>
  text.replace(BLANK, '␣').replace(HIDDEN, byNumber).replace(PILED, byNumber);

/* The same for JSON, in which an escape says it exactly. */
export const visibleJson = text =>
  text.replace(HIDDEN, character =>
    character === '\n'
      ? '\n'
      : character
          .split('')
          .map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
          .join(''),
  );

export function cut(text, most) {
  const whole = Array.from(text.length > 4 * most ? text.slice(0, 2 * most) + text.slice(-2 * most) : text);
  if (whole.length <= most) return text;
  return `${whole.slice(0, most - 25).join('')}…${whole.slice(-24).join('')}`;
}

/* An id, or another short text that somebody else chose: isolated, so that its direction ends with it. */
export function foreign(text, most = CUT_ID, kind = 'id') {
  const short = cut(text, most);
  return h(
    'bdi',
    { class: kind, translate: 'no', title: short === text ? null : visible(cut(text, 2000)) },
    visible(short),
  );
}

export const none = () => h('span', { class: 'none' }, '–');

export const said = text => (text === '' ? none() : foreign(text, 240, 'said'));

/* A step of an upgrade: its word, and what was received if that is another. */
export function stepInWords(step) {
  const word = meaning('steps', step);
  return word === undefined || word === step ? step : `${word} (${step})`;
}

/* A value that was received as a text: itself, or if it is a number as it came; '' is any other. */
export const textOf = value =>
  typeof value === 'string'
    ? value
    : typeof value === 'number' || JSON.isRawJSON?.(value)
      ? JSON.stringify(value)
      : '';

export { number };

const percents = [0, 1].map(
  maximumFractionDigits => new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits }),
);

/* A share never looks like none, or like all, unless it is. */
export function share(part, whole) {
  if (whole === 0) return '–';
  const all = part / whole;
  if (part > 0 && all < 0.001) return `<${percents[1].format(0.001)}`;
  if (part < whole && all > 0.999) return `>${percents[1].format(0.999)}`;
  return percents[all < 0.1 || all > 0.99 ? 1 : 0].format(all);
}

const sizes = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });

export function bytes(count) {
  if (count < 1024) return words('size.bytes', { count });
  /** @type {['size.KiB', 'size.MiB', 'size.GiB']} */
  const units = ['size.KiB', 'size.MiB', 'size.GiB'];
  let unit = 0;
  for (count /= 1024; count >= 1024 && unit < units.length - 1; count /= 1024) unit++;
  return words(units[unit], { size: sizes.format(count >= 100 ? Math.round(count) : count) });
}

/** @type {[number, string][]} */
const UNITS = [
  [86400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
];
const lengths = Object.fromEntries(
  UNITS.map(([, unit]) => [
    unit,
    new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short' }),
  ]),
);
const together = new Intl.ListFormat(locale, { type: 'unit', style: 'narrow' });

export function duration(seconds) {
  const first = UNITS.findIndex(([length]) => seconds >= length);
  if (first < 0) return lengths.second.format(0);
  const [length, unit] = UNITS[first];
  const whole = Math.floor(seconds / length);
  const next = UNITS[first + 1];
  const rest = next && whole < 10 ? Math.floor((seconds % length) / next[0]) : 0;
  return together.format([
    lengths[unit].format(whole),
    ...(rest > 0 ? [lengths[next[1]].format(rest)] : []),
  ]);
}

/* What was refused, and why: the status, what it means, and what was said. */
export function refusalInWords({ status, message }) {
  const detail = visible(cut(message, 400));
  const known = meaning('statuses', String(status));
  return (
    known === undefined
      ? words('reason.status', { status: String(status), detail })
      : words('reason.meaning', { status: String(status), meaning: known, detail })
  ).trim();
}

/* A code that was received, with what it means if that is known. AROUND makes a link of what comes first. */
export function coded(group, code, around = inner => inner) {
  const known = meaning(group, code);
  return known === undefined ? around(said(code)) : [around(known), h('span', { class: 'sub' }, said(code))];
}
