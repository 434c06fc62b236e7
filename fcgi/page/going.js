/* going: from place to place, with the focus and the scroll that belong there. */

import { forgetPointer } from './chart.js';
import { draw } from './draw.js';
import { fixOrder } from './overview.js';
import { documentsOf, longerThan, moveTo, pageOf, place, readPlace, to } from './places.js';
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
  const names = Object.keys(documentsOf(place));
  if (names.every(name => documentOf(name) !== undefined || refusalOf(name) !== undefined))
    wantedScroll = null;
}

/* An operation that was named without its application is the one that the receiver chose: from now
 * on, and in the list of its devices, too. */
export function settlePlace() {
  if (place.view !== 'operation' || place.appId !== undefined) return;
  /* A link that was followed just now has changed the address, and is heard of in a moment. */
  if (JSON.stringify(readPlace(location.hash)) !== JSON.stringify(place)) return;
  const operation = documentOf('main');
  if (operation === undefined) return;
  const list = documentOf('list');
  moveTo({ ...place, appId: operation.appId });
  takeAs(documentsOf(place).main, operation);
  if (list !== undefined && operation.alsoIn.length === 0) takeAs(documentsOf(place).list, list);
  history.replaceState(history.state, '', to('operation', { ...place, view: undefined }));
}

/* The link that was followed last, if it only changes a part of the page. */
let stays = false;

function arrive() {
  const before = place;
  moveTo(readPlace(location.hash));
  forgetPointer();
  const saved = history.state?.scroll;
  draw();
  if (pageOf(before) !== pageOf(place)) {
    wantedScroll = saved ?? 0;
    fixOrder(false);
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

/* Begins to follow the address, and to remember where each place was scrolled to. */
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
