/* app: the status page. Reads the documents of /status/ every two seconds and shows them.
 *
 * From a document to the screen: a view (a function) makes a tree of what should be there, and
 * update() changes the page in place until it is. So nothing that a person has focused, opened,
 * selected or scrolled to is ever built anew. Every text goes in as a text node, never as HTML.
 *
 * Charts are SVG made here: bars and one area chart, about a hundred lines. A library would be many
 * times that, would want inline styles, which the Content-Security-Policy refuses, and would know
 * neither the patterns that tell states apart without colour nor how to be changed in place. */

const REFRESH_MS = 2000;
const RETRY_MS = 1000; /* after the first failure; then longer each time */
const RETRY_MOST_MS = 30000;
const ANSWER_MS = 10000; /* how long an answer may take */
const STALE_MS = 6000;
const ROWS = 50;
const OPERATIONS = 25;
const DEVICE_ROWS = 20;
const STUCK_DEFAULT_S = 3600;
const STUCK_CHOICES_S = [300, 900, 3600, 21600, 86400];
const CSV_ROWS = 1000;
const PLATFORM_ACTS_AT = 10; /* answers in a row that are not 200 */
const FILLING = 0.8; /* of a bound of quarantine */
const GROWTH_MS = 300000; /* how far back growth is looked at */
const CUT_ID = 96; /* characters of an id or text in a list */
const CUT_BODY = 20000;
const DOCUMENTS_KEPT = 24;
const STUCK_ROWS = 5; /* the longest ones, beside the chart */
const CODES_FIRST = 10; /* rows of failures shown before all are asked for */

/* ---- Texts. ---- */

/* Characters that show nothing, or change how others are shown: controls, marks of direction,
 * spaces without width. */
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

const codeOf = character => character.charCodeAt(0).toString(16).padStart(4, '0');

/* A text of anybody's making as it can be shown: nothing in it stays unseen. */
const visible = text => (text.trim() === '' ? text.replace(/ /g, '␠') : text).replace(HIDDEN, character =>
  (character < ' ' ? String.fromCharCode(0x2400 + character.charCodeAt(0)) : `‹U+${codeOf(character).toUpperCase()}›`));

/* The same for JSON, where an escape says it exactly. */
const visibleJson = text => text.replace(HIDDEN, character => (character === '\n' ? '\n' : `\\u${codeOf(character)}`));

function cut(text, most) {
  const whole = Array.from(text.length > 4 * most ? text.slice(0, 2 * most) + text.slice(-2 * most) : text);
  if (whole.length <= most) return text;
  return `${whole.slice(0, most - 25).join('')}…${whole.slice(-24).join('')}`;
}

/* An id, or another short text that somebody else chose: isolated, so that its direction ends with it. */
function foreign(text, most = CUT_ID, kind = 'id') {
  const short = cut(text, most);
  return h('bdi', { class: kind, title: short === text ? null : visible(cut(text, 2000)) }, visible(short));
}

const said = text => (text === '' ? h('span', { class: 'none' }, '–') : foreign(text, 240, 'said'));

const numbers = new Intl.NumberFormat('en');
const number = value => numbers.format(value);

/* "1 body", "2 bodies" */
const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/* A share never looks like none, or like all, unless it is. */
function share(part, whole) {
  if (whole === 0) return '–';
  const percent = (100 * part) / whole;
  if (part > 0 && percent < 0.1) return '<0.1 %';
  if (part < whole && percent > 99.9) return '>99.9 %';
  return `${percent < 10 || percent > 99 ? +percent.toFixed(1) : Math.round(percent)} %`;
}

function bytes(count) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) {
    count /= 1024;
    unit++;
  }
  return `${unit === 0 || count >= 100 ? Math.round(count) : +count.toFixed(1)} ${units[unit]}`;
}

function duration(seconds) {
  const units = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const first = units.findIndex(([length]) => seconds >= length);
  if (first < 0) return '0 s';
  const [length, name] = units[first];
  const whole = Math.floor(seconds / length);
  const next = units[first + 1];
  const rest = next && whole < 10 ? Math.floor((seconds % length) / next[0]) : 0;
  return rest > 0 ? `${whole} ${name} ${rest} ${next[1]}` : `${whole} ${name}`;
}

/* ---- Time: the server's, as the Date of its answers tells it. ---- */

/* What must be added to this page's own steady clock. Date has whole seconds: each answer says
 * between which bounds it lies, and all together soon say it well. */
const clock = { low: -Infinity, high: Infinity };

function learnTime(date, asked_ms, answered_ms) {
  const second = Date.parse(date);
  if (Number.isNaN(second)) return;
  const low = second - answered_ms;
  const high = second + 1000 - asked_ms;
  const fits = low <= clock.high && high >= clock.low; /* not so after a clock was set, or a sleep */
  clock.low = fits ? Math.max(clock.low, low) : low;
  clock.high = fits ? Math.min(clock.high, high) : high;
}

function serverNow() {
  const offset = Number.isFinite(clock.low) ? (clock.low + clock.high) / 2 : Date.now() - performance.now();
  return performance.now() + offset;
}

const form = options => new Intl.DateTimeFormat('en-GB', { hourCycle: 'h23', ...options });
const DAY = { day: 'numeric', month: 'short' };
const MINUTE = { hour: '2-digit', minute: '2-digit' };
const SECOND = { ...MINUTE, second: '2-digit' };
const formats = {
  full: form({ ...DAY, year: 'numeric', ...SECOND }),
  year: form({ ...DAY, year: 'numeric' }),
  day: form(DAY),
  minute: form(MINUTE),
  second: form(SECOND),
  dayMinute: form({ ...DAY, ...MINUTE }),
};
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function ago(at_ms) {
  const seconds = Math.floor((serverNow() - at_ms) / 1000);
  if (seconds < 1) return 'just now';
  if (seconds < 100) return `${seconds} s ago`;
  if (seconds < 6000) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 60 * 86400) return `${Math.floor(seconds / 86400)} days ago`;
  return formats.year.format(at_ms);
}

function since(at_ms) {
  return duration(Math.max(0, Math.floor((serverNow() - at_ms) / 1000)));
}

const timeWords = { ago, since };

/* A moment in words that go on by themselves: "12 s ago" or, with 'since', "12 s". */
function moment(at, words = 'ago') {
  if (at === null || at === undefined || at === '') return h('span', { class: 'none' }, '–');
  const at_ms = typeof at === 'number' ? at : Date.parse(at);
  return h('time', {
    datetime: new Date(at_ms).toISOString(),
    title: formats.full.format(at_ms),
    'data-words': words,
  }, timeWords[words](at_ms));
}

function clockTime(at) {
  const at_ms = typeof at === 'number' ? at : Date.parse(at);
  const sameDay = formats.year.format(at_ms) === formats.year.format(serverNow());
  return h('time', { datetime: new Date(at_ms).toISOString(), title: formats.full.format(at_ms) },
    (sameDay ? formats.second : formats.full).format(at_ms));
}

/* ---- Trees, and the page changed in place. ---- */

const SVG = 'http://www.w3.org/2000/svg';

/* What should be there: an element with attributes (null: none; on...: a handler), and in it
 * elements and texts. `key` tells it from its siblings wherever it stands among them. */
function h(tag, attributes, ...children) {
  const { key, ...rest } = attributes ?? {};
  return { tag, key, attributes: rest, children: children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false) };
}

/* What was last made of an element. */
const made = new WeakMap();

/* The same tree as before for the same document, which is then not even compared. */
const trees = new WeakMap();

function treeOf(document_, make) {
  if (!trees.has(document_)) trees.set(document_, make());
  return trees.get(document_);
}

function create(tree, namespace) {
  if (typeof tree !== 'object') return document.createTextNode(String(tree));
  const element = tree.tag === 'svg' || namespace === SVG
    ? document.createElementNS(SVG, tree.tag)
    : document.createElement(tree.tag);
  update(element, tree);
  return element;
}

function update(element, tree) {
  if (made.get(element) === tree) return;
  const before = made.get(element)?.attributes ?? {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(tree.attributes)])) {
    const value = tree.attributes[name] ?? null;
    if (name.startsWith('on')) element[name] = value;
    else if (name === 'value' && tree.tag === 'select') continue; /* see below */
    else if ((before[name] ?? null) === value) continue;
    else if (value === null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? '' : value);
  }
  made.set(element, tree);
  updateChildren(element, tree.children);
  /* Which of its options a select shows is no attribute. */
  if (tree.tag === 'select' && element.value !== tree.attributes.value) element.value = tree.attributes.value;
}

/* Only what differs in the middle of a text is changed: a selection that ends in it stays. */
function updateText(node, text) {
  const old = node.data;
  if (old === text) return;
  let start = 0;
  while (start < old.length && start < text.length && old[start] === text[start]) start++;
  let end = 0;
  while (end < old.length - start && end < text.length - start && old[old.length - 1 - end] === text[text.length - 1 - end]) end++;
  node.replaceData(start, old.length - start - end, text.slice(start, text.length - end));
}

