/* parts: what views are made of: marks, bars, tables, headings. */

import { to } from './route.js';
import { link, refusalOf } from './reading.js';
import { cut, foreign, number, share, stepInWords, visible } from './text.js';
import { serverNow } from './time.js';
import { h } from './tree.js';

export const FILLING = 0.8; /* of a bound of quarantine */

export const unseen = text => h('span', { class: 'unseen' }, text);

export const mark = name =>
  h(
    'svg',
    { class: `mark ${name}`, 'aria-hidden': 'true', focusable: 'false' },
    h('use', { href: `#mark-${name}` }),
  );

export const STATES = { SUCCESS: 'Success', FAIL: 'Fail', IN_PROGRESS: 'In progress' };

export const stateOf = ({ state, step }) =>
  h(
    'span',
    { class: 'state' },
    mark(state),
    STATES[state] ?? visible(state),
    state === 'IN_PROGRESS' && step !== ''
      ? h('span', { class: 'step' }, ' · ', foreign(stepInWords(step), 40, 'said'))
      : null,
  );

const ODD = 'SUCCESS at another version than the target, or FAIL at it';

export const odd = text => h('span', { class: 'badge odd', title: ODD }, mark('odd'), text);

export const isStuck = (upgrade, seconds) =>
  upgrade.state === 'IN_PROGRESS' && Date.parse(upgrade.beganAt) < serverNow() - 1000 * seconds;

/* How many upgrades an operation, or a point of its progress, has. */
export const totalOf = ({ inProgress, success, fail }) => inProgress + success + fail;

/* [name, share] of each part of a bar that is not empty: a part that is there can be seen. */
function portions(counts) {
  const parts = [
    ['SUCCESS', counts.success],
    ['FAIL', counts.fail],
    ['IN_PROGRESS', counts.inProgress],
  ].filter(([, count]) => count > 0);
  const all = parts.reduce((sum, [, count]) => sum + count, 0);
  const least = parts.map(([name, count]) => [name, Math.max(count / all, 0.008)]);
  const sum = least.reduce((total, [, part]) => total + part, 0);
  return least.map(([name, part]) => [name, part / sum]);
}

const percent = part => `${+(100 * part).toFixed(3)}%`;
export const PATTERNS = { FAIL: 'url(#hatch)', IN_PROGRESS: 'url(#dots)' };

export const inWords = counts =>
  `${number(counts.success)} success, ${number(counts.fail)} fail, ${number(counts.inProgress)} in progress`;

/* Success, fail and in progress, one after the other. */
export function stackedBar(counts, kind = '') {
  let from = 0;
  return h(
    'svg',
    { class: `bar ${kind}`, role: 'img', 'aria-label': inWords(counts) },
    portions(counts).map(([name, part]) => {
      const geometry = { x: percent(from), width: percent(part), y: '0', height: '100%' };
      from += part;
      return h(
        'g',
        { key: name },
        h('rect', { class: name, ...geometry }),
        PATTERNS[name] ? h('rect', { key: 'pattern', fill: PATTERNS[name], ...geometry }) : null,
      );
    }),
  );
}

export const plainBar = (part, name) =>
  h(
    'svg',
    { class: 'bar thin', 'aria-hidden': 'true' },
    h('rect', { class: name, x: '0', y: '0', height: '100%', width: percent(Math.max(part, 0.006)) }),
  );

export const fillBar = part =>
  h(
    'svg',
    { class: 'bar fill', role: 'img', 'aria-label': `${share(part, 1)} full` },
    h('rect', {
      class: part >= FILLING ? 'FAIL' : 'IN_PROGRESS',
      x: '0',
      y: '0',
      height: '100%',
      width: percent(Math.min(1, part)),
    }),
  );

export const swatch = name =>
  h(
    'svg',
    { class: 'swatch', 'aria-hidden': 'true', focusable: 'false' },
    h('rect', { class: name, width: '100%', height: '100%' }),
    PATTERNS[name]
      ? h('rect', { key: 'pattern', fill: PATTERNS[name], width: '100%', height: '100%' })
      : null,
  );

export const figure = (name, value, ...more) =>
  h(
    'div',
    { key: name },
    h('dt', null, name),
    h('dd', null, h('span', { class: 'value' }, value), h('span', { class: 'more' }, more)),
  );

/* COLUMNS: [title, class]. ROWS: {key, cells, class}; the first cell is the row's header. A table
 * that is laid out as cards on a narrow screen must say its roles itself. */
export function table(caption, columns, rows, kind = '') {
  return h(
    'table',
    { class: kind, role: 'table' },
    h('caption', { class: 'unseen' }, caption),
    h(
      'thead',
      { role: 'rowgroup' },
      h(
        'tr',
        { role: 'row' },
        columns.map(([title, name]) => h('th', { scope: 'col', role: 'columnheader', class: name }, title)),
      ),
    ),
    h(
      'tbody',
      { role: 'rowgroup' },
      rows.map(row =>
        h(
          'tr',
          { key: row.key, role: 'row', class: row.class, 'aria-current': row.current ? 'true' : null },
          row.cells.map((cell, i) =>
            h(
              i === 0 ? 'th' : 'td',
              {
                class: columns[i][1],
                'data-title': columns[i][0],
                ...(i === 0 ? { scope: 'row', role: 'rowheader' } : { role: 'cell' }),
              },
              cell,
            ),
          ),
        ),
      ),
    ),
  );
}

export const heading = (...content) => h('h1', { id: 'heading', tabindex: '-1' }, content);

/* Links to the page behind and to the first. */
export function pager(next, route, name, stays = false) {
  if (!next && route.after === undefined) return null;
  const { view, ...parameters } = route;
  return h(
    'nav',
    { class: 'pager', 'aria-label': name },
    route.after === undefined
      ? null
      : h(
          'a',
          { key: 'first', href: to(view, { ...parameters, after: undefined }), 'data-stays': stays },
          'First page',
        ),
    next
      ? h(
          'a',
          { key: 'next', href: to(view, { ...parameters, after: next }), 'data-stays': stays },
          'Next page',
        )
      : h('span', { key: 'end', class: 'quiet' }, 'Last page'),
  );
}

/* Takes the place of a document that is missing. */
export function instead(name, what) {
  const refusal = refusalOf(name);
  if (refusal === undefined) {
    return h(
      'p',
      { key: 'instead', class: 'waiting' },
      link.failures > 0 ? 'Nothing to show until the receiver answers.' : 'Reading…',
    );
  }
  return h(
    'div',
    { key: 'instead', class: 'empty' },
    h(
      'p',
      null,
      h(
        'strong',
        null,
        refusal.status === 404 ? `There is no such ${what}.` : `This cannot be shown (${refusal.status}).`,
      ),
    ),
    h('p', null, visible(cut(refusal.message, 400))),
  );
}

export const panel = (id, title, ...content) =>
  h(
    'section',
    { key: id, class: `panel ${id}`, 'aria-labelledby': id },
    h('h2', { id, tabindex: '-1' }, title),
    content,
  );
