/* health: what an operator must know, whatever the view. */

import { FILLING, fillBar } from './parts.js';
import { to } from './route.js';
import { isCopying, latest, link, refresh, samples } from './reading.js';
import { bytes, duration, foreign, number, refusalInWords } from './text.js';
import { clockTime, moment, serverNow } from './time.js';
import { h } from './tree.js';
import { say, words } from './words.js';

const STALE_MS = 6000;
const PLATFORM_ACTS_AT = 10; /* answers in a row that are not 200 */
const GROWS_FROM = 3; /* bodies; one or two may be somebody who tries the address */
const MOST_OF_ALL = 0.5; /* of what arrives: something is wrong with all of it */
const CRITICAL_FROM = 10; /* bodies of which most are no notification */
const COPY_LATE_S = 30; /* of the shared books, behind for so long */

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
  if (isStale() && isCopying()) addCopying(add);
  else if (isStale()) addGone(add);
  if (latest === null) return found;
  const { receiver, applications } = latest;
  if (receiver?.storeFault) {
    const fault = foreign(receiver.storeFault, 400, 'said');
    add('store', 'critical', words('warn.store'), say('warn.store.text', { fault }));
  }
  if (receiver?.refusedInARow > 0) {
    add(
      'refused',
      receiver.refusedInARow >= PLATFORM_ACTS_AT / 2 ? 'critical' : 'warning',
      words('warn.refused', { count: receiver.refusedInARow }),
      say('warn.refused.text', { most: PLATFORM_ACTS_AT }),
    );
  }
  if (receiver?.nearMisses > 0) {
    add(
      'near miss',
      'warning',
      words('warn.nearMiss', { count: receiver.nearMisses }),
      say('warn.nearMiss.text'),
    );
  }
  addBooks(add);
  addCopyBehind(add);
  addQuarantine(add);
  if (receiver?.logLinesDropped > 0) {
    add('log', 'warning', words('warn.log', { count: receiver.logLinesDropped }), say('warn.log.text'));
  }
  for (const application of applications) {
    const kind = `backlog ${application.name}`;
    const name = foreign(application.name);
    if (application.lost) {
      add(kind, 'critical', say('warn.lost', { name }), say('warn.lost.text'));
      continue;
    }
    const state = backlogOf(application);
    if (state === 'fine') continue;
    add(
      kind,
      'warning',
      state === 'grows' ? say('warn.behind', { name }) : say('warn.takesNothing', { name }),
      say('warn.backlog.text', { count: application.backlog }),
    );
  }
  return found;
}

function addGone(add) {
  const when = { since: clockTime(link.failing_since), duration: moment(link.failing_since, 'since') };
  const reason = link.refusal === null ? words('reason.unreachable') : refusalInWords(link.refusal);
  const button = inner => h('button', { type: 'button', class: 'small', onclick: refresh }, inner);
  add(
    'gone',
    'critical',
    isRefused() ? say('warn.refusedToRead', when) : say('warn.gone', when),
    link.updated === null
      ? say('warn.gone.never', { reason, button })
      : say('warn.gone.text', { reason, button, updated: clockTime(link.updated) }),
  );
}

/* The copy of the shared books in which everything is that is shown, before it is there. */
function addCopying(add) {
  const { entries, of, fault } = link.refusal.copy;
  const local = inner => h('a', { href: 'local/' }, inner);
  add(
    'copying',
    'warning',
    fault === null ? words('warn.copying') : words('warn.copying.fails'),
    fault === null ? '' : [foreign(fault, 400, 'said'), '. '],
    of > 0 ? [say('warn.copying.text', { copied: number(entries), all: number(of) }), ' '] : '',
    say('warn.copying.local', { local }),
  );
}

/* Whether the last failure was no right to read, not no answer. */
export const isRefused = () => link.refusal !== null && link.refusal.status < 500;

const toQuarantine = inner => h('a', { href: to('quarantine') }, inner);

function addQuarantine(add) {
  const { receiver, totals, quarantine } = latest;
  const fill = quarantineFill(latest);
  const see = [' ', say('warn.see', { link: toQuarantine })];
  const logOnly = totals.quarantineLogOnly - (samples[0]?.overview.totals ?? totals).quarantineLogOnly;
  const held =
    receiver === null
      ? null
      : [
          ' ',
          say('warn.held', {
            held: quarantine.held,
            most: receiver.quarantineMax,
            size: bytes(quarantine.bytes),
            sizeMost: bytes(receiver.quarantineBytesMax),
          }),
        ];
  const since = quarantine.fullSince ?? quarantine.unknownFullSince;
  const { quarantined, all, first, last } = arrivals();
  if (since !== null || fill >= 1 || logOnly > 0) {
    const count = totals.quarantineLogOnly;
    add(
      'quarantine',
      'critical',
      since === null ? words('warn.full') : say('warn.fullSince', { since: clockTime(since) }),
      quarantine.fullSince === null && since !== null
        ? say('warn.full.unknown', { count })
        : say('warn.full.all', { count }),
      held,
      see,
    );
  } else if (isMostQuarantined()) {
    add(
      'quarantine',
      quarantined >= CRITICAL_FROM ? 'critical' : 'warning',
      words('warn.share'),
      first === null
        ? say('warn.share.ever', { count: quarantined, all })
        : say('warn.share.recent', { count: quarantined, all, since: clockTime(first) }),
      see,
    );
  } else if (fill >= FILLING) {
    add('quarantine', 'warning', words('warn.filling'), held, see);
  } else if (first !== null && quarantined >= GROWS_FROM) {
    add(
      'quarantine',
      'warning',
      words('warn.grows'),
      say('warn.grows.text', { count: quarantined, all, since: clockTime(first), last: moment(last) }),
      see,
    );
  }
}