function updateChildren(parent, children) {
  const keyed = new Map();
  const others = [];
  for (const node of parent.childNodes) {
    const key = made.get(node)?.key;
    if (key === undefined) others.push(node);
    else keyed.set(key, node);
  }
  const nodes = children.map(child => {
    const kept = take(child, keyed, others);
    if (kept === null) return create(child, parent.namespaceURI === SVG && parent.localName !== 'foreignObject' ? SVG : null);
    if (typeof child === 'object') update(kept, child);
    else updateText(kept, String(child));
    return kept;
  });
  for (const node of [...others, ...keyed.values()]) node.remove();
  arrange(parent, nodes);
}

/* The node that is to become CHILD, out of those that are there; null: none will do. */
function take(child, keyed, others) {
  if (typeof child === 'object' && child.key !== undefined) {
    const node = keyed.get(child.key);
    if (node === undefined || made.get(node).tag !== child.tag) return null;
    keyed.delete(child.key);
    return node;
  }
  const index = others.findIndex(node =>
    typeof child === 'object' ? made.get(node)?.tag === child.tag : node.nodeType === Node.TEXT_NODE);
  return index < 0 ? null : others.splice(index, 1)[0];
}

/* Puts NODES in order. A node that is moved loses focus and selection: the one that has them stays
 * where it is, and the others are put around it. */
function arrange(parent, nodes) {
  const selection = document.getSelection();
  const isHeld = node => node.contains(document.activeElement) ||
    (!selection.isCollapsed && node.contains(selection.anchorNode));
  const held = nodes.findIndex(isHeld);
  for (let i = 0; i < held; i++) {
    const place = i === 0 ? parent.firstChild : nodes[i - 1].nextSibling;
    if (place !== nodes[i]) parent.insertBefore(nodes[i], place);
  }
  for (let i = Math.max(held, 0); i < nodes.length; i++) {
    const place = i === 0 ? parent.firstChild : nodes[i - 1].nextSibling;
    if (i !== held && place !== nodes[i]) parent.insertBefore(nodes[i], place);
  }
}

/* ---- Places: the fragment of the address says what is shown. ---- */

/* Where a view reads what, and by what it is another page (with a heading to go to), not another
 * part of the same. */
const VIEWS = {
  overview: { parameters: ['after'], is: ['after'] },
  operation: { parameters: ['operationId', 'appId', 'longerThan', 'list', 'errorCode', 'after'], is: ['operationId', 'appId'], must: 'operationId' },
  device: { parameters: ['deviceId', 'after'], is: ['deviceId', 'after'], must: 'deviceId' },
  quarantine: { parameters: ['after'], is: ['after'] },
};

const query = parameters => Object.entries(parameters)
  .filter(([, value]) => value !== undefined && value !== null)
  .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  .join('&');

const address = (path, parameters) => [path, query(parameters)].filter(part => part !== '').join('?');

const to = (view, parameters = {}) => address(view === 'overview' ? '#/' : `#/${view}`, parameters);

const toOperation = ({ operationId, appId }, more = {}) => to('operation', { operationId, appId, ...more });

