/* app: the status page. Reads the documents of /status/ every two seconds and shows them.
 *
 * From a document to the screen: a view makes a tree of what should be there (overview.js, operation.js,
 * device.js, quarantine.js), and tree.js changes the page until it is. */

import { fitChart } from './chart.js';
import { deviceView } from './device.js';
import { announce, drawWith } from './draw.js';
import { restoreScroll, settlePlace, startGoing } from './going.js';
import { isStale, troubles } from './health.js';
import { operationView } from './operation.js';
import { fixOrder, overviewView } from './overview.js';
import { heading, mark, totalOf, unseen } from './parts.js';
import { documentsOf, pageOf, route, to } from './route.js';
import { quarantineView } from './quarantine.js';
import { documentOf, latest, link, pauseRefresh, refresh, tellReader } from './reading.js';
import { startSearch } from './search.js';
import { cut, foreign, number, share, visible } from './text.js';
import { moment, timeWords, zone } from './time.js';
import { h, updateChildren, updateText } from './tree.js';

const nowhereView = () => [
  heading('There is no such page'),
  h('p', { class: 'empty' }, h('a', { href: to('overview') }, 'To the operations')),
];

const views = {
  overview: overviewView,
  operation: operationView,
  device: deviceView,
  quarantine: quarantineView,
  nowhere: nowhereView,
};

const main = document.getElementById('main');

/* What could not be drawn, and why. No part that fails keeps another from being drawn, or the next
 * refresh from coming. */
const broken = new Map();

function drawPart(name, drawIt) {
  try {
    drawIt();
    broken.delete(name);
  } catch (error) {
    if (broken.get(name)?.message !== error.message) console.error(error);
    broken.set(name, error);
  }
}

const partsBroken = () =>
  [...broken].map(([name, error]) => ({
    kind: `broken ${name}`,
    level: 'critical',
    title: `This page cannot show ${name}.`,
    text: ` ${visible(cut(String(error), 200))}: a fault of the page. The receiver is not touched by it.`,
  }));

function renderMain() {
  try {
    updateChildren(main, [h('div', { key: pageOf(route), class: `view ${route.view}` }, views[route.view]())]);
  } catch (error) {
    main.replaceChildren(); /* it may be half made */
    updateChildren(main, [heading('This cannot be shown')]);
    throw error;
  }
}

function render() {
  drawPart('its head', renderHead);
  drawPart('this view', renderMain);
  drawPart('its foot', renderFoot);
  let found = [];
  drawPart('the warnings', () => {
    found = troubles();
  });
  found = [...partsBroken(), ...found];
  renderTroubles(found);
  document.title = titleOf(found);
  drawPart('the chart', measureChart);
}

const around = (id, ...children) => updateChildren(document.getElementById(id), children.flat());

function renderHead() {
  renderFreshness();
  const held = latest?.quarantine.held ?? 0;
  around(
    'views',
    h('a', { href: to('overview'), 'aria-current': route.view === 'overview' ? 'page' : null }, 'Operations'),
    h(
      'a',
      { href: to('quarantine'), 'aria-current': route.view === 'quarantine' ? 'page' : null },
      'Quarantine',
      held > 0 ? h('span', { class: 'badge' }, number(held), unseen(' held')) : null,
    ),
  );
}

function renderFoot() {
  const json = documentsOf(route).main ?? documentsOf(route).overview;
  around(
    'foot',
    h(
      'p',
      null,
      `Times are those of ${zone}. `,
      h('kbd', null, '/'),
      ' searches. ',
      h('a', { href: json }, 'This page as JSON'),
      latest?.receiver ? [' · upgrade-receiver ', foreign(latest.receiver.version)] : null,
    ),
  );
}

/* The chart is as wide as its column; only the layout knows. */
function measureChart() {
  if (fitChart()) render();
}

function titleOf(found) {
  const operation = route.view === 'operation' ? documentOf('main') : undefined;
  const words = {
    operation: `${operation === undefined ? '' : `${share(operation.success + operation.fail, totalOf(operation))} `}${visible(cut(route.operationId ?? '', 60))}`,
    device: visible(cut(route.deviceId ?? '', 60)),
    quarantine: 'Quarantine',
  };
  return `${found.length > 0 ? '(!) ' : ''}${words[route.view] ? `${words[route.view]} · ` : ''}Upgrades`;
}

let told = [];

/* Only that something went wrong, or is over, is said aloud. */
function renderTroubles(found) {
  const kinds = found.map(({ kind }) => kind);
  const fresh = found.filter(({ kind }) => !told.includes(kind));
  const over = told.filter(kind => !kinds.includes(kind));
  if (fresh.length > 0) announce(fresh.map(({ title }) => textOf(title)).join(' '));
  else if (over.length > 0)
    announce(over.includes('gone') ? 'The receiver answers again.' : 'A warning is over.');
  told = kinds;
  updateChildren(
    document.getElementById('warnings'),
    found.length === 0
      ? []
      : [
          h(
            'section',
            { 'aria-label': 'Warnings' },
            found.map(({ kind, level, title, text }) =>
              h(
                'div',
                { key: kind, class: `alarm ${level}`, 'data-kind': kind },
                mark('warning'),
                h('p', null, h('strong', null, title), text),
              ),
            ),
          ),
        ],
  );
  document.body.classList.toggle('stale', isStale());
}

const textOf = tree =>
  [tree]
    .flat(Infinity)
    .map(part => (typeof part === 'object' ? part.children.map(textOf).join('') : part))
    .join('');

function renderFreshness() {
  const state = isStale() ? 'stale' : link.updated === null ? 'waiting' : 'live';
  updateChildren(document.getElementById('fresh'), [
    h(
      'p',
      { class: `live ${state}` },
      h('span', { class: 'dot', 'aria-hidden': 'true' }),
      { stale: link.refused ? 'Refused' : 'No answer', waiting: 'Reading', live: 'Live' }[state],
    ),
    h(
      'p',
      null,
      'Last notification ',
      latest === null ? '–' : latest.lastAt === null ? 'never' : moment(latest.lastAt),
    ),
    h('p', null, 'Updated ', link.updated === null ? 'never' : moment(link.updated)),
  ]);
}

/* Words that tell how long ago something was go on by themselves. */
function tick() {
  const elements = /** @type {NodeListOf<HTMLTimeElement>} */ (
    document.querySelectorAll('time[data-words]')
  );
  for (const element of elements) {
    const text = timeWords[element.dataset.words](Date.parse(element.dateTime));
    if (element.firstChild !== null) updateText(element.firstChild, text);
  }
}

function start() {
  drawWith(render);
  tellReader(isWell => {
    drawPart('where it is', settlePlace);
    render();
    if (isWell) fixOrder(true);
  });
  window.addEventListener('resize', measureChart);
  window.addEventListener('online', refresh);
  document.getElementById('skip').onclick = event => {
    event.preventDefault();
    main.focus();
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) pauseRefresh();
    else refresh();
  });
  setInterval(tick, 1000);
  startGoing();
  startSearch();
  render();
  if (!document.hidden) refresh().then(restoreScroll);
}

start();
