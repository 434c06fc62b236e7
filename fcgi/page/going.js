/* going: from route to route, with the focus and the scroll that belong there. */

import { forgetPointer } from './chart.js';
import { draw } from './draw.js';
import { documentsOf, longerThan, moveTo, pageOf, route, readRoute, to } from './route.js';
import { documentOf, refresh, refusalOf, takeAs } from './reading.js';

export function go(href) {
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

export function restoreScroll() {
  if (wantedScroll === null) return;
  window.scrollTo(0, wantedScroll);
  const names = Object.keys(documentsOf(route));
  if (names.every(name => documentOf(name) !== undefined || refusalOf(name) !== undefined))
    wantedScroll = null;
}

/* An operation that was named without its application is the one that the receiver chose: from now
 * on, and in the list of its devices, too. */
export function settlePlace() {
  if (route.view !== 'operation' || route.appId !== undefined) return;
  /* A link that was followed just now has changed the address, and is heard of in a moment. */
  if (JSON.stringify(readRoute(location.hash)) !== JSON.stringify(route)) return;
  const operation = documentOf('main');
  if (operation === undefined) return;
  const list = documentOf('list');
  moveTo({ ...route, appId: operation.appId });
  takeAs(documentsOf(route).main, operation);
  if (list !== undefined && operation.alsoIn.length === 0) takeAs(documentsOf(route).list, list);
  history.replaceState(history.state, '', to('operation', { ...route, view: undefined }));
}

/* The link that was followed last, if it only changes a part of the page. */
let stays = false;

function arrive() {
  const before = route;
  moveTo(readRoute(location.hash));
  forgetPointer();
  const saved = history.state?.scroll;
  draw();
  if (pageOf(before) !== pageOf(route)) {
    wantedScroll = saved ?? 0;
    document.getElementById('heading')?.focus({ preventScroll: true });
  } else if (saved !== undefined) {
    wantedScroll = saved;
  } else if (!stays && route.view === 'operation' && longerThan(before) === longerThan(route)) {
    const part = document.getElementById('devices');
    part?.scrollIntoView({ block: 'start' });
    part?.focus({ preventScroll: true });
  }
  stays = false;
  restoreScroll();
  refresh().then(restoreScroll);
}

/* Begins to follow the address, and to remember where each route was scrolled to. */
export function startGoing() {
  history.scrollRestoration = 'manual';
  wantedScroll = history.state?.scroll ?? null;
  window.addEventListener('hashchange', arrive);
  window.addEventListener(
    'scroll',
    () => {
      clearTimeout(scrollTimer);
      if (wantedScroll === null) scrollTimer = setTimeout(rememberScroll, 150);
    },
    { passive: true },
  );
  document.addEventListener('click', event => {
    const anchor = /** @type {Element} */ (event.target).closest?.('a[href^="#/"]');
    if (anchor === null || anchor === undefined || event.defaultPrevented) return;
    rememberScroll();
    stays = anchor.hasAttribute('data-stays');
  });
}
