/* health: what an operator must know, whatever the view. */

import { FILLING, fillBar } from './parts.js';
import { to } from './route.js';
import { latest, link, refresh, samples } from './reading.js';
import { bytes, counted, cut, foreign, number, visible } from './text.js';
import { clockTime, moment, serverNow } from './time.js';
import { h } from './tree.js';

const STALE_MS = 6000;
const PLATFORM_ACTS_AT = 10; /* answers in a row that are not 200 */
const GROWS_FROM = 3; /* bodies; one or two may be somebody who tries the address */

/* One failed try may be nothing: what is there is not called stale before the second, or before it is
 * old. */
export const isStale = () =>
  link.failures >= 2 || (link.failures > 0 && (latest === null || serverNow() - link.updated > STALE_MS));

export const quarantineFill = ({ quarantine, receiver }) =>
  receiver === null
    ? 0
    : Math.max(quarantine.held / receiver.quarantineMax, quarantine.bytes / receiver.quarantineBytesMax);

/* An application that falls further behind, or that takes nothing, over at least ten seconds. */
function backlogOf(application) {
  const earlier = samples
    .filter(({ at }) => at <= performance.now() - 10000)
    .map(({ overview }) => overview.applications.find(({ name }) => name === application.name));
  const first = earlier.at(-1);
  if (first === undefined || first.backlog === 0 || application.backlog === 0) return 'fine';
  if (application.cursor === first.cursor) return 'stands';
  return application.backlog > first.backlog &&
    earlier.every(one => one === undefined || one.backlog <= application.backlog)
    ? 'grows'
    : 'fine';
}

/* Everything that is wrong now: {kind, level, title, text}. */
export function troubles() {
  const found = [];
  const add = (kind, level, title, ...text) => found.push({ kind, level, title, text });
  if (isStale()) addGone(add);
  if (latest === null) return found;
  const { receiver, applications } = latest;
  if (receiver?.storeFault) {
    add(
      'store',
      'critical',
      'The store takes nothing.',
      ' ',
      foreign(receiver.storeFault, 400, 'said'),
      '. The platform is answered 503 until a write works again, and comes back.',
    );
  }
  if (receiver?.refusedInARow > 0) {
    add(
      'refused',
      receiver.refusedInARow >= PLATFORM_ACTS_AT / 2 ? 'critical' : 'warning',
      `${counted(receiver.refusedInARow, 'answer')} in a row ${receiver.refusedInARow === 1 ? 'was' : 'were'} not 200.`,
      ` The platform acts at ${PLATFORM_ACTS_AT}: it may stop sending to this host.`,
    );
  }
  if (receiver?.nearMisses > 0) {
    add(
      'near miss',
      'warning',
      `${counted(receiver.nearMisses, 'POST')} came to a path that is nearly a callback path`,
      ' since the receiver started, and got 404: the platform may have a wrong address. The line ',
      h('code', null, 'misdirected'),
      ' in the log names it.',
    );
  }
  addQuarantine(add);
  if (receiver?.logLinesDropped > 0) {
    add(
      'log',
      'warning',
      `${counted(receiver.logLinesDropped, 'log line')} dropped`,
      ' since the receiver started: whatever reads its log stalled. The notifications are kept; ',
      h('code', null, 'upgrade-status log'),
      ' prints their lines again.',
    );
  }
  for (const application of applications) {
    if (application.lost) {
      add(
        `backlog ${application.name}`,
        'critical',
        ['Application ', foreign(application.name), ' gets nothing:'],
        ' the store does not have what it was told last. ',
        h('code', null, 'upgrade-status forget'),
        ' makes delivery begin with the first notification.',
      );
      continue;
    }
    const state = backlogOf(application);
    if (state === 'fine') continue;
    add(
      `backlog ${application.name}`,
      'warning',
      ['Application ', foreign(application.name), state === 'grows' ? ' falls behind:' : ' takes nothing:'],
      ` ${counted(application.backlog, 'notification')} wait for it.`,
    );
  }
  return found;
}