function readPlace(fragment) {
  const [path, search = ''] = fragment.replace(/^#?\/?/, '').split(/\?(.*)/s);
  const name = path === '' ? 'overview' : path;
  const view = Object.hasOwn(VIEWS, name) ? VIEWS[name] : null;
  const all = new URLSearchParams(search);
  const place = { view: view === null ? 'nowhere' : name };
  for (const parameter of view?.parameters ?? []) place[parameter] = all.get(parameter) ?? undefined;
  if (view?.must !== undefined && !place[view.must]) place.view = 'nowhere';
  return place;
}

const pageOf = place => JSON.stringify([place.view, ...(VIEWS[place.view]?.is ?? []).map(name => place[name] ?? null)]);

/* Lists of one operation's devices: what each asks for, and how many it will be. */
const LISTS = {
  all: { title: 'All', ask: () => ({}), count: o => o.inProgress + o.success + o.fail },
  fail: { title: 'Fail', ask: place => ({ state: 'FAIL', errorCode: place.errorCode }), count: o => o.fail },
  inProgress: { title: 'In progress', ask: () => ({ state: 'IN_PROGRESS' }), count: o => o.inProgress },
  stuck: { title: 'Stuck', ask: place => ({ state: 'IN_PROGRESS', longerThan: longerThan(place) }), count: o => o.stuck.count, more: o => o.stuck.more },
  success: { title: 'Success', ask: () => ({ state: 'SUCCESS' }), count: o => o.success },
  contradictory: { title: 'Contradictory', ask: () => ({ contradictory: 1 }), count: o => o.contradictory },
};

const listOf = place => (place.errorCode !== undefined ? 'fail' : Object.hasOwn(LISTS, place.list ?? '') ? place.list : 'all');

const longerThan = place => (/^[1-9]\d{0,8}$/.test(place.longerThan ?? '') ? Number(place.longerThan) : STUCK_DEFAULT_S);

/* The documents that a place needs, by what they are to it. */
function documentsOf(place) {
  const { operationId, appId, after } = place;
  switch (place.view) {
    case 'overview':
      return { overview: address('overview.json', { after, limit: OPERATIONS }) };
    case 'operation':
      return {
        overview: 'overview.json?limit=1',
        main: address('operation.json', { operationId, appId, longerThan: longerThan(place) }),
        list: address('upgrades.json', { operationId, appId, ...LISTS[listOf(place)].ask(place), after, limit: ROWS }),
      };
    case 'device':
      return { overview: 'overview.json?limit=1', main: address('device.json', { deviceId: place.deviceId, after, limit: DEVICE_ROWS }) };
    case 'quarantine':
      return { overview: 'overview.json?limit=1', main: address('quarantine.json', { after, limit: ROWS }) };
    default:
      return { overview: 'overview.json?limit=1' };
  }
}

/* ---- Reading the documents. ---- */

const kept = new Map(); /* by address: {etag, document}, the latest used last */
const refusals = new Map(); /* by address: what was said in place of the document */

const link = {
  failures: 0, /* in a row */
  failing_since: null, /* server time */
  reason: '',
  updated: null, /* server time of the last whole refresh */
  next_try: null,
  round: 0,
  abort: null,
  timer: null,
};

class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/* A number that JavaScript cannot hold is shown as it came. */
const exactly = (name, value, context) =>
  (typeof value === 'number' && context?.source !== undefined && JSON.rawJSON !== undefined && String(value) !== context.source
    ? JSON.rawJSON(context.source)
    : value);

/* Sees to it that the newest document of URL is among those kept. The tag is sent by hand, not left to the
 * browser's cache, which keeps nothing from a host whose certificate it does not trust, as the one
 * that nginx/start makes; and so what has not changed is not even parsed. */
async function read(url, signal) {
  const before = kept.get(url);
  const asked_ms = performance.now();
  const answer = await fetch(url, {
    headers: before?.etag ? { 'If-None-Match': before.etag } : {},
    cache: 'no-store',
    signal,
  });
  learnTime(answer.headers.get('Date'), asked_ms, performance.now());
  if (answer.status !== 304 && !answer.ok) throw new Refusal(answer.status, await detailOf(answer));
  const text = await answer.text(); /* also where there is none: an answer that nobody reads holds its connection */
  let now = before;
  if (answer.status !== 304) {
    now = { etag: answer.headers.get('ETag') ?? '', document: url.startsWith('device.json') ? JSON.parse(text, exactly) : JSON.parse(text) };
  }
  refusals.delete(url);
  kept.delete(url);
  kept.set(url, now);
  if (kept.size > DOCUMENTS_KEPT) kept.delete(kept.keys().next().value);
}

async function detailOf(answer) {
  try {
    const problem = await answer.json();
    return String(problem.detail ?? problem.title ?? '');
  } catch {
    return answer.statusText;
  }
}

/* Whether the receiver itself, or what stands before it, could not answer. */
const isGone = error => !(error instanceof Refusal) || error.status >= 500;

/* Reads what the place needs, shows it, and sees to the next time. */
async function refresh() {
  const round = ++link.round;
  clearTimeout(link.timer);
  link.abort?.abort();
  link.abort = new AbortController();
  link.next_try = null;
  const tooLong = setTimeout(() => link.abort.abort(), ANSWER_MS);
  const urls = Object.values(documentsOf(place));
  const outcomes = await Promise.allSettled(urls.map(url => read(url, link.abort.signal)));
  if (round !== link.round) return; /* a later one has begun: for another place, or after a pause */
  clearTimeout(tooLong);
  let gone = null;
  outcomes.forEach(({ reason }, i) => {
    if (reason === undefined) return;
    if (isGone(reason)) gone ??= reason;
    else refusals.set(urls[i], reason);
  });
  noteOutcome(gone);
  settlePlace();
  render();
  isOrderFixed ||= gone === null;
  scheduleRefresh();
}

function noteOutcome(gone) {
  if (gone === null) {
    Object.assign(link, { failures: 0, failing_since: null, reason: '', updated: serverNow() });
    noteGrowth();
    return;
  }
  link.failures++;
  link.failing_since ??= serverNow();
  link.reason = gone instanceof Refusal ? `${gone.status} ${gone.message}`.trim() : 'the web server cannot be reached, or does not answer in time';
}

function scheduleRefresh() {
  clearTimeout(link.timer);
  if (document.hidden) return;
  const wait = link.failures === 0 ? REFRESH_MS : Math.min(RETRY_MS * 1.7 ** (link.failures - 1), RETRY_MOST_MS);
  link.next_try = performance.now() + wait;
  link.timer = setTimeout(refresh, wait);
}

/* What a view shows as NAME: its document, or, while that is being read for the first time, the one
 * before of the same page, so that what is there does not go and come back. */
function documentOf(name) {
  const url = documentsOf(place)[name];
  const document_ = kept.get(url)?.document;
  if (document_ !== undefined) {
    if (shown.page !== pageOf(place)) shown = { page: pageOf(place) };
    shown[name] = document_;
    return document_;
  }
  return shown.page === pageOf(place) && link.failures === 0 && !refusals.has(url) ? shown[name] : undefined;
}

let shown = { page: null };

const refusalOf = name => refusals.get(documentsOf(place)[name]);

/* The newest overview that any view has brought: what is above and beside all views. */
let latest = null;

/* What was counted at earlier times, to see what grows while this page is open. */
const history_ = [];

function noteGrowth() {
  latest = documentOf('overview') ?? latest;
  if (latest === null) return;
  const at = performance.now();
  history_.push({ at, overview: latest });
  while (history_.length > 2 && history_[0].at < at - GROWTH_MS) history_.shift();
}

/* ---- Health: what an operator must know, whatever the view. ---- */

/* One failed try may be nothing: what is there is not called stale before the second, or before it is
 * old. */
const isStale = () => link.failures >= 2 || (link.failures > 0 && (latest === null || serverNow() - link.updated > STALE_MS));

const quarantineFill = ({ quarantine, receiver }) => (receiver === null ? 0
  : Math.max(quarantine.held / receiver.quarantineMax, quarantine.bytes / receiver.quarantineBytesMax));

/* An application that falls further behind, or that takes nothing, over at least ten seconds. */
function backlogOf(application) {
  const earlier = history_.filter(({ at }) => at <= performance.now() - 10000)
    .map(({ overview }) => overview.applications.find(({ name }) => name === application.name));
  const first = earlier.at(-1);
  if (first === undefined || first.backlog === 0 || application.backlog === 0) return 'fine';
  if (application.cursor === first.cursor) return 'stands';
  return application.backlog > first.backlog && earlier.every(one => one === undefined || one.backlog <= application.backlog) ? 'grows' : 'fine';
}

/* Everything that is wrong now: {kind, level, title, text}. */
function troubles() {
  const found = [];
  const add = (kind, level, title, ...text) => found.push({ kind, level, title, text });
  if (isStale()) addGone(add);
  if (latest === null) return found;
  const { receiver, applications } = latest;
  if (receiver?.storeFault) {
    add('store', 'critical', 'The store takes nothing.', ' ', foreign(receiver.storeFault, 400, 'said'),
      '. The platform is answered 503 until a write works again, and comes back.');
  }
  if (receiver?.refusedInARow > 0) {
    add('refused', receiver.refusedInARow >= PLATFORM_ACTS_AT / 2 ? 'critical' : 'warning',
      `${counted(receiver.refusedInARow, 'answer')} in a row ${receiver.refusedInARow === 1 ? 'was' : 'were'} not 200.`,
      ` The platform acts at ${PLATFORM_ACTS_AT}: it may stop sending to this host.`);
  }
  addQuarantine(add);
  if (receiver?.logLinesDropped > 0) {
    add('log', 'warning', `${counted(receiver.logLinesDropped, 'log line')} dropped`,
      ' since the receiver started: whatever reads its log stalled. The notifications are kept; ', h('code', null, 'upgrade-status log'), ' prints their lines again.');
  }
  for (const application of applications) {
    const state = backlogOf(application);
    if (state === 'fine') continue;
    add(`backlog ${application.name}`, 'warning',
      ['Application ', foreign(application.name), state === 'grows' ? ' falls behind:' : ' takes nothing:'],
      ` ${counted(application.backlog, 'notification')} wait for it.`);
  }
  return found;
}

function addGone(add) {
  add('gone', 'critical', 'No answer from the receiver',
    ' since ', clockTime(link.failing_since), ' (', moment(link.failing_since, 'since'), '): ', visible(cut(link.reason, 300)), '. ',
    link.updated === null ? 'Nothing was read yet. ' : ['What is shown is as of ', clockTime(link.updated), '. '],
    h('button', { type: 'button', class: 'small', onclick: refresh }, 'Try now'));
}

function addQuarantine(add) {
  const { receiver, totals, quarantine } = latest;
  const fill = quarantineFill(latest);
  const link_ = h('a', { href: to('quarantine') }, 'See what is in it');
  const earlier = history_[0]?.overview.totals ?? totals;
  const logOnly = totals.quarantineLogOnly - earlier.quarantineLogOnly;
  const more = totals.quarantined - earlier.quarantined;
  const held = receiver === null ? '' : ` ${number(quarantine.held)} of ${number(receiver.quarantineMax)} bodies, ${bytes(quarantine.bytes)} of ${bytes(receiver.quarantineBytesMax)}. `;
  if (fill >= 1 || logOnly > 0) {
    add('quarantine', 'critical', 'Quarantine is full:', ' what comes now goes to the log alone.', held, link_);
  } else if (fill >= FILLING) {
    add('quarantine', 'warning', 'Quarantine is filling:', held, link_);
  } else if (more > 0) {
    add('quarantine', 'warning', 'Quarantine grows:',
      ` ${counted(more, 'body', 'bodies')} more in the last ${duration(Math.max(1, Math.round((performance.now() - history_[0].at) / 1000)))} that ${more === 1 ? 'is' : 'are'} no known notification. `, link_);
  }
}

/* The same, and more, as a list of what is well and what is not. */
function checks({ receiver, totals, quarantine, applications }) {
  const all = [];
  const isQuiet = kind => !troubles().some(trouble => trouble.kind === kind);
  const add = (isWell, name, ...value) => all.push({ isWell, name, value });
  add(!isStale(), 'Receiver', isStale() ? 'does not answer' : receiver === null ? 'answers' : ['answers, version ', foreign(receiver.version), `, process ${receiver.pid}`]);
  if (receiver !== null) {
    add(!receiver.storeFault, 'Store', receiver.storeFault ? 'takes nothing' : 'takes notifications');
    add(receiver.refusedInARow === 0, 'Not 200 in a row', number(receiver.refusedInARow));
    add(receiver.logLinesDropped === 0, 'Log lines dropped', number(receiver.logLinesDropped));
  }
  add(isQuiet('quarantine'), 'Quarantine', h('a', { href: to('quarantine') }, counted(quarantine.held, 'body', 'bodies')),
    receiver === null ? null : ` of ${number(receiver.quarantineMax)}`, `, ${bytes(quarantine.bytes)}`,
    receiver === null ? null : fillBar(quarantineFill({ quarantine, receiver })));
  add(totals.quarantineLogOnly === 0, 'Quarantined in the log alone', number(totals.quarantineLogOnly));
  for (const application of applications) {
    add(isQuiet(`backlog ${application.name}`), ['Application ', foreign(application.name, 40)],
      application.backlog === 0 ? 'has everything' : `${counted(application.backlog, 'notification')} behind`);
  }
  return all;
}

/* ---- Parts that views are made of. ---- */

const unseen = text => h('span', { class: 'unseen' }, text);

const mark = name => h('svg', { class: `mark ${name}`, 'aria-hidden': 'true', focusable: 'false' }, h('use', { href: `#mark-${name}` }));

const STATES = { SUCCESS: 'Success', FAIL: 'Fail', IN_PROGRESS: 'In progress' };

const stateOf = ({ state, step }) => h('span', { class: 'state' }, mark(state), STATES[state] ?? visible(state),
  state === 'IN_PROGRESS' && step !== '' ? h('span', { class: 'step' }, ' · ', foreign(step, 40, 'said')) : null);

const ODD = 'SUCCESS at another version than the target, or FAIL at it';

const odd = text => h('span', { class: 'badge odd', title: ODD }, mark('odd'), text);

const isStuck = (upgrade, seconds) => upgrade.state === 'IN_PROGRESS' && Date.parse(upgrade.beganAt) < serverNow() - 1000 * seconds;

/* [name, class, share] of each part of a bar that is not empty: a part that is there can be seen. */
function portions(counts) {
  const parts = [['SUCCESS', counts.success], ['FAIL', counts.fail], ['IN_PROGRESS', counts.inProgress]].filter(([, count]) => count > 0);
  const all = parts.reduce((sum, [, count]) => sum + count, 0);
  const least = parts.map(([name, count]) => [name, Math.max(count / all, 0.008)]);
  const sum = least.reduce((total, [, part]) => total + part, 0);
  return least.map(([name, part]) => [name, part / sum]);
}

const percent = part => `${+(100 * part).toFixed(3)}%`;
const PATTERNS = { FAIL: 'url(#hatch)', IN_PROGRESS: 'url(#dots)' };

const inWords = counts => `${number(counts.success)} success, ${number(counts.fail)} fail, ${number(counts.inProgress)} in progress`;

/* Success, fail and in progress, one after the other. */
function stackedBar(counts, kind = '') {
  let from = 0;
  return h('svg', { class: `bar ${kind}`, role: 'img', 'aria-label': inWords(counts) }, portions(counts).map(([name, part]) => {
    const geometry = { x: percent(from), width: percent(part), y: '0', height: '100%' };
    from += part;
    return h('g', { key: name }, h('rect', { class: name, ...geometry }),
      PATTERNS[name] ? h('rect', { key: 'pattern', fill: PATTERNS[name], ...geometry }) : null);
  }));
}

const plainBar = (part, name) => h('svg', { class: 'bar thin', 'aria-hidden': 'true' },
  h('rect', { class: name, x: '0', y: '0', height: '100%', width: percent(Math.max(part, 0.006)) }));

const fillBar = part => h('svg', { class: 'bar fill', role: 'img', 'aria-label': `${share(part, 1)} full` },
  h('rect', { class: part >= FILLING ? 'FAIL' : 'IN_PROGRESS', x: '0', y: '0', height: '100%', width: percent(Math.min(1, part)) }));

const swatch = name => h('svg', { class: 'swatch', 'aria-hidden': 'true', focusable: 'false' },
  h('rect', { class: name, width: '100%', height: '100%' }),
  PATTERNS[name] ? h('rect', { key: 'pattern', fill: PATTERNS[name], width: '100%', height: '100%' }) : null);

const figure = (name, value, ...more) => h('div', { key: name }, h('dt', null, name), h('dd', null, h('span', { class: 'value' }, value), h('span', { class: 'more' }, more)));

/* COLUMNS: [title, class]. ROWS: {key, cells, class}; the first cell is the row's header. A table
 * that is laid out as cards on a narrow screen must say its roles itself. */
function table(caption, columns, rows, kind = '') {
  return h('table', { class: kind, role: 'table' },
    h('caption', { class: 'unseen' }, caption),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map(([title, name]) => h('th', { scope: 'col', role: 'columnheader', class: name }, title)))),
    h('tbody', { role: 'rowgroup' }, rows.map(row => h('tr', { key: row.key, role: 'row', class: row.class, 'aria-current': row.current ? 'true' : null },
      row.cells.map((cell, i) => h(i === 0 ? 'th' : 'td', {
        class: columns[i][1],
        'data-title': columns[i][0],
        ...(i === 0 ? { scope: 'row', role: 'rowheader' } : { role: 'cell' }),
      }, cell))))));
}

