/* overview: all operations, and how the receiver is. */

import { go } from './going.js';
import { checks, isStale } from './health.js';
import { isOpened, setOpened } from './opened.js';
import {
  campaignBadge,
  campaignWord,
  exports,
  figure,
  hasPlan,
  heading,
  instead,
  mark,
  odd,
  pager,
  plannedReported,
  stackedBar,
  table,
  unseen,
} from './parts.js';
import { filtersOf, isFiltered, route, to, toOperation } from './route.js';
import { documentOf, refusalOf } from './reading.js';
import { foreign, none, number, share } from './text.js';
import { moment } from './time.js';
import { h } from './tree.js';
import { say, words } from './words.js';

const ORDER_KEPT_MS = 10000; /* after somebody has moved in the list */
const FILTER = 'filter';
const SHARES = ['0.01', '0.05', '0.1', '0.25'];

/* Operations stay where they are while somebody moves among them, whichever changed last; a new one comes on top. Soon
 * after the pointer, or the focus, has come to rest they are in order again. */
let shownOrder = { list: null, keys: [] };
let moved_at = -Infinity;

function noteMove() {
  moved_at = performance.now();
}

const keyOf = ({ appId, operationId }) => JSON.stringify([appId, operationId]);

function inShownOrder(operations) {
  const byKey = new Map(operations.map(operation => [keyOf(operation), operation]));
  const list = JSON.stringify(route);
  if (performance.now() - moved_at < ORDER_KEPT_MS && shownOrder.list === list) {
    const known = new Set(shownOrder.keys);
    const fresh = [...byKey.keys()].filter(key => !known.has(key));
    shownOrder.keys = [...fresh, ...shownOrder.keys.filter(key => byKey.has(key))];
  } else {
    shownOrder = { list, keys: [...byKey.keys()] };
  }
  return shownOrder.keys.map(key => [key, byKey.get(key)]);
}

export function overviewView() {
  const overview = documentOf('overview');
  if (overview === undefined)
    return [heading(words('overview.title')), instead('overview', words('instead.page'))];
  return [
    heading(words('overview.title')),
    h(
      'div',
      { class: 'columns' },
      h(
        'div',
        { class: 'wide', onpointermove: noteMove, onkeyup: noteMove },
        totalsOf(overview),
        isFiltered(route) || knowsStates(overview) ? filterOf(overview) : null,
        isFiltered(route) ? foundOf(overview) : listOf(overview, overview),
      ),
      h('aside', { class: 'narrow', 'aria-labelledby': 'health' }, healthOf(overview)),
    ),
  ];
}

/* Whether the receiver tells operations' states, and so can list by them. */
const knowsStates = ({ operations }) => operations[0]?.state !== undefined;

function totalsOf({ upgrades, totals }) {
  const ended = upgrades.success + upgrades.fail;
  return h(
    'dl',
    { class: 'figures' },
    figure(words('figure.inProgress'), [mark('IN_PROGRESS'), number(upgrades.inProgress)]),
    figure(words('figure.success'), [mark('SUCCESS'), number(upgrades.success)]),
    figure(
      words('figure.fail'),
      [mark('FAIL'), number(upgrades.fail)],
      ended > 0 ? say('figure.ofEnded', { share: share(upgrades.fail, ended) }) : null,
    ),
    figure(words('figure.contradictory'), [
      upgrades.contradictory > 0 ? mark('odd') : null,
      number(upgrades.contradictory),
    ]),
    figure(
      words('figure.notifications'),
      number(totals.notifications),
      say('figure.repeats', { count: totals.repeats }),
    ),
  );
}

/* What was asked for, in fields. */
function filterOf({ operations }) {
  const ask = (name, value) => {
    const { view, after, from, ...parameters } = route;
    go(to(view, { ...parameters, [name]: value === '' ? undefined : value }));
  };
  const field = (name, label, input) =>
    h('label', { key: name }, h('span', null, label), input);
  const choice = (name, label, choices) =>
    field(
      name,
      label,
      h(
        'select',
        { value: route[name] ?? '', name, onchange: event => ask(name, event.target.value) },
        choices.map(([value, title]) => h('option', { key: value, value }, title)),
      ),
    );
  const entry = (name, label, type) =>
    field(
      name,
      label,
      h('input', { type, name, value: route[name] ?? '', onchange: event => ask(name, event.target.value) }),
    );
  const applications = new Set(operations.map(({ appId }) => appId));
  if (route.appId !== undefined) applications.add(route.appId);
  for (const { appId } of documentOf('main')?.operations ?? []) applications.add(appId);
  const isOpen = isOpened(FILTER) || isFiltered(route);
  const form = h(
    'form',
    { class: 'filters', 'aria-label': words('filter.label'), onsubmit: event => event.preventDefault() },
    entry('q', words('filter.q'), 'text'),
    choice('state', words('filter.state'), [
      ['', words('filter.state.all')],
      ...['running', 'stalled', 'finished'].map(state => [state, campaignWord(state)]),
    ]),
    choice('appId', words('filter.app'), [
      ['', words('filter.app.all')],
      ...[...applications].sort().map(appId => [appId, foreign(appId, 40)]),
    ]),
    choice('failAbove', words('filter.failAbove'), [
      ['', words('filter.failAbove.all')],
      ...SHARES.map(value => [value, share(Number(value), 1)]),
    ]),
    entry('since', words('filter.since'), 'date'),
    entry('until', words('filter.until'), 'date'),
    choice('sort', words('filter.sort'), [
      ['', words('filter.sort.latest')],
      ['failures', words('filter.sort.failures')],
      ['name', words('filter.sort.name')],
    ]),
    isFiltered(route)
      ? h('a', { key: 'clear', class: 'clear', href: to('overview') }, words('filter.clear'))
      : null,
  );
  return h(
    'details',
    { key: FILTER, class: 'filter-box', open: isOpen, ontoggle: event => setOpened(FILTER, event.target.open) },
    h('summary', null, words('filter.title')),
    form,
  );
}