function addGone(add) {
  add(
    'gone',
    'critical',
    link.refused ? 'This page may not read how upgrades go' : 'No answer from the receiver',
    ' since ',
    clockTime(link.failing_since),
    ' (',
    moment(link.failing_since, 'since'),
    '): ',
    visible(cut(link.reason, 300)),
    '. ',
    link.updated === null
      ? 'Nothing was read yet. '
      : ['What is shown is as of ', clockTime(link.updated), '. '],
    h('button', { type: 'button', class: 'small', onclick: refresh }, 'Try now'),
  );
}

function addQuarantine(add) {
  const { receiver, totals, quarantine } = latest;
  const fill = quarantineFill(latest);
  const link_ = h('a', { href: to('quarantine') }, 'See what is in it');
  const earlier = samples[0]?.overview.totals ?? totals;
  const logOnly = totals.quarantineLogOnly - earlier.quarantineLogOnly;
  const held =
    receiver === null
      ? ''
      : ` ${number(quarantine.held)} of ${number(receiver.quarantineMax)} bodies, ${bytes(quarantine.bytes)} of ${bytes(receiver.quarantineBytesMax)}. `;
  const since = quarantine.fullSince ?? quarantine.unknownFullSince;
  const what =
    quarantine.fullSince === null && since !== null ? 'what names no known notifyType goes' : 'what comes now goes';
  if (since !== null || fill >= 1 || logOnly > 0) {
    add(
      'quarantine',
      'critical',
      since === null ? 'Quarantine is full:' : ['Quarantine is full since ', clockTime(since), ':'],
      ` ${what} to the log alone, ${number(totals.quarantineLogOnly)} so far.`,
      held,
      link_,
    );
  } else if (fill >= FILLING) {
    add('quarantine', 'warning', 'Quarantine is filling:', held, link_);
  } else {
    addGrowth(add, totals.quarantined, earlier.quarantined, link_);
  }
}

/* From FROM to NOW within what the samples span. */
function addGrowth(add, now, from, link_) {
  if (now - from < GROWS_FROM) return;
  const momentOf = sample => serverNow() - (performance.now() - sample.at);
  const before = samples.findLast(({ overview }) => overview.totals.quarantined === from);
  const last = samples.find(({ overview }) => overview.totals.quarantined === now);
  add(
    'quarantine',
    'warning',
    'Quarantine grows:',
    ` ${counted(now - from, 'body', 'bodies')} since `,
    clockTime(momentOf(before)),
    ', the last ',
    moment(momentOf(last)),
    ', that are no known notification. ',
    link_,
  );
}

/* The same, and more, as a list of what is well and what is not. */
export function checks({ receiver, totals, quarantine, applications }) {
  const all = [];
  const isQuiet = kind => !troubles().some(trouble => trouble.kind === kind);
  const add = (isWell, name, ...value) => all.push({ isWell, name, value });
  add(
    !isStale(),
    'Receiver',
    isStale()
      ? 'does not answer'
      : receiver === null
        ? 'answers'
        : ['answers, version ', foreign(receiver.version), `, process ${receiver.pid}`],
  );
  if (receiver !== null) {
    add(!receiver.storeFault, 'Store', receiver.storeFault ? 'takes nothing' : 'takes notifications');
    add(receiver.refusedInARow === 0, 'Not 200 in a row', number(receiver.refusedInARow));
    add(receiver.logLinesDropped === 0, 'Log lines dropped', number(receiver.logLinesDropped));
  }
  add(
    isQuiet('quarantine'),
    'Quarantine',
    h('a', { href: to('quarantine') }, counted(quarantine.held, 'body', 'bodies')),
    receiver === null ? null : ` of ${number(receiver.quarantineMax)}`,
    `, ${bytes(quarantine.bytes)}`,
    receiver === null ? null : fillBar(quarantineFill({ quarantine, receiver })),
  );
  add(totals.quarantineLogOnly === 0, 'Quarantined in the log alone', number(totals.quarantineLogOnly));
  for (const application of applications) {
    add(
      isQuiet(`backlog ${application.name}`),
      ['Application ', foreign(application.name, 40)],
      application.backlog === 0 ? 'has everything' : `${counted(application.backlog, 'notification')} behind`,
    );
  }
  return all;
}