const heading = (...content) => h('h1', { id: 'heading', tabindex: '-1' }, content);

/* Links to the page behind and to the first. */
function pager(next, place_, name, stays = false) {
  if (!next && place_.after === undefined) return null;
  const { view, ...parameters } = place_;
  return h('nav', { class: 'pager', 'aria-label': name },
    place_.after === undefined ? null : h('a', { key: 'first', href: to(view, { ...parameters, after: undefined }), 'data-stays': stays }, 'First page'),
    next ? h('a', { key: 'next', href: to(view, { ...parameters, after: next }), 'data-stays': stays }, 'Next page') : h('span', { key: 'end', class: 'quiet' }, 'Last page'));
}

/* What stands where a document is missing. */
function instead(name, what) {
  const refusal = refusalOf(name);
  if (refusal === undefined) {
    return h('p', { key: 'instead', class: 'waiting' }, link.failures > 0 ? 'Nothing to show until the receiver answers.' : 'Reading…');
  }
  return h('div', { key: 'instead', class: 'empty' },
    h('p', null, h('strong', null, refusal.status === 404 ? `There is no such ${what}.` : `This cannot be shown (${refusal.status}).`)),
    h('p', null, visible(cut(refusal.message, 400))));
}

const panel = (id, title, ...content) => h('section', { key: id, class: `panel ${id}`, 'aria-labelledby': id }, h('h2', { id, tabindex: '-1' }, title), content);

/* ---- The overview. ---- */

/* Operations stay where they are while somebody looks, whichever changed last; a new one comes on
 * top. Going to another page and back puts them in order again. */
let shownOrder = { page: null, keys: [] };
let isOrderFixed = false; /* once somebody has seen a fresh one */

function inShownOrder(operations) {
  const keyOf = ({ appId, operationId }) => JSON.stringify([appId, operationId]);
  const byKey = new Map(operations.map(operation => [keyOf(operation), operation]));
  const page = pageOf(place);
  if (isOrderFixed && shownOrder.page === page) {
    const known = new Set(shownOrder.keys);
    const fresh = [...byKey.keys()].filter(key => !known.has(key));
    shownOrder.keys = [...fresh, ...shownOrder.keys.filter(key => byKey.has(key))];
  } else {
    shownOrder = { page, keys: [...byKey.keys()] };
  }
  return shownOrder.keys.map(key => [key, byKey.get(key)]);
}

function overviewView() {
  const overview = documentOf('overview');
  if (overview === undefined) return [heading('Operations'), instead('overview', 'page')];
  return [
    heading('Operations'),
    h('div', { class: 'columns' },
      h('div', { class: 'wide' }, totalsOf(overview), operationsOf(overview), pager(overview.next, place, 'Pages of operations')),
      h('aside', { class: 'narrow', 'aria-labelledby': 'health' }, healthOf(overview))),
  ];
}

function totalsOf({ upgrades, totals }) {
  const finished = upgrades.success + upgrades.fail;
  return h('dl', { class: 'figures' },
    figure('In progress', [mark('IN_PROGRESS'), number(upgrades.inProgress)]),
    figure('Success', [mark('SUCCESS'), number(upgrades.success)]),
    figure('Fail', [mark('FAIL'), number(upgrades.fail)], finished > 0 ? `${share(upgrades.fail, finished)} of finished` : null),
    figure('Contradictory', [upgrades.contradictory > 0 ? mark('odd') : null, number(upgrades.contradictory)]),
    figure('Notifications', number(totals.notifications), `${counted(totals.repeats, 'repeat')} besides`));
}

function operationsOf({ operations }) {
  if (operations.length === 0) {
    return h('div', { key: 'none', class: 'empty' },
      h('p', null, h('strong', null, place.after === undefined ? 'No upgrade has been heard of yet.' : 'No more operations.')),
      place.after === undefined ? h('p', null, 'As soon as the platform pushes a result or a state change, its operation appears here by itself.') : null);
  }
  return table('Operations, the latest changed first',
    [['Operation', 'name'], ['Devices', 'progress'], ['Failure share', 'n'], ['Last change', 'n']],
    inShownOrder(operations).map(([key, operation]) => ({ key, cells: operationCells(operation) })), 'cards operations');
}

const totalOf = ({ inProgress, success, fail }) => inProgress + success + fail;

function operationCells(operation) {
  return [
    [h('a', { href: toOperation(operation), class: 'main-link' }, foreign(operation.operationId)),
      h('span', { class: 'sub' }, h('abbr', { title: 'application' }, 'app'), ' ', foreign(operation.appId, 40))],
    [stackedBar(operation),
      h('span', { class: 'counts' },
        h('span', { key: 's' }, mark('SUCCESS'), `${number(operation.success)} `, h('span', { class: 'word' }, 'success')),
        h('span', { key: 'f' }, mark('FAIL'), `${number(operation.fail)} `, h('span', { class: 'word' }, 'fail')),
        h('span', { key: 'p' }, mark('IN_PROGRESS'), `${number(operation.inProgress)} `, h('span', { class: 'word' }, 'in progress')),
        operation.contradictory > 0 ? h('span', { key: 'c' }, odd(`${number(operation.contradictory)} contradictory`)) : null,
        operation.pruned ? h('span', { key: 'pruned', class: 'badge' }, 'pruned') : null)],
    operation.failureShare === null ? h('span', { class: 'none' }, '–') : share(operation.fail, operation.success + operation.fail),
    [moment(operation.lastAt), h('span', { class: 'sub' }, 'began ', moment(operation.firstAt))],
  ];
}

function healthOf(overview) {
  const all = checks(overview);
  const wrong = all.filter(({ isWell }) => !isWell).length;
  const lost = overview.totals.quarantineLogOnly;
  return [
    h('h2', { id: 'health' }, 'Health'),
    h('p', { class: wrong === 0 ? 'verdict' : 'verdict bad' }, mark(wrong === 0 ? 'ok' : 'warning'),
      wrong === 0 ? 'All is well, nothing was lost.'
        : `${counted(wrong, 'thing')} to look at; ${lost === 0 ? `nothing was lost${isStale() ? ' until then' : ''}.` : `${counted(lost, 'body', 'bodies')} not in the store.`}`),
    h('ul', { class: 'checks' }, all.map(({ isWell, name, value }, i) => h('li', { key: String(i), class: isWell ? null : 'bad' },
      mark(isWell ? 'ok' : 'warning'), unseen(isWell ? 'well: ' : 'to look at: '),
      h('span', { class: 'what' }, name), h('span', { class: 'value' }, value)))),
  ];
}

