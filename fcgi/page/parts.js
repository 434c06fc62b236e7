/* parts: what views are made of: marks, bars, tables, headings. */

import { announce } from './draw.js';
import { address, to } from './route.js';
import { isCopying, link, refusalOf } from './reading.js';
import { cut, foreign, refusalInWords, share, stepInWords, visible } from './text.js';
import { moment, serverNow } from './time.js';
import { h } from './tree.js';
import { say, words } from './words.js';

export const FILLING = 0.8; /* of a bound of quarantine */

export const unseen = text => h('span', { class: 'unseen' }, text);

export const mark = name =>
  h(
    'svg',
    { class: `mark ${name}`, 'aria-hidden': 'true', focusable: 'false' },
    h('use', { href: `#mark-${name}` }),
  );

export const stateWord = state =>
  ({
    SUCCESS: words('state.SUCCESS'),
    FAIL: words('state.FAIL'),
    IN_PROGRESS: words('state.IN_PROGRESS'),
  })[state] ?? visible(state);

export const stateOf = ({ state, step }) =>
  h(
    'span',
    { class: 'state' },
    mark(state),
    stateWord(state),
    state === 'IN_PROGRESS' && step !== ''
      ? h('span', { class: 'step' }, say('state.step', { step: foreign(stepInWords(step), 40, 'said') }))
      : null,
  );

const CAMPAIGNS = {
  running: () => words('campaign.running'),
  stalled: () => words('campaign.stalled'),
  finished: () => words('campaign.finished'),
};

export const campaignWord = state => (Object.hasOwn(CAMPAIGNS, state) ? CAMPAIGNS[state]() : state);

export const campaignMark = state => mark({ running: 'IN_PROGRESS', stalled: 'stuck' }[state] ?? 'ok');

/* How an operation goes, as a sign of its own. */
export const campaignBadge = state =>
  h(
    'span',
    { key: 'campaign', class: `badge campaign ${Object.hasOwn(CAMPAIGNS, state) ? state : ''}` },
    campaignMark(state),
    campaignWord(state),
  );

export const odd = text => h('span', { class: 'badge odd', title: words('odd.means') }, mark('odd'), text);

/* How long an upgrade has been in progress, if that is long. */
export const stuckFor = (upgrade, seconds) =>
  isStuck(upgrade, seconds)
    ? h(
        'span',
        { class: 'badge stuck' },
        mark('stuck'),
        h('span', null, say('stuck.badge', { duration: moment(upgrade.beganAt, 'since') })),
      )
    : null;

const isStuck = (upgrade, seconds) =>
  upgrade.state === 'IN_PROGRESS' && Date.parse(upgrade.beganAt) < serverNow() - 1000 * seconds;

/* How many upgrades an operation, or a point of its progress, has. */
export const totalOf = ({ inProgress, success, fail }) => inProgress + success + fail;

/* How many planned devices have reported. */
export const plannedReported = ({ planned, missing }) => planned - missing;

/* Whether a document tells of plans: the list of devices is in the store. */
export const hasPlan = ({ planned, missing }) => typeof planned === 'number' && typeof missing === 'number';

/* Whether no state change was ever heard of: each upgrade came with its result. */
export const hasResultsAlone = ({ inProgress, success, fail, progress }) =>
  inProgress === 0 && success + fail > 0 && progress.points.every(point => point.inProgress === 0);

/* [name, share] of each part of a bar that is not empty: a part that is there can be seen. Devices that are missing
 * are the empty rest. */
function portions(counts) {
  const parts = [
    ['SUCCESS', counts.success],
    ['FAIL', counts.fail],
    ['IN_PROGRESS', counts.inProgress],
    ['missing', hasPlan(counts) ? counts.missing : 0],
  ].filter(([, count]) => count > 0);
  const all = parts.reduce((sum, [, count]) => sum + count, 0);
  const least = parts.map(([name, count]) => [name, Math.max(count / all, 0.008)]);
  const sum = least.reduce((total, [, part]) => total + part, 0);
  return least.map(([name, part]) => [name, part / sum]).filter(([name]) => name !== 'missing');
}

const percent = part => `${+(100 * part).toFixed(3)}%`;
export const PATTERNS = { FAIL: 'url(#hatch)', IN_PROGRESS: 'url(#dots)' };

export const inWords = ({ success, fail, inProgress }) => words('counts.all', { success, fail, inProgress });

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
    { class: 'bar fill', role: 'img', 'aria-label': words('bar.full', { share: share(part, 1) }) },
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

/* What a view is about: its id, and buttons that copy it and the page's address. */
export const idHeading = (content, id) => [
  heading(content),
  h(
    'p',
    { key: 'copy', class: 'copy' },
    copier(words('copy.id'), () => id),
    copier(words('copy.link'), () => location.href),
  ),
];

const copier = (name, what) =>
  h('button', { key: name, type: 'button', class: 'small', onclick: () => copy(what()) }, name);

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch (error) {
    announce(visible(String(error)));
    return;
  }
  announce(words('said.copied'));
}

/* Links to the page behind and to the first, and which rows these are. ROWS are how many there are here, ALL how many
 * in all, if that is known. */
export function pager(next, route, name, rows, all) {
  if (!next && route.after === undefined) return null;
  const { view, ...parameters } = route;
  const from = Number(route.from ?? 0);
  const knows = route.after === undefined || route.from !== undefined;
  const positions = { first: from + 1, last: from + rows, all };
  return h(
    'nav',
    { key: 'pager', class: 'pager', 'aria-label': name },
    knows && rows > 0
      ? h(
          'span',
          { key: 'rows', class: 'quiet' },
          all === undefined ? say('pager.rowsOpen', positions) : say('pager.rows', positions),
        )
      : null,
    route.after === undefined
      ? null
      : h(
          'a',
          { key: 'first', href: to(view, { ...parameters, after: undefined, from: undefined }) },
          words('pager.first'),
        ),
    next
      ? h(
          'a',
          {
            key: 'next',
            href: to(view, { ...parameters, after: next, from: knows ? String(from + rows) : undefined }),
          },
          words('pager.next'),
        )
      : h('span', { key: 'end', class: 'quiet' }, words('pager.last')),
  );
}

/* A list as one file. The receiver streams it; with a byte order mark, by which Excel knows UTF-8. */
export function exports(name, parameters) {
  const file = (ending, more) => text =>
    h(
      'a',
      { key: ending, href: address(`${name}.${ending}`, { ...parameters, ...more }), download: `${name}.${ending}` },
      text,
    );
  return h(
    'p',
    { key: 'export', class: 'export' },
    say('export.list', { csv: file('csv', { bom: 1 }), jsonl: file('jsonl', {}) }),
  );
}

/* Takes the place of a document that is missing. WHAT: its words if there is no such thing. */
export function instead(name, what) {
  const refusal = refusalOf(name);
  if (refusal === undefined) {
    return h(
      'p',
      { key: 'instead', class: 'waiting' },
      isCopying()
        ? words('instead.copying')
        : link.failures > 0
          ? words('instead.gone')
          : words('instead.waiting'),
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
        refusal.status === 404 ? what : words('instead.status', { status: String(refusal.status) }),
      ),
    ),
    h('p', null, refusal.status === 404 ? visible(cut(refusal.message, 400)) : refusalInWords(refusal)),
  );
}

export const panel = (id, title, ...content) =>
  h(
    'section',
    { key: id, class: `panel ${id}`, 'aria-labelledby': id },
    h('h2', { id, tabindex: '-1' }, title),
    content,
  );

