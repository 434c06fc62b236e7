/* text: words and numbers as they are shown, and texts that others chose made safe to look at. */

import { h } from './tree.js';

const CUT_ID = 96; /* characters of an id or text in a list */

/* Characters that show nothing, or change how others are shown: controls, marks of direction,
 * spaces without width. */
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

const codeOf = character => character.charCodeAt(0).toString(16).padStart(4, '0');

/* A text of anybody's making as it can be shown: nothing in it stays unseen. */
export const visible = text =>
  (text.trim() === '' ? text.replace(/ /g, '␠') : text).replace(HIDDEN, character =>
    character < ' '
      ? String.fromCharCode(0x2400 + character.charCodeAt(0))
      : `‹U+${codeOf(character).toUpperCase()}›`,
  );

/* The same for JSON, in which an escape says it exactly. */
export const visibleJson = text =>
  text.replace(HIDDEN, character => (character === '\n' ? '\n' : `\\u${codeOf(character)}`));

export function cut(text, most) {
  const whole = Array.from(text.length > 4 * most ? text.slice(0, 2 * most) + text.slice(-2 * most) : text);
  if (whole.length <= most) return text;
  return `${whole.slice(0, most - 25).join('')}…${whole.slice(-24).join('')}`;
}

/* An id, or another short text that somebody else chose: isolated, so that its direction ends with it. */
export function foreign(text, most = CUT_ID, kind = 'id') {
  const short = cut(text, most);
  return h('bdi', { class: kind, title: short === text ? null : visible(cut(text, 2000)) }, visible(short));
}

/* The numbers of fwUpgradeStateChangeNotify, whose words swUpgradeStateChangeNotify says itself. */
const STEPS = { 0: 'idle', 1: 'downloading', 2: 'downloaded', 3: 'updating' };
export const stepInWords = step => (Object.hasOwn(STEPS, step) ? `${STEPS[step]} (${step})` : step);

/* A value that was received as a text: itself, or if it is a number as it came; '' is any other. */
export const textOf = value =>
  typeof value === 'string'
    ? value
    : typeof value === 'number' || JSON.isRawJSON?.(value)
      ? JSON.stringify(value)
      : '';

export const said = text => (text === '' ? h('span', { class: 'none' }, '–') : foreign(text, 240, 'said'));

const numbers = new Intl.NumberFormat('en');
export const number = value => numbers.format(value);

/* "1 body", "2 bodies" */
export const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/* A share never looks like none, or like all, unless it is. */
export function share(part, whole) {
  if (whole === 0) return '–';
  const percent = (100 * part) / whole;
  if (part > 0 && percent < 0.1) return '<0.1 %';
  if (part < whole && percent > 99.9) return '>99.9 %';
  return `${percent < 10 || percent > 99 ? +percent.toFixed(1) : Math.round(percent)} %`;
}

export function bytes(count) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) {
    count /= 1024;
    unit++;
  }
  return `${unit === 0 || count >= 100 ? Math.round(count) : +count.toFixed(1)} ${units[unit]}`;
}

export function duration(seconds) {
  /** @type {[number, string][]} */
  const units = [
    [86400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const first = units.findIndex(([length]) => seconds >= length);
  if (first < 0) return '0 s';
  const [length, name] = units[first];
  const whole = Math.floor(seconds / length);
  const next = units[first + 1];
  const rest = next && whole < 10 ? Math.floor((seconds % length) / next[0]) : 0;
  return rest > 0 ? `${whole} ${name} ${rest} ${next[1]}` : `${whole} ${name}`;
}