/* ---- One operation. ---- */

function operationView() {
  const operation = documentOf('main');
  const title = heading(h('span', { class: 'kind' }, 'Operation '), foreign(place.operationId, 400));
  if (operation === undefined || refusalOf('main') !== undefined) return [title, instead('main', 'operation')];
  return [
    title,
    h('p', { class: 'about' }, 'application ', foreign(operation.appId),
      ' · first heard of ', clockTime(operation.firstAt), ' · last change ', moment(operation.lastAt),
      operation.alsoIn.length > 0 ? [' · also in ', operation.alsoIn.map((appId, i) => [i > 0 ? ', ' : '', h('a', { href: toOperation({ ...operation, appId }) }, foreign(appId))])] : null),
    operation.pruned ? h('p', { class: 'notice' }, 'Pruned: its notifications and devices are gone from the store, the counters stay.') : null,
    stackedBar(operation, 'large'),
    figuresOf(operation),
    h('div', { class: 'pair' },
      panel('pace', 'Progress over time', paceOf(operation)),
      panel('stuck', 'Stuck', stuckOf(operation))),
    h('div', { class: 'pair' },
      panel('failures', 'Failures by error code', failuresOf(operation)),
      panel('versions', 'Versions', versionsOf(operation))),
    panel('devices', 'Devices', devicesOf(operation)),
  ];
}

function figuresOf(operation) {
  const { inProgress, success, fail, contradictory } = operation;
  const all = totalOf(operation);
  return h('dl', { class: 'figures' },
    figure('Finished', share(success + fail, all), `${number(success + fail)} of ${counted(all, 'device')}`),
    figure('Success', [mark('SUCCESS'), number(success)], share(success, all)),
    figure('Fail', [mark('FAIL'), number(fail)], share(fail, all)),
    figure('In progress', [mark('IN_PROGRESS'), number(inProgress)], share(inProgress, all)),
    figure('Failure share', operation.failureShare === null ? '–' : share(fail, success + fail), 'of finished'),
    figure('Contradictory', contradictory > 0 ? [mark('odd'), h('a', { href: listLink('contradictory') }, number(contradictory))] : '0', contradictory > 0 ? 'result and version disagree' : null));
}

const listLink = (list, more = {}) => to('operation', { ...place, view: undefined, list: list === 'all' ? undefined : list, errorCode: undefined, after: undefined, ...more });

/* Rows of failures that are shown although there are many, by page. */
const opened = new Set();

function toggle(key, isOpen) {
  if (isOpen === opened.has(key)) return;
  if (isOpen) opened.add(key);
  else opened.delete(key);
  render();
}

/* A part that is only made once somebody opens it. */
const later = (key, summary, content) => h('details', { key, ontoggle: event => toggle(key, event.target.open) },
  h('summary', null, summary), opened.has(key) ? content() : null);

function failuresOf(operation) {
  if (operation.failures.length === 0) return h('p', { class: 'quiet' }, 'None has failed.');
  const most = operation.failures[0].count;
  const key = `codes ${pageOf(place)}`;
  const isAll = opened.has(key) || operation.failures.length <= CODES_FIRST + 2;
  const rows = isAll ? operation.failures : operation.failures.slice(0, CODES_FIRST);
  return [
    table('Failures by error code, the most frequent first; a code opens the list of its devices',
      [['Code', 'name'], ['Devices', 'progress'], ['Of failures', 'n'], ['Last', 'n'], ['For example', 'text']],
      rows.map(failure => ({
        key: failure.errorCode,
        current: place.errorCode === failure.errorCode,
        cells: [
          h('a', { href: listLink('fail', { errorCode: failure.errorCode }) },
            failure.errorCode === '' ? h('em', null, 'no code') : foreign(failure.errorCode)),
          h('span', { class: 'bar-count' }, plainBar(failure.count / most, 'FAIL'), h('span', { class: 'count' }, number(failure.count))),
          share(failure.count, operation.fail),
          moment(failure.lastAt),
          said(failure.example),
        ],
      })), 'cards failures'),
    isAll ? null : h('button', { key: 'all', type: 'button', class: 'small', onclick: () => showAllCodes(key) }, `Show all ${operation.failures.length} codes`),
    operation.failuresMore ? h('p', { key: 'more', class: 'quiet' }, 'There are more codes than these; the CSV file has all devices.') : null,
  ];
}

function showAllCodes(key) {
  toggle(key, true);
  document.getElementById('failures').focus({ preventScroll: true });
}

function versionsOf(operation) {
  if (operation.versions.length === 0) return h('p', { class: 'quiet' }, 'No result has told any yet.');
  return [
    table('Versions from and to', [['From, to', 'name'], ['Success', 'n'], ['Fail', 'n']], operation.versions.map(({ from, to: target, success, fail }) => ({
      key: JSON.stringify([from, target]),
      cells: [[version(from), ' → ', version(target), stackedBar({ success, fail, inProgress: 0 }, 'thin')], number(success), number(fail)],
    })), 'versions-table'),
    operation.versionsMore ? h('p', { key: 'more', class: 'quiet' }, 'There are more; these are the most frequent.') : null,
  ];
}

const version = text => (text === '' ? h('em', null, 'none') : foreign(text, 40));

function stuckOf({ stuck }) {
  const seconds = longerThan(place);
  const choices = [...new Set([...STUCK_CHOICES_S, seconds])].sort((a, b) => a - b);
  return [
    h('p', { class: 'choice' }, h('label', { for: 'longer' }, 'In progress for longer than '),
      h('select', { id: 'longer', value: String(seconds), onchange: event => go(to('operation', { ...place, view: undefined, after: undefined, longerThan: event.target.value })) },
        choices.map(choice => h('option', { key: String(choice), value: String(choice) }, duration(choice))))),
    stuck.longerThan !== seconds ? h('p', { key: 'reading', class: 'waiting' }, 'Reading…') : stuck.count === 0 ? h('p', { key: 'none', class: 'quiet' }, 'No device is.') : [
      h('p', { key: 'count', class: 'verdict bad' }, mark('stuck'), h('span', null, stuck.more ? `more than ${number(stuck.count)} devices` : counted(stuck.count, 'device'), ' ', h('a', { href: listLink('stuck') }, 'List all'))),
      table('The longest of them', [['Device', 'name'], ['Step', 'word'], ['For', 'n']], stuck.upgrades.slice(0, STUCK_ROWS).map(upgrade => ({
        key: upgradeKey(upgrade),
        cells: [deviceLink(upgrade), said(upgrade.step), moment(upgrade.beganAt, 'since')],
      })), 'stuck-table'),
    ],
  ];
}

const upgradeKey = ({ appId, operationId, subOperationId, deviceId }) => JSON.stringify([appId, operationId, subOperationId, deviceId]);

const deviceLink = ({ deviceId }) => h('a', { href: to('device', { deviceId }) }, foreign(deviceId));

/* From where to where, and where it ended if that is elsewhere. */
const moved = ({ sourceVersion, targetVersion, curVersion, contradictory }) => [
  sourceVersion === '' && targetVersion === '' ? h('span', { class: 'none' }, '–') : [version(sourceVersion), ' → ', version(targetVersion)],
  contradictory ? [' ', h('span', { class: 'sub' }, 'reports ', version(curVersion))] : null,
];

function devicesOf(operation) {
  const list = listOf(place);
  const upgrades = documentOf('list');
  return [
    h('div', { class: 'bar-of-lists' },
      h('nav', { 'aria-label': 'Lists of devices' }, h('ul', { class: 'tabs' }, Object.entries(LISTS).map(([name, { title, count, more }]) =>
        h('li', { key: name }, h('a', { href: listLink(name), 'aria-current': name === list ? 'true' : null, 'data-stays': true },
          title, ' ', h('span', { class: 'count' }, `${more?.(operation) ? '>' : ''}${number(count(operation))}`)))))),
      operation.fail > 0 ? csvLink(operation) : null),
    place.errorCode === undefined ? null : h('p', { key: 'code', class: 'filter' }, 'Only error code ',
      place.errorCode === '' ? h('em', null, 'none') : foreign(place.errorCode), ' ', h('a', { href: listLink('fail'), 'data-stays': true }, 'all codes')),
    upgrades === undefined || refusalOf('list') !== undefined ? instead('list', 'list') : devicesTable(upgrades.upgrades),
    upgrades === undefined ? null : pager(upgrades.next, place, 'Pages of devices'),
  ];
}