/* Books that several receivers share, if this one has any: is each notification in them? */
const isConfirming = books => books.state === 'confirming';

function addBooks(add) {
  const books = latest.books ?? null;
  if (books === null || isConfirming(books)) return;
  const isRefusing = books.state === 'refused';
  const named = { name: foreign(books.name, 120), since: clockTime(books.since) };
  const said = {
    count: books.behindRecords,
    fault: books.fault ? [foreign(books.fault, 400, 'said'), '. '] : '',
  };
  add(
    'books',
    isRefusing || books.required ? 'critical' : 'warning',
    isRefusing ? say('warn.books.refused', named) : say('warn.books.away', named),
    books.required ? say('warn.books.required', said) : say('warn.books.alone', said),
  );
}

/* What others got meanwhile is not shown. */
function addCopyBehind(add) {
  const books = latest.books ?? null;
  if (books === null || books.copyBehindSeconds < COPY_LATE_S) return;
  add(
    'copy',
    'warning',
    words('warn.copy'),
    books.copyFault ? [foreign(books.copyFault, 400, 'said'), '. '] : '',
    say('warn.copy.text', { count: books.copyBehindRecords, duration: duration(books.copyBehindSeconds) }),
  );
}

const received = ({ notifications, repeats, quarantined }) => notifications + repeats + quarantined;

/* What arrived within what the samples span, and how much of it is in quarantine: FIRST and LAST are when; FIRST is
 * null if nothing arrived meanwhile, and then it is all that ever arrived. */
function arrivals() {
  const { totals } = latest;
  const momentOf = sample => serverNow() - (performance.now() - sample.at);
  const earlier = samples[0]?.overview.totals ?? totals;
  const all = received(totals) - received(earlier);
  if (all <= 0) return { quarantined: totals.quarantined, all: received(totals), first: null, last: null };
  const before = samples.findLast(
    ({ overview }) => overview.totals.quarantined === earlier.quarantined,
  );
  const last = samples.find(({ overview }) => overview.totals.quarantined === totals.quarantined);
  return {
    quarantined: totals.quarantined - earlier.quarantined,
    all,
    first: momentOf(before),
    last: momentOf(last),
  };
}

function isMostQuarantined() {
  const { quarantined, all, first } = arrivals();
  const hasNothingElse = first === null && quarantined === all;
  return quarantined >= (hasNothingElse ? 1 : GROWS_FROM) && quarantined >= MOST_OF_ALL * all;
}

/* The same, and more, as a list of what is well and what is not. */
export function checks({ receiver, totals, quarantine, applications, books }) {
  const all = [];
  const isQuiet = kind => !troubles().some(trouble => trouble.kind === kind);
  const add = (isWell, name, ...value) => all.push({ isWell, name, value });
  add(
    !isStale(),
    words('check.receiver'),
    isStale()
      ? words('check.receiver.gone')
      : receiver === null
        ? words('check.receiver.answers')
        : say('check.receiver.version', { version: foreign(receiver.version), pid: String(receiver.pid) }),
  );
  if (receiver !== null) {
    add(
      !receiver.storeFault,
      words('check.store'),
      receiver.storeFault ? words('check.store.fault') : words('check.store.well'),
    );
    add(receiver.refusedInARow === 0, words('check.refused'), number(receiver.refusedInARow));
    add(receiver.logLinesDropped === 0, words('check.log'), number(receiver.logLinesDropped));
  }
  if (books) {
    add(
      isConfirming(books),
      words('check.books'),
      isConfirming(books)
        ? say('check.books.confirming', { count: books.behindRecords })
        : books.state === 'refused'
          ? words('check.books.refused')
          : words('check.books.away'),
    );
    add(
      books.copyBehindSeconds === 0,
      words('check.copy'),
      books.copyBehindSeconds === 0
        ? say('check.copy.behind', { count: books.copyBehindRecords })
        : say('check.copy.late', {
            count: books.copyBehindRecords,
            duration: duration(books.copyBehindSeconds),
          }),
    );
  }
  const held = { count: quarantine.held, size: bytes(quarantine.bytes), link: toQuarantine };
  add(
    isQuiet('quarantine'),
    words('check.quarantine'),
    receiver === null
      ? say('check.quarantine.held', held)
      : [
          say('check.quarantine.of', { ...held, most: receiver.quarantineMax }),
          fillBar(quarantineFill({ quarantine, receiver })),
        ],
  );
  if (latest !== null && arrivals().first !== null) {
    const { quarantined, all: arrived } = arrivals();
    add(
      quarantined < GROWS_FROM,
      words('check.arrivals'),
      say('check.arrivals.share', { count: quarantined, all: arrived }),
    );
  }
  add(totals.quarantineLogOnly === 0, words('check.logOnly'), number(totals.quarantineLogOnly));
  for (const application of applications) {
    add(
      isQuiet(`backlog ${application.name}`),
      say('check.application', { name: foreign(application.name, 40) }),
      application.backlog === 0
        ? words('check.application.well')
        : say('check.application.behind', { count: application.backlog }),
    );
  }
  return all;
}
