/* overview: all operations, and how the receiver is. */

import { checks, isStale } from './health.js';
import { figure, heading, instead, mark, odd, pager, stackedBar, table, unseen } from './parts.js';
import { pageOf, route, toOperation } from './route.js';
import { documentOf } from './reading.js';
import { counted, foreign, number, share } from './text.js';
import { moment } from './time.js';
import { h } from './tree.js';

/* Operations stay where they are while somebody looks, whichever changed last; a new one comes on
 * top. Going to another page and back puts them in order again. */
let shownOrder = { page: null, keys: [] };
let isOrderFixed = false; /* once somebody has seen a fresh one */

function inShownOrder(operations) {
  const keyOf = ({ appId, operationId }) => JSON.stringify([appId, operationId]);
  const byKey = new Map(operations.map(operation => [keyOf(operation), operation]));
  const page = pageOf(route);
  if (isOrderFixed && shownOrder.page === page) {
    const known = new Set(shownOrder.keys);
    const fresh = [...byKey.keys()].filter(key => !known.has(key));
    shownOrder.keys = [...fresh, ...shownOrder.keys.filter(key => byKey.has(key))];
  } else {
    shownOrder = { page, keys: [...byKey.keys()] };
  }
  return shownOrder.keys.map(key => [key, byKey.get(key)]);
}

export function overviewView() {
  const overview = documentOf('overview');
  if (overview === undefined) return [heading('Operations'), instead('overview', 'page')];
  return [
    heading('Operations'),
    h(
      'div',
      { class: 'columns' },
      h(
        'div',
        { class: 'wide' },
        totalsOf(overview),
        operationsOf(overview),
        pager(overview.next, route, 'Pages of operations'),
      ),
      h('aside', { class: 'narrow', 'aria-labelledby': 'health' }, healthOf(overview)),
    ),
  ];
}

function totalsOf({ upgrades, totals }) {
  const finished = upgrades.success + upgrades.fail;
  return h(
    'dl',
    { class: 'figures' },
    figure('In progress', [mark('IN_PROGRESS'), number(upgrades.inProgress)]),
    figure('Success', [mark('SUCCESS'), number(upgrades.success)]),
    figure(
      'Fail',
      [mark('FAIL'), number(upgrades.fail)],
      finished > 0 ? `${share(upgrades.fail, finished)} of finished` : null,
    ),
    figure('Contradictory', [
      upgrades.contradictory > 0 ? mark('odd') : null,
      number(upgrades.contradictory),
    ]),
    figure('Notifications', number(totals.notifications), `${counted(totals.repeats, 'repeat')} besides`),
  );
}

function operationsOf({ operations }) {
  if (operations.length === 0) {
    return h(
      'div',
      { key: 'none', class: 'empty' },
      h(
        'p',
        null,
        h(
          'strong',
          null,
          route.after === undefined ? 'No upgrade has been heard of yet.' : 'No more operations.',
        ),
      ),
      route.after === undefined
        ? h(
            'p',
            null,
            'As soon as the platform pushes a result or a state change, its operation appears here by itself.',
          )
        : null,
    );
  }
  return table(
    'Operations, the latest changed first',
    [
      ['Operation', 'name'],
      ['Upgrades', 'progress'],
      ['Failure share', 'n'],
      ['Last change', 'n'],
    ],
    inShownOrder(operations).map(([key, operation]) => ({ key, cells: operationCells(operation) })),
    'cards operations',
  );
}

function operationCells(operation) {
  return [
    [
      h('a', { href: toOperation(operation), class: 'main-link' }, foreign(operation.operationId)),
      h(
        'span',
        { class: 'sub' },
        h('abbr', { title: 'application' }, 'app'),
        ' ',
        foreign(operation.appId, 40),
      ),
    ],
    [
      stackedBar(operation),
      h(
        'span',
        { class: 'counts' },
        h(
          'span',
          { key: 's' },
          mark('SUCCESS'),
          `${number(operation.success)} `,
          h('span', { class: 'word' }, 'success'),
        ),
        h(
          'span',
          { key: 'f' },
          mark('FAIL'),
          `${number(operation.fail)} `,
          h('span', { class: 'word' }, 'fail'),
        ),
        h(
          'span',
          { key: 'p' },
          mark('IN_PROGRESS'),
          `${number(operation.inProgress)} `,
          h('span', { class: 'word' }, 'in progress'),
        ),
        operation.contradictory > 0
          ? h('span', { key: 'c' }, odd(`${number(operation.contradictory)} contradictory`))
          : null,
        operation.pruned ? h('span', { key: 'pruned', class: 'badge' }, 'pruned') : null,
      ),
    ],
    operation.failureShare === null
      ? h('span', { class: 'none' }, '–')
      : share(operation.fail, operation.success + operation.fail),
    [moment(operation.lastAt), h('span', { class: 'sub' }, 'began ', moment(operation.firstAt))],
  ];
}

function healthOf(overview) {
  const all = checks(overview);
  const wrong = all.filter(({ isWell }) => !isWell).length;
  const lost = overview.totals.quarantineLogOnly;
  return [
    h('h2', { id: 'health' }, 'Health'),
    h(
      'p',
      { class: wrong === 0 ? 'verdict' : 'verdict bad' },
      mark(wrong === 0 ? 'ok' : 'warning'),
      wrong === 0
        ? 'All is well, nothing was lost.'
        : `${counted(wrong, 'thing')} to look at; ${lost === 0 ? `nothing was lost${isStale() ? ' until then' : ''}.` : `${counted(lost, 'body', 'bodies')} not in the store.`}`,
    ),
    h(
      'ul',
      { class: 'checks' },
      all.map(({ isWell, name, value }, i) =>
        h(
          'li',
          { key: String(i), class: isWell ? null : 'bad' },
          mark(isWell ? 'ok' : 'warning'),
          unseen(isWell ? 'well: ' : 'to look at: '),
          h('span', { class: 'what' }, name),
          h('span', { class: 'value' }, value),
        ),
      ),
    ),
  ];
}

export function fixOrder(isFixed) {
  isOrderFixed = isFixed;
}