function devicesTable(upgrades) {
  if (upgrades.length === 0) return h('p', { key: 'none', class: 'quiet' }, 'No device is in this list.');
  const seconds = longerThan(place);
  return table('Devices', [['Device', 'name'], ['State', 'state-column'], ['Versions', ''], ['Code', ''], ['What it says', 'text'], ['Last change', 'n']],
    upgrades.map(upgrade => ({
      key: upgradeKey(upgrade),
      cells: [
        deviceLink(upgrade),
        [stateOf(upgrade), upgrade.contradictory ? odd('contradictory') : null,
          isStuck(upgrade, seconds) ? h('span', { class: 'badge stuck' }, mark('stuck'), 'for ', moment(upgrade.beganAt, 'since')) : null],
        moved(upgrade),
        upgrade.state !== 'FAIL' && upgrade.errorCode === '0' ? said('') : upgrade.state === 'FAIL' && upgrade.errorCode === '' ? h('em', null, 'no code') : said(upgrade.errorCode),
        said(upgrade.description || upgrade.resultDesc),
        moment(upgrade.lastAt),
      ],
    })), 'cards devices-table');
}

/* A CSV document has a thousand rows at most: the script follows to the next ones. */
let gathering = null;

function csvLink(operation) {
  const parameters = { operationId: operation.operationId, appId: operation.appId, errorCode: place.errorCode, limit: CSV_ROWS };
  const url = address('failures.csv', parameters);
  const name = `failures-${operation.operationId.replace(/[^\w.-]+/g, '_').slice(0, 60)}.csv`;
  const isMany = operation.fail > CSV_ROWS;
  return h('a', { key: 'csv', class: 'csv', href: url, download: name, onclick: isMany ? event => gatherCsv(event, url, name) : null },
    gathering ?? (place.errorCode === undefined ? 'Failures as CSV' : 'These failures as CSV'));
}

async function gatherCsv(event, url, name) {
  event.preventDefault();
  if (gathering !== null) return;
  const pages = [];
  try {
    for (let next = url; next !== null;) {
      gathering = `Reading… ${number(pages.length * CSV_ROWS)}`;
      render();
      const answer = await fetch(next, { cache: 'no-store' });
      if (!answer.ok) throw new Refusal(answer.status, await detailOf(answer));
      const text = await answer.text();
      pages.push(pages.length === 0 ? text : text.slice(text.indexOf('\n') + 1));
      const match = /<([^>]*)>\s*;\s*rel="?next"?/.exec(answer.headers.get('Link') ?? '');
      next = match === null ? null : new URL(match[1], answer.url).href;
    }
    save(new Blob(pages, { type: 'text/csv' }), name);
    gathering = null;
  } catch (error) {
    gathering = null;
    announce(`The CSV file could not be read: ${error.message}`);
  }
  render();
}

function save(blob, name) {
  const anchor = document.createElement('a');
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 60000);
}

/* ---- Progress over time: stacked areas. ---- */

/* Width of the chart, as the last layout left it. */
let chartWidth = 640;

/* What the pointer is at: the index of a point. */
let pointed = null;

/* The points with what happened between them: a point stands at the end of an interval in which
 * something changed, and before that interval nothing had. */
function curve({ progress, firstAt }) {
  const points = [];
  for (const { at, inProgress, success, fail } of progress.points) {
    const at_ms = Date.parse(at);
    const before = points.at(-1) ?? { at_ms: Math.min(Date.parse(firstAt), at_ms), inProgress: 0, success: 0, fail: 0 };
    if (points.length === 0) points.push({ ...before, isAdded: true });
    const began_ms = at_ms - progress.intervalMs;
    if (began_ms > before.at_ms) points.push({ ...before, at_ms: began_ms, isAdded: true });
    points.push({ at_ms, inProgress, success, fail });
  }
  return points;
}

function niceStep(most, steps) {
  const rough = most / steps;
  const power = 10 ** Math.floor(Math.log10(rough));
  return Math.max(1, [1, 2, 5, 10].find(factor => factor * power >= rough) * power);
}

const TIME_STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000];

/* Moments at round local times, WIDTH pixels apart at least 78. */
function timeTicks(from_ms, to_ms, width) {
  const most = Math.max(2, Math.floor(width / 78));
  const step_ms = 1000 * (TIME_STEPS_S.find(step => (to_ms - from_ms) / (1000 * step) <= most) ?? TIME_STEPS_S.at(-1));
  const shift_ms = -60000 * new Date(from_ms).getTimezoneOffset();
  const ticks = [];
  for (let at = Math.ceil((from_ms + shift_ms) / step_ms) * step_ms - shift_ms; at <= to_ms; at += step_ms) ticks.push(at);
  const format = step_ms < 60000 ? formats.second : step_ms < 86400000 ? formats.minute : formats.day;
  return ticks.map((at, i) => {
    const isNewDay = step_ms < 86400000 && i > 0 && formats.day.format(at) !== formats.day.format(ticks[i - 1]);
    return { at, text: (isNewDay ? formats.day : format).format(at) };
  });
}

function paceOf(operation) {
  const points = curve(operation);
  const to_ms = points.at(-1)?.at_ms;
  if (points.length < 2 || to_ms - points[0].at_ms < 1) return h('p', { class: 'quiet' }, 'Too early for a curve.');
  return [
    h('div', { key: 'chart', class: 'chart' }, chartOf(operation, points)),
    later(`figures ${pageOf(place)}`, 'The curve as a table', () => treeOf(operation.progress, () => paceTable(operation))),
  ];
}

const paceTable = ({ progress, firstAt }) => h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Progress as a table' },
  table(`Progress since ${formats.dayMinute.format(Date.parse(firstAt))}`, [['At', 'name'], ['Success', 'n'], ['Fail', 'n'], ['In progress', 'n']],
    progress.points.map(({ at, success, fail, inProgress }) => ({ key: at, cells: [clockTime(at), number(success), number(fail), number(inProgress)] })), 'pace-table'));

function chartOf(operation, points) {
  const width = chartWidth;
  const last = points.at(-1);
  const most = Math.max(...points.map(totalOf));
  const step = niceStep(most, 4);
  const top = Math.ceil(most / step) * step;
  const box = { left: 14 + 7.5 * number(top).length, right: width - 8, top: 10, bottom: (width < 480 ? 200 : 280) - 26 };
  const x = at => box.left + ((at - points[0].at_ms) / (last.at_ms - points[0].at_ms)) * (box.right - box.left);
  const y = count => box.bottom - (count / top) * (box.bottom - box.top);
  const rows = [];
  for (let count = 0; count <= top; count += step) rows.push(count);
  const at = points[Math.min(pointed ?? points.length - 1, points.length - 1)];
  return [
    h('p', { class: 'legend' },
      h('span', { key: 'when', class: 'when' }, pointed === null ? 'Latest' : (last.at_ms - points[0].at_ms > 86400000 ? formats.dayMinute : formats.second).format(at.at_ms)),
      ['IN_PROGRESS', 'FAIL', 'SUCCESS'].map(name => h('span', { key: name }, swatch(name), `${STATES[name]} `, h('b', null, number(at[COUNTS[name]]))))),
    h('svg', {
      class: 'areas', width, height: box.bottom + 26, viewBox: `0 0 ${width} ${box.bottom + 26}`, role: 'img',
      'aria-label': `Stacked areas from ${formats.full.format(points[0].at_ms)} to ${formats.full.format(last.at_ms)}. At the end ${inWords(last)}. The figures are in the table below.`,
      onpointermove: event => pointAt(event, operation, points, x),
      onpointerleave: event => pointAt(event, operation, points, null),
    },
    rows.map(count => h('g', { key: `row ${count}`, class: 'row' },
      h('line', { x1: box.left, x2: box.right, y1: y(count), y2: y(count) }),
      h('text', { x: box.left - 7, y: y(count) + 4, 'text-anchor': 'end' }, number(count)))),
    areasOf(points, x, y),
    timeTicks(points[0].at_ms, last.at_ms, box.right - box.left).map(({ at: tick, text }) => h('g', { key: `tick ${tick}`, class: 'tick' },
      h('line', { x1: x(tick), x2: x(tick), y1: box.bottom, y2: box.bottom + 4 }),
      h('text', { x: Math.min(Math.max(x(tick), box.left + 10), box.right - 16), y: box.bottom + 18, 'text-anchor': 'middle' }, text))),
    pointed === null ? null : h('line', { key: 'pointer', class: 'pointer', x1: x(at.at_ms), x2: x(at.at_ms), y1: box.top, y2: box.bottom })),
  ];
}

const COUNTS = { SUCCESS: 'success', FAIL: 'fail', IN_PROGRESS: 'inProgress' };

