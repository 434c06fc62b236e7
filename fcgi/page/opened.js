/* opened: what somebody has opened stays open while the page is drawn anew. */

import { draw } from './draw.js';
import { h } from './tree.js';

const opened = new Set(); /* keys */

export const isOpened = key => opened.has(key);

export function setOpened(key, isOpen) {
  if (isOpen === opened.has(key)) return;
  if (isOpen) opened.add(key);
  else opened.delete(key);
  draw();
}

/* A part that is only made once somebody opens it. */
export const later = (key, summary, content) =>
  h(
    'details',
    { key, ontoggle: event => setOpened(key, event.target.open) },
    h('summary', null, summary),
    opened.has(key) ? content() : null,
  );