function foundOf(overview) {
  const found = documentOf('main');
  return found === undefined || refusalOf('main') !== undefined
    ? instead('main', words('instead.list'))
    : listOf(found, overview);
}

function listOf({ operations, next }, overview) {
  if (operations.length === 0) return emptyList(overview);
  const caption = {
    failures: () => words('overview.columns.failures'),
    name: () => words('overview.columns.name'),
  }[route.sort];
  return [
    table(
      caption === undefined ? words('overview.columns') : caption(),
      [
        [words('column.operation'), 'name'],
        [words('column.upgrades'), 'progress'],
        [words('column.failureShare'), 'n'],
        [words('column.lastChange'), 'n'],
      ],
      inShownOrder(operations).map(([key, operation]) => ({ key, cells: operationCells(operation) })),
      'cards operations',
    ),
    h(
      'div',
      { key: 'below', class: 'below' },
      knowsStates({ operations }) ? exports('operations', filtersOf(route)) : null,
      pager(next, route, words('pager.operations'), operations.length),
    ),
  ];
}

/* Nothing to list: what there is instead. */
function emptyList({ totals }) {
  const box = (...content) => h('div', { key: 'none', class: 'empty' }, content);
  const strong = text => h('p', null, h('strong', null, text));
  if (isFiltered(route))
    return box(
      strong(say('overview.noMatch', { link: inner => h('a', { href: to('overview') }, inner) })),
    );
  if (route.after !== undefined) return box(strong(words('overview.noMore')));
  return box(
    strong(words('overview.none')),
    totals.quarantined > 0
      ? h(
          'p',
          { key: 'quarantined' },
          say('overview.none.quarantined', {
            count: totals.quarantined,
            link: inner => h('a', { href: to('quarantine') }, inner),
          }),
        )
      : null,
    totals.notifications > 0
      ? h('p', { key: 'news' }, say('overview.none.news', { count: totals.notifications }))
      : null,
    h('p', { key: 'hint' }, words('overview.none.hint')),
  );
}

const countWord = inner => h('span', { class: 'word' }, inner);

/* How many succeeded, failed, are in progress, and what else there is to say. */
function countsOf(operation) {
  const { success, fail, inProgress, contradictory } = operation;
  const count = (key, name, text) => h('span', { key }, mark(name), h('span', null, text));
  return h(
    'span',
    { class: 'counts' },
    count('s', 'SUCCESS', say('count.success', { count: success, word: countWord })),
    count('f', 'FAIL', say('count.fail', { count: fail, word: countWord })),
    count('p', 'IN_PROGRESS', say('count.inProgress', { count: inProgress, word: countWord })),
    contradictory > 0
      ? h('span', { key: 'c' }, odd(words('count.contradictory', { count: contradictory })))
      : null,
    operation.pruned
      ? h('span', { key: 'pruned', class: 'badge' }, words('overview.pruned'))
      : null,
    hasPlan(operation)
      ? h(
          'span',
          { key: 'planned', class: 'word' },
          say('overview.planned', { reported: plannedReported(operation), planned: operation.planned }),
        )
      : null,
  );
}

function operationCells(operation) {
  const { operationId, appId, state, note, targetVersions } = operation;
  return [
    [
      h('a', { href: toOperation(operation), class: 'main-link' }, foreign(operationId)),
      state === undefined
        ? null
        : h(
            'span',
            { key: 'campaign', class: 'sub' },
            campaignBadge(state),
            targetVersions?.length > 0
              ? h('span', { key: 'target' }, ' → ', foreign(targetVersions[0].version, 40))
              : null,
          ),
      h(
        'span',
        { class: 'sub' },
        say('overview.app', {
          app: foreign(appId, 40),
          abbr: inner => h('abbr', { title: words('overview.appLong') }, inner),
        }),
      ),
      note ? h('span', { key: 'note', class: 'sub note' }, foreign(note, 160, 'said')) : null,
    ],
    [stackedBar(operation), countsOf(operation)],
    operation.failureShare === null ? none() : share(operation.fail, operation.success + operation.fail),
    [
      moment(operation.lastAt),
      h('span', { class: 'sub' }, say('overview.began', { when: moment(operation.firstAt) })),
    ],
  ];
}

function healthOf(overview) {
  const all = checks(overview);
  const count = all.filter(({ isWell }) => !isWell).length;
  const lost = overview.totals.quarantineLogOnly;
  return [
    h('h2', { id: 'health' }, words('health.title')),
    h(
      'p',
      { class: count === 0 ? 'verdict' : 'verdict bad' },
      mark(count === 0 ? 'ok' : 'warning'),
      count === 0
        ? words('health.well')
        : lost > 0
          ? words('health.lost', { count, lost })
          : isStale()
            ? words('health.wrong.stale', { count })
            : words('health.wrong', { count }),
    ),
    h(
      'ul',
      { class: 'checks' },
      all.map(({ isWell, name, value }, i) =>
        h(
          'li',
          { key: String(i), class: isWell ? null : 'bad' },
          mark(isWell ? 'ok' : 'warning'),
          unseen(isWell ? words('health.item.well') : words('health.item.wrong')),
          h('span', { class: 'what' }, name),
          h('span', { class: 'value' }, value),
        ),
      ),
    ),
  ];
}