/* From the bottom: success, fail, in progress. */
function areasOf(points, x, y) {
  const base = points.map(() => 0);
  return Object.entries(COUNTS).map(([name, member]) => {
    const lower = points.map(({ at_ms }, i) => `${x(at_ms).toFixed(1)},${y(base[i]).toFixed(1)}`).reverse();
    points.forEach((point, i) => { base[i] += point[member]; });
    const upper = points.map(({ at_ms }, i) => `${x(at_ms).toFixed(1)},${y(base[i]).toFixed(1)}`);
    const area = `M${upper.join('L')}L${lower.join('L')}Z`;
    return h('g', { key: name },
      h('path', { class: name, d: area }),
      PATTERNS[name] ? h('path', { key: 'pattern', fill: PATTERNS[name], d: area }) : null,
      h('path', { key: 'edge', class: `edge ${name}`, d: `M${upper.join('L')}` }));
  });
}

/* Only the chart is drawn anew: there may be hundreds of these in a second. */
function pointAt(event, operation, points, x) {
  const before = pointed;
  pointed = null;
  if (x !== null) {
    const at = event.clientX - event.currentTarget.getBoundingClientRect().left;
    const distance = points.map(point => Math.abs(x(point.at_ms) - at));
    pointed = distance.indexOf(Math.min(...distance));
  }
  const box = document.querySelector('.chart');
  if (pointed !== before && box !== null) updateChildren(box, chartOf(operation, points));
}

/* ---- One device. ---- */

function deviceView() {
  const device = documentOf('main');
  const title = heading(h('span', { class: 'kind' }, 'Device '), foreign(place.deviceId, 400));
  if (device === undefined || refusalOf('main') !== undefined) return [title, instead('main', 'device')];
  const { history, news } = device;
  return [
    title,
    h('p', { class: 'about' }, history.length === 0 && place.after === undefined ? 'No upgrade of it is known.'
      : `${counted(history.length, 'upgrade')}${device.next || place.after !== undefined ? ' on this page' : ''}, the latest operation first`),
    h('section', { key: 'history', 'aria-label': 'Upgrades' }, h('ol', { class: 'upgrades' }, history.map(upgradeCard))),
    pager(device.next, place, 'Pages of upgrades'),
    news && news.length > 0 ? panel('news', 'Other news of this device', notesOf(news, 'news')) : null,
  ];
}

function upgradeCard(upgrade) {
  const key = upgradeKey(upgrade);
  const text = [upgrade.resultDesc, upgrade.description].filter(one => one !== '');
  return h('li', { key, class: `upgrade ${upgrade.state}` },
    h('h2', null, stateOf(upgrade), h('span', { class: 'in' }, ' in ', h('a', { href: toOperation(upgrade) }, foreign(upgrade.operationId))),
      upgrade.contradictory ? odd('contradictory') : null,
      isStuck(upgrade, STUCK_DEFAULT_S) ? h('span', { class: 'badge stuck' }, mark('stuck'), 'for ', moment(upgrade.beganAt, 'since')) : null),
    h('dl', { class: 'facts' },
      fact('Versions', moved({ ...upgrade, contradictory: false })),
      upgrade.curVersion === '' ? null : fact('Reports', version(upgrade.curVersion)),
      upgrade.state === 'IN_PROGRESS' ? null : fact('Error code', upgrade.errorCode === '' ? h('em', null, 'none') : foreign(upgrade.errorCode)),
      text.length === 0 ? null : fact('It says', text.map((one, i) => [i > 0 ? ' · ' : '', foreign(one, 1000, 'said')])),
      upgrade.upgradeTime === '' ? null : fact('Upgrade time', foreign(String(upgrade.upgradeTime), 40)),
      fact('Began', clockTime(upgrade.beganAt)),
      fact('Last change', [clockTime(upgrade.lastAt), ', ', moment(upgrade.lastAt)]),
      fact('Sub-operation', foreign(upgrade.subOperationId)),
      fact('Application', foreign(upgrade.appId))),
    notesOf(upgrade.notifications, key));
}

const fact = (name, value) => h('div', { key: name }, h('dt', null, name), h('dd', null, value));

/* Notifications, the latest first; each can be opened to see it as it was received. */
function notesOf(notes, owner) {
  return h('ol', { class: 'notes' }, notes.map(note => h('li', { key: String(note.seq) },
    later(`note ${owner} ${note.seq}`, [clockTime(note.receivedAt), ' ', h('span', { class: 'note-kind' }, noteKind(note.body)),
      note.deliveries > 1 ? h('span', { class: 'badge' }, `received ${number(note.deliveries)} times`) : null,
      h('span', { class: 'seq' }, `no. ${note.seq}`)],
    () => h('pre', { tabindex: '0', role: 'region', 'aria-label': `Notification ${note.seq} as received` }, bodyText(note.body))))));
}

function noteKind(body) {
  const value = [body.swUpgradeResult, body.swUpgradeState, body.status, body.Status, body.stepDesc, body.step].find(one => typeof one === 'string' && one !== '');
  const type = typeof body.notifyType === 'string' ? body.notifyType : 'commandStatus';
  return [foreign(type, 60, 'said'), value === undefined ? null : [' ', h('strong', null, foreign(value, 40, 'said'))]];
}

function bodyText(body) {
  const text = visibleJson(JSON.stringify(body, null, 2));
  return text.length <= CUT_BODY ? text : `${text.slice(0, CUT_BODY)}\n… ${number(text.length - CUT_BODY)} characters more`;
}

/* ---- Quarantine, and nowhere. ---- */

function quarantineView() {
  const quarantine = documentOf('main');
  if (quarantine === undefined || refusalOf('main') !== undefined) return [heading('Quarantine'), instead('main', 'page')];
  const receiver = latest?.receiver ?? null;
  return [
    heading('Quarantine'),
    h('p', { class: 'about' }, 'Bodies that are no notification the receiver knows, kept byte for byte. ',
      h('code', null, 'upgrade-status quarantine show ID'), ' prints one, ', h('code', null, 'quarantine retry'), ' reads all again.'),
    h('dl', { class: 'figures' },
      figure('Held', number(quarantine.held), receiver === null ? null : `of ${number(receiver.quarantineMax)}`),
      figure('Size', bytes(quarantine.bytes), receiver === null ? null : `of ${bytes(receiver.quarantineBytesMax)}`),
      latest === null ? null : figure('Ever', number(latest.totals.quarantined), latest.totals.quarantineLogOnly > 0 ? `${number(latest.totals.quarantineLogOnly)} in the log alone` : null)),
    receiver === null ? null : fillBar(quarantineFill({ quarantine, receiver })),
    quarantine.bodies.length === 0 ? h('p', { key: 'none', class: 'empty' }, h('strong', null, 'Nothing is in quarantine.'))
      : table('Bodies in quarantine', [['Id', 'name'], ['Received', ''], ['Reason', 'text'], ['At', ''], ['Size', 'n']], quarantine.bodies.map(body => ({
        key: String(body.id),
        cells: [number(body.id), moment(body.receivedAt), said(body.reason), body.pointer === '' ? said('') : foreign(body.pointer), bytes(body.bytes)],
      })), 'cards quarantine-table'),
    pager(quarantine.next, place, 'Pages of bodies'),
  ];
}

const nowhereView = () => [heading('There is no such page'), h('p', { class: 'empty' }, h('a', { href: to('overview') }, 'To the operations'))];

const views = { overview: overviewView, operation: operationView, device: deviceView, quarantine: quarantineView, nowhere: nowhereView };

/* ---- Search. ---- */

const field = document.getElementById('query');
const search = { asked: '', found: [], active: 0, isOpen: false, goes: false, round: 0, timer: null };

/* A device of exactly this id first, then operations that begin so. */
async function find() {
  const q = field.value.trim();
  const round = ++search.round;
  if (q === '') return closeSearch();
  try {
    const answer = await fetch(address('search.json', { q, limit: 8 }), { cache: 'no-store' });
    if (!answer.ok) throw new Refusal(answer.status, await detailOf(answer));
    const found = await answer.json();
    if (round !== search.round) return undefined;
    search.found = [
      ...(found.device === null ? [] : [{ href: to('device', { deviceId: found.device.deviceId }), device: found.device }]),
      ...found.operations.map(operation => ({ href: toOperation(operation), operation })),
    ];
    search.none = 'No operation begins so, and no device has this id.';
  } catch (error) {
    if (round !== search.round) return undefined;
    search.found = [];
    search.none = `The search got no answer: ${error.message}`;
  }
  Object.assign(search, { asked: q, active: 0, isOpen: true });
  renderSearch();
  if (search.goes) choose();
  return undefined;
}

function closeSearch() {
  clearTimeout(search.timer);
  search.round++;
  Object.assign(search, { isOpen: false, found: [], asked: '', goes: false });
  renderSearch();
}

function choose() {
  search.goes = false;
  const chosen = search.found[search.active];
  if (chosen === undefined) return;
  field.value = '';
  closeSearch();
  go(chosen.href);
}

