/* app: the status page. Reads the documents of /status/ every two seconds and shows them.
 *
 * From a document to the screen: a view makes a tree of what should be there (overview.js, operation.js,
 * device.js, quarantine.js), and tree.js changes the page until it is. */

import { fitChart } from './chart.js';
import { deviceView } from './device.js';
import { announce, drawWith } from './draw.js';
import { restoreScroll, settlePlace, startGoing } from './going.js';
import { errorsView } from './errors.js';
import { isRefused, isStale, troubles } from './health.js';
import { operationView } from './operation.js';
import { overviewView } from './overview.js';
import { heading, mark, totalOf, unseen } from './parts.js';
import { documentsOf, pageOf, route, to } from './route.js';
import { quarantineView } from './quarantine.js';
import { documentOf, isCopying, latest, link, pauseRefresh, readSeldom, refresh, tellReader } from './reading.js';
import { hasSlash, startSearch, switchSlash } from './search.js';
import { cut, foreign, number, visible } from './text.js';
import { moment, timeWords, zone } from './time.js';
import { h, thatAre, updateChildren, updateText } from './tree.js';
import { LANGUAGES, language, say, speak, words } from './words.js';

const nowhereView = () => [
  heading(words('nowhere.title')),
  h('p', { class: 'empty' }, h('a', { href: to('overview') }, words('nowhere.back'))),
];

