/* words: every text of the page, in the language of who looks, and how numbers are written there.
 *
 * A message is a whole sentence, or a whole label. In it {name} is a parameter, and <name>…</name> a part that the
 * parameter of that name, a function, makes an element of. A message with forms for one and for other numbers goes by
 * its parameter `count`. */

import { h } from './tree.js';
import { en } from './words.en.js';
import { zh } from './words.zh.js';

/** @typedef {keyof typeof en.messages} Key */
/** @typedef {string | {one?: string, other: string}} Message */
/** @typedef {{locale: string, name: string, messages: Record<Key, Message>, codes: typeof en.codes}} Language */

/** @type {Record<string, Language>} */
export const LANGUAGES = { en, zh };

const KEPT = 'upgrade-receiver language';

/* What the browser keeps for this page; it may keep nothing. */
export function setting(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(name, value);
    return localStorage.getItem(name);
  } catch {
    return value ?? null;
  }
}

/* The first of TAGS, as "zh-CN", that is known. */
const known = tags =>
  tags.map(tag => String(tag).slice(0, 2).toLowerCase()).find(tag => Object.hasOwn(LANGUAGES, tag));

export const language =
  known([new URLSearchParams(location.search).get('lang'), setting(KEPT)]) ?? known(navigator.languages ?? []) ?? 'en';

const { messages, codes, locale } = LANGUAGES[language];
export { locale };

/* The page in the language NAME from now on, also when it is opened again. */
export function speak(name) {
  setting(KEPT, name);
  const asked = new URLSearchParams(location.search);
  if (asked.has('lang')) location.search = `?lang=${name}`;
  else location.reload();
}

const numbers = new Intl.NumberFormat(locale);
const plural = new Intl.PluralRules(locale);
export const number = value => numbers.format(value);

/* Parts of the kind of which there are many: elements without attributes. */
const TAGS = ['b', 'code', 'em', 'kbd', 'strong'];
const tagged = Object.fromEntries(
  TAGS.map(tag => [tag, inner => h(tag, tag === 'code' ? { translate: 'no' } : null, inner)]),
);

function fill(template, parameters) {
  const made = [];
  const add = part => {
    if (typeof part === 'string' && typeof made.at(-1) === 'string') made.push(made.pop() + part);
    else made.push(part);
  };
  for (const [, tag, inner, name, plain] of template.matchAll(/<(\w+)>(.*?)<\/\1>|\{(\w+)\}|([^<{]+)/gs)) {
    const value = parameters[tag ?? name] ?? tagged[tag];
    if (plain !== undefined) add(plain);
    else if (tag !== undefined) add(value(fill(inner, parameters)));
    else for (const part of [value].flat(Infinity)) add(typeof part === 'number' ? number(part) : part);
  }
  return made;
}

/* The message KEY as texts and elements. */
export function say(/** @type {Key} */ key, /** @type {Record<string, any>} */ parameters = {}) {
  const message = messages[key];
  if (typeof message === 'string') return fill(message, parameters);
  const form = plural.select(parameters.count);
  return fill((form === 'one' ? message.one : undefined) ?? message.other, parameters);
}

/* The same as a text, for an attribute. */
export const words = (/** @type {Key} */ key, /** @type {Record<string, any>} */ parameters = {}) =>
  say(key, parameters).join('');

/* What the code CODE of GROUP means; undefined: nobody said. A code may go on with what it is about, after a colon or
 * a digit. */
export function meaning(/** @type {keyof typeof en.codes} */ group, code) {
  const all = codes[group];
  if (Object.hasOwn(all, code)) return all[code];
  return Object.entries(all).find(([name]) => name.endsWith('…') && code.startsWith(name.slice(0, -1)))?.[1];
}