function renderSearch() {
  const { found, active, isOpen } = search;
  document.getElementById('found-box').hidden = !isOpen;
  updateChildren(document.getElementById('found'), found.map(({ href, device, operation }, i) => h('li', {
    key: href, id: `found-${i}`, role: 'option', 'aria-selected': i === active ? 'true' : 'false',
    onclick: () => { search.active = i; choose(); },
  }, device !== undefined
    ? [h('span', { class: 'kind' }, 'Device '), foreign(device.deviceId), h('span', { class: 'sub' }, counted(device.upgrades, 'upgrade'))]
    : [h('span', { class: 'kind' }, 'Operation '), foreign(operation.operationId), h('span', { class: 'sub' }, 'application ', foreign(operation.appId, 40), ` · ${inWords(operation)}`)])));
  updateChildren(document.getElementById('found-none'), isOpen && found.length === 0 ? [visible(search.none)] : []);
  field.setAttribute('aria-expanded', String(isOpen && found.length > 0));
  if (isOpen && found.length > 0) field.setAttribute('aria-activedescendant', `found-${active}`);
  else field.removeAttribute('aria-activedescendant');
  document.getElementById(`found-${active}`)?.scrollIntoView({ block: 'nearest' });
}

function searchKey(event) {
  if (event.isComposing) return;
  if (event.key === 'Enter') {
    event.preventDefault();
    if (search.isOpen && search.asked === field.value.trim()) choose();
    else if (field.value.trim() !== '') {
      search.goes = true;
      clearTimeout(search.timer);
      find();
    }
  } else if (event.key === 'Escape') {
    if (search.isOpen) closeSearch();
    else field.value = '';
  } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && search.found.length > 0) {
    event.preventDefault();
    const { length } = search.found;
    search.active = (search.active + (event.key === 'ArrowDown' ? 1 : length - 1)) % length;
    renderSearch();
  }
}

function startSearch() {
  field.oninput = () => {
    search.goes = false;
    clearTimeout(search.timer);
    search.timer = setTimeout(find, 150);
  };
  field.onkeydown = searchKey;
  field.onblur = closeSearch;
  /* A press in the list must not take the focus, which would close it. */
  document.getElementById('found-box').onmousedown = event => event.preventDefault();
  document.getElementById('search').onsubmit = event => event.preventDefault();
  document.addEventListener('keydown', event => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, select, textarea')) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
}

/* ---- The page as a whole. ---- */

const main = document.getElementById('main');

let place = readPlace(location.hash);

function render() {
  renderFreshness();
  const around = (id, ...children) => updateChildren(document.getElementById(id), children.flat());
  const held = latest?.quarantine.held ?? 0;
  around('views',
    h('a', { href: to('overview'), 'aria-current': place.view === 'overview' ? 'page' : null }, 'Operations'),
    h('a', { href: to('quarantine'), 'aria-current': place.view === 'quarantine' ? 'page' : null }, 'Quarantine',
      held > 0 ? h('span', { class: 'badge' }, number(held), unseen(' held')) : null));
  const found = troubles();
  renderTroubles(found);
  updateChildren(main, [h('div', { key: pageOf(place), class: `view ${place.view}` }, views[place.view]())]);
  const json = documentsOf(place).main ?? documentsOf(place).overview;
  around('foot', h('p', null, `Times are those of ${zone}. `, h('kbd', null, '/'), ' searches. ', h('a', { href: json }, 'This page as JSON'),
    latest?.receiver ? [' · upgrade-receiver ', foreign(latest.receiver.version)] : null));
  document.title = titleOf(found);
  measureChart();
}

/* The chart is as wide as its place; only the layout knows. */
function measureChart() {
  const width = Math.floor(document.querySelector('.chart')?.clientWidth ?? chartWidth);
  if (width === chartWidth || width < 100) return;
  chartWidth = width;
  render();
}

function titleOf(found) {
  const operation = place.view === 'operation' ? documentOf('main') : undefined;
  const words = {
    operation: `${operation === undefined ? '' : `${share(operation.success + operation.fail, totalOf(operation))} `}${visible(cut(place.operationId ?? '', 60))}`,
    device: visible(cut(place.deviceId ?? '', 60)),
    quarantine: 'Quarantine',
  };
  return `${found.length > 0 ? '(!) ' : ''}${words[place.view] ? `${words[place.view]} · ` : ''}Upgrades`;
}

let told = [];

/* Only that something went wrong, or is over, is said aloud. */
function renderTroubles(found) {
  const kinds = found.map(({ kind }) => kind);
  const fresh = found.filter(({ kind }) => !told.includes(kind));
  const over = told.filter(kind => !kinds.includes(kind));
  if (fresh.length > 0) announce(fresh.map(({ title }) => textOf(title)).join(' '));
  else if (over.length > 0) announce(over.includes('gone') ? 'The receiver answers again.' : 'A warning is over.');
  told = kinds;
  updateChildren(document.getElementById('warnings'), found.length === 0 ? [] : [
    h('section', { 'aria-label': 'Warnings' }, found.map(({ kind, level, title, text }) => h('div', { key: kind, class: `alarm ${level}`, 'data-kind': kind },
      mark('warning'), h('p', null, h('strong', null, title), text)))),
  ]);
  document.body.classList.toggle('stale', isStale());
}

const textOf = tree => [tree].flat(Infinity).map(part => (typeof part === 'object' ? part.children.map(textOf).join('') : part)).join('');

function announce(text) {
  document.getElementById('announce').textContent = text;
}

function renderFreshness() {
  const state = isStale() ? 'stale' : link.updated === null ? 'waiting' : 'live';
  updateChildren(document.getElementById('fresh'), [
    h('p', { class: `live ${state}` }, h('span', { class: 'dot', 'aria-hidden': 'true' }), { stale: 'No answer', waiting: 'Reading', live: 'Live' }[state]),
    h('p', null, 'Last notification ', latest === null ? '–' : latest.lastAt === null ? 'never' : moment(latest.lastAt)),
    h('p', null, 'Updated ', link.updated === null ? 'never' : moment(link.updated)),
  ]);
}

/* Words that tell how long ago something was go on by themselves. */
function tick() {
  for (const element of document.querySelectorAll('time[data-words]')) {
    const text = timeWords[element.dataset.words](Date.parse(element.dateTime));
    if (element.firstChild !== null) updateText(element.firstChild, text);
  }
}

/* ---- Going from place to place. ---- */

function go(href) {
  rememberScroll();
  if (location.hash === href) refresh();
  else location.hash = href;
}

let scrollTimer = null;
let wantedScroll = null; /* where to scroll once there is something to scroll to */

function rememberScroll() {
  clearTimeout(scrollTimer);
  history.replaceState({ scroll: window.scrollY }, '');
}

function restoreScroll() {
  if (wantedScroll === null) return;
  window.scrollTo(0, wantedScroll);
  const names = Object.keys(documentsOf(place));
  if (names.every(name => documentOf(name) !== undefined || refusalOf(name) !== undefined)) wantedScroll = null;
}

/* An operation that was named without its application is the one that the receiver chose: from now
 * on, and in the list of its devices, too. */
function settlePlace() {
  if (place.view !== 'operation' || place.appId !== undefined) return;
  const operation = documentOf('main');
  if (operation === undefined) return;
  const list = documentOf('list');
  place = { ...place, appId: operation.appId };
  kept.set(documentsOf(place).main, { etag: '', document: operation });
  if (list !== undefined && operation.alsoIn.length === 0) kept.set(documentsOf(place).list, { etag: '', document: list });
  history.replaceState(history.state, '', to('operation', { ...place, view: undefined }));
}

/* The link that was followed last, if it only changes a part of the page. */
let stays = false;

function arrive() {
  const before = place;
  place = readPlace(location.hash);
  pointed = null;
  const saved = history.state?.scroll;
  render();
  if (pageOf(before) !== pageOf(place)) {
    wantedScroll = saved ?? 0;
    isOrderFixed = false;
    document.getElementById('heading')?.focus({ preventScroll: true });
  } else if (saved !== undefined) {
    wantedScroll = saved;
  } else if (!stays && longerThan(before) === longerThan(place)) {
    const part = document.getElementById('devices');
    part?.scrollIntoView({ block: 'start' });
    part?.focus({ preventScroll: true });
  }
  stays = false;
  restoreScroll();
  refresh().then(restoreScroll);
}

function start() {
  history.scrollRestoration = 'manual';
  wantedScroll = history.state?.scroll ?? null;
  window.addEventListener('hashchange', arrive);
  window.addEventListener('resize', measureChart);
  window.addEventListener('online', refresh);
  window.addEventListener('scroll', () => {
    clearTimeout(scrollTimer);
    if (wantedScroll === null) scrollTimer = setTimeout(rememberScroll, 150);
  }, { passive: true });
  document.addEventListener('click', event => {
    const anchor = event.target.closest?.('a[href^="#/"]');
    if (anchor === null || anchor === undefined || event.defaultPrevented) return;
    rememberScroll();
    stays = anchor.hasAttribute('data-stays');
  });
  document.getElementById('skip').onclick = event => {
    event.preventDefault();
    main.focus();
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) clearTimeout(link.timer);
    else refresh();
  });
  setInterval(tick, 1000);
  startSearch();
  render();
  if (document.hidden) return;
  refresh().then(restoreScroll);
}

start();