const views = {
  overview: overviewView,
  operation: operationView,
  device: deviceView,
  errors: errorsView,
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

const PARTS = {
  head: () => words('broken.head'),
  view: () => words('broken.view'),
  foot: () => words('broken.foot'),
  warnings: () => words('broken.warnings'),
  chart: () => words('broken.chart'),
  place: () => words('broken.place'),
};

const partsBroken = () =>
  [...broken].map(([name, error]) => ({
    kind: `broken ${name}`,
    level: 'critical',
    title: PARTS[name](),
    text: say('broken.text', { error: visible(cut(String(error), 200)) }),
  }));

function renderMain() {
  try {
    updateChildren(main, [h('div', { key: pageOf(route), class: `view ${route.view}` }, views[route.view]())]);
  } catch (error) {
    main.replaceChildren(); /* it may be half made */
    updateChildren(main, [heading(words('broken.heading'))]);
    throw error;
  }
}

function render() {
  drawPart('head', renderHead);
  drawPart('view', renderMain);
  drawPart('foot', renderFoot);
  let found = [];
  drawPart('warnings', () => {
    found = troubles();
  });
  found = [...partsBroken(), ...found];
  renderTroubles(found);
  document.title = titleOf(found);
  drawPart('chart', measureChart);
}

const around = (id, ...children) =>
  updateChildren(document.getElementById(id), thatAre(children));

const viewLink = (view, ...content) =>
  h('a', { key: view, href: to(view), 'aria-current': route.view === view ? 'page' : null }, content);

function renderHead() {
  renderFreshness();
  const held = latest?.quarantine.held ?? 0;
  around(
    'views',
    viewLink('overview', words('nav.operations')),
    knowsErrors() ? viewLink('errors', words('nav.failures')) : null,
    viewLink(
      'quarantine',
      words('nav.quarantine'),
      held > 0
        ? h(
            'span',
            { class: 'badge' },
            h('span', { 'aria-hidden': 'true' }, number(held)),
            unseen(words('nav.held', { count: held })),
          )
        : null,
    ),
  );
  around(
    'languages',
    Object.entries(LANGUAGES).map(([name, { name: own, locale }]) =>
      h(
        'button',
        {
          key: name,
          type: 'button',
          lang: locale,
          translate: 'no',
          'aria-pressed': String(name === language),
          onclick: () => speak(name),
        },
        own,
      ),
    ),
  );
}

/* Whether the receiver has the document of failures over all operations: it came with their states. */
const knowsErrors = () => route.view === 'errors' || latest?.operations[0]?.state !== undefined;

function renderFoot() {
  const json = documentsOf(route).main ?? documentsOf(route).overview;
  around(
    'foot',
    h(
      'p',
      null,
      h('span', null, say('foot.zone', { zone })),
      h(
        'label',
        null,
        h('input', {
          type: 'checkbox',
          checked: hasSlash(),
          onchange: event => switchSlash(event.target.checked),
        }),
        h('span', null, say('foot.slash')),
      ),
      h('a', { href: json }, words('foot.json')),
      latest?.receiver
        ? h('span', { key: 'version', translate: 'no' }, `upgrade-receiver ${visible(cut(latest.receiver.version, 60))}`)
        : null,
    ),
  );
}

/* The chart is as wide as its column; only the layout knows. */
function measureChart() {
  if (fitChart()) render();
}

function viewTitle() {
  switch (route.view) {
    case 'operation': {
      const id = visible(cut(route.operationId ?? '', 60));
      const operation = documentOf('main');
      if (operation === undefined) return id;
      return words('title.operation', {
        id,
        ended: operation.success + operation.fail,
        all: typeof operation.planned === 'number' ? operation.planned : totalOf(operation),
      });
    }
    case 'device':
      return visible(cut(route.deviceId ?? '', 60));
    case 'quarantine':
      return words('quarantine.title');
    case 'errors':
      return words('errors.title');
    default:
      return '';
  }
}

function titleOf(found) {
  const view = viewTitle();
  if (found.length > 0) return view === '' ? words('title.warns.overview') : words('title.warns', { view });
  return view === '' ? words('page.title') : words('title.well', { view });
}

let told = [];

/* Only that something went wrong, or is over, is said aloud. */
function renderTroubles(found) {
  const kinds = found.map(({ kind }) => kind);
  const fresh = found.filter(({ kind }) => !told.includes(kind));
  const over = told.filter(kind => !kinds.includes(kind));
  if (fresh.length > 0) announce(fresh.map(({ title }) => textOf(title)).join(' '));
  else if (over.length > 0)
    announce(over.includes('gone') ? words('said.back') : words('said.over'));
  told = kinds;
  updateChildren(
    document.getElementById('warnings'),
    found.length === 0
      ? []
      : [
          h(
            'section',
            { 'aria-label': words('warnings.label') },
            found.map(({ kind, level, title, text }) =>
              h(
                'div',
                { key: kind, class: `alarm ${level}`, 'data-kind': kind },
                mark('warning'),
                h('p', null, h('strong', null, title), ' ', text),
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
  const state = isStale() ? 'stale' : link.updated === null ? 'waiting' : link.isPaused ? 'paused' : 'live';
  const word = {
    stale: () =>
      isCopying() ? words('fresh.copying') : isRefused() ? words('fresh.refused') : words('fresh.gone'),
    waiting: () => words('fresh.waiting'),
    paused: () => words('fresh.paused'),
    live: () => words('fresh.live'),
  }[state]();
  around(
    'fresh',
    h('p', { class: `live ${state}` }, h('span', { class: 'dot', 'aria-hidden': 'true' }), word),
    latest === null
      ? null
      : h(
          'p',
          { key: 'last' },
          latest.lastAt === null
            ? words('fresh.last.never')
            : say('fresh.last', { when: moment(latest.lastAt) }),
        ),
    h(
      'p',
      { key: 'updated' },
      link.updated === null ? words('fresh.updated.never') : say('fresh.updated', { when: moment(link.updated) }),
    ),
    h(
      'button',
      { key: 'pause', type: 'button', class: 'small', onclick: switchPause },
      link.isPaused ? words('fresh.goOn') : words('fresh.pause'),
    ),
  );
}

function switchPause() {
  pauseRefresh(!link.isPaused);
  render();
}

/* Words that tell how long ago something was go on by themselves. */
function tick() {
  if (link.isPaused) return;
  const elements = /** @type {NodeListOf<HTMLTimeElement>} */ (
    document.querySelectorAll('time[data-words]')
  );
  for (const element of elements) {
    const text = timeWords[element.dataset.words](Date.parse(element.dateTime));
    if (element.firstChild !== null) updateText(element.firstChild, text);
  }
}

/* What index.html says by the name of a message. */
function fillFrame() {
  document.documentElement.lang = LANGUAGES[language].locale;
  for (const element of document.querySelectorAll('[data-say]')) {
    for (const one of element.getAttribute('data-say').split(' ')) {
      const [key, attribute] = /** @type {[import('./words.js').Key, string?]} */ (one.split('@'));
      if (attribute === undefined) element.textContent = words(key);
      else element.setAttribute(attribute, words(key));
    }
  }
}

function start() {
  fillFrame();
  drawWith(render);
  tellReader(() => {
    drawPart('place', settlePlace);
    render();
  });
  window.addEventListener('resize', measureChart);
  window.addEventListener('online', () => {
    if (!link.isPaused) refresh();
  });
  document.getElementById('skip').onclick = event => {
    event.preventDefault();
    main.focus();
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) readSeldom();
    else if (!link.isPaused) refresh();
  });
  setInterval(tick, 1000);
  startGoing();
  startSearch();
  render();
  refresh().then(restoreScroll);
}

start();
