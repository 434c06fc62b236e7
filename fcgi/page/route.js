/* route: the fragment of the address says what is shown, and with it which documents are needed. */

const ROWS = 50;
const OPERATIONS = 25;
const DEVICE_ROWS = 20;
export const STUCK_DEFAULT_S = 3600;

/* Where a view reads what, and by what it is another page (with a heading to go to), not another
 * part of the same. */
const VIEWS = {
  overview: { parameters: ['state', 'appId', 'failAbove', 'since', 'until', 'sort', 'q', 'after', 'from'], is: ['after'] },
  operation: {
    parameters: ['operationId', 'appId', 'longerThan', 'list', 'errorCode', 'after', 'from'],
    is: ['operationId', 'appId'],
    must: 'operationId',
  },
  device: { parameters: ['deviceId', 'after', 'from'], is: ['deviceId', 'after'], must: 'deviceId' },
  errors: { parameters: ['after', 'from'], is: ['after'] },
  quarantine: { parameters: ['reason', 'after', 'from'], is: ['after'] },
};

/* What of a route says which operations are listed, as operations.json is asked for it. */
export const filtersOf = (/** @type {Record<string, any>} */ { state, appId, failAbove, since, until, sort, q }) => ({
  state,
  appId,
  failAbove,
  since: since === undefined ? undefined : dayBegins(since),
  until: until === undefined ? undefined : dayBegins(until, 1),
  sort,
  q,
});

/* The day of somebody's calendar begins when it does there. LATER is how many days later. */
function dayBegins(day, later = 0) {
  const [year, month, date] = day.split('-').map(Number);
  const at = new Date(year, month - 1, date + later);
  return Number.isNaN(at.getTime()) ? day : at.toISOString();
}

export const isFiltered = route =>
  route.view === 'overview' && Object.values(filtersOf(route)).some(value => value !== undefined);

const query = parameters =>
  Object.entries(parameters)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&');

export const address = (path, parameters) => [path, query(parameters)].filter(part => part !== '').join('?');

export const to = (view, parameters = {}) => address(view === 'overview' ? '#/' : `#/${view}`, parameters);

export const toOperation = ({ operationId, appId }, more = {}) =>
  to('operation', { operationId, appId, ...more });

export function readRoute(fragment) {
  const [path, search = ''] = fragment.replace(/^#?\/?/, '').split(/\?(.*)/s);
  const name = path === '' ? 'overview' : path;
  const view = Object.hasOwn(VIEWS, name) ? VIEWS[name] : null;
  const all = new URLSearchParams(search);
  const route = { view: view === null ? 'nowhere' : name };
  for (const parameter of view?.parameters ?? []) route[parameter] = all.get(parameter) ?? undefined;
  if (view?.must !== undefined && !route[view.must]) route.view = 'nowhere';
  return route;
}

export const pageOf = route =>
  JSON.stringify([route.view, ...(VIEWS[route.view]?.is ?? []).map(name => route[name] ?? null)]);

/* Lists of one operation's upgrades: what each asks for, and how many it will be; missing are devices of its plan. */
export const LISTS = {
  all: { ask: () => ({}), count: o => o.inProgress + o.success + o.fail },
  fail: { ask: route => ({ state: 'FAIL', errorCode: route.errorCode }), count: o => o.fail },
  inProgress: { ask: () => ({ state: 'IN_PROGRESS' }), count: o => o.inProgress },
  stuck: {
    ask: route => ({ state: 'IN_PROGRESS', longerThan: longerThan(route) }),
    count: o => o.stuck.count,
    more: o => o.stuck.more,
  },
  success: { ask: () => ({ state: 'SUCCESS' }), count: o => o.success },
  contradictory: { ask: () => ({ contradictory: 1 }), count: o => o.contradictory },
  missing: { ask: () => ({}), count: o => o.missing ?? 0 },
};

export const listOf = route =>
  route.errorCode !== undefined ? 'fail' : Object.hasOwn(LISTS, route.list ?? '') ? route.list : 'all';

export const longerThan = route =>
  /^[1-9]\d{0,8}$/.test(route.longerThan ?? '') ? Number(route.longerThan) : STUCK_DEFAULT_S;

/* The documents that a route needs, by what they are to it. */
export function documentsOf(route) {
  const { operationId, appId, after } = route;
  switch (route.view) {
    case 'overview':
      return isFiltered(route)
        ? {
            overview: 'overview.json?limit=1',
            main: address('operations.json', { ...filtersOf(route), after, limit: OPERATIONS }),
          }
        : { overview: address('overview.json', { after, limit: OPERATIONS }) };
    case 'operation':
      return {
        overview: 'overview.json?limit=1',
        main: address('operation.json', { operationId, appId, longerThan: longerThan(route) }),
        list: address(listOf(route) === 'missing' ? 'missing.json' : 'upgrades.json', {
          operationId,
          appId,
          ...LISTS[listOf(route)].ask(route),
          after,
          limit: ROWS,
        }),
      };
    case 'device':
      return {
        overview: 'overview.json?limit=1',
        main: address('device.json', { deviceId: route.deviceId, after, limit: DEVICE_ROWS }),
      };
    case 'errors':
      return { overview: 'overview.json?limit=1', main: address('errors.json', { after, limit: ROWS }) };
    case 'quarantine':
      return {
        overview: 'overview.json?limit=1',
        main: address('quarantine.json', { reason: route.reason, after, limit: ROWS }),
      };
    default:
      return { overview: 'overview.json?limit=1' };
  }
}

/* Where the page is. */
/** @type {Record<string, any>} */
export let route = readRoute(location.hash);

export function moveTo(other) {
  route = other;
}
