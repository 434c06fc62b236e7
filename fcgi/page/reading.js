/* reading: the documents, every two seconds while somebody can see them, and every half minute while not. */

import { documentsOf, pageOf, route } from './route.js';
import { learnTime, serverNow } from './time.js';

const REFRESH_MS = 2000;
const RETRY_MS = 1000; /* after the first failure; then longer each time */
const RETRY_MOST_MS = 30000;
const HIDDEN_MS = 30000; /* while nobody can see the page but its title */
const ANSWER_MS = 10000; /* how long an answer may take */
const GROWTH_MS = 300000; /* how far back growth is looked at */
const DOCUMENTS_KEPT = 24;

const kept = new Map(); /* by address: {etag, document}, the latest used last */
const refusals = new Map(); /* by address: what was said in place of the document */

export const link = {
  failures: 0 /* in a row */,
  failing_since: null /* server time */,
  /** @type {Refusal | null} */
  refusal: null /* the last failure, if anything was said at all */,
  isPaused: false /* by whom looks at it */,
  updated: null /* server time of the last whole refresh */,
  next_try: null,
  /** @type {Round | null} */
  round: null,
  timer: null,
};

/* One reading of all documents of a route. It has its own time limit and its own requests. */
class Round {
  controller = new AbortController();
  limit = setTimeout(() => this.controller.abort(), ANSWER_MS);

  end() {
    clearTimeout(this.limit);
    this.controller.abort();
  }
}

/* COPY: of the shared books, which is being made: what is asked for is in it ({entries, of, fault}), or null. */
export class Refusal extends Error {
  constructor(status, detail, copy = null) {
    super(detail);
    this.status = status;
    this.copy = copy;
  }
}

/* A number that JavaScript cannot hold is shown as it came. */
const exactly = (name, value, context) =>
  typeof value === 'number' &&
  context?.source !== undefined &&
  JSON.rawJSON !== undefined &&
  String(value) !== context.source
    ? JSON.rawJSON(context.source)
    : value;

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
  if (answer.status !== 304 && !answer.ok) throw await refusalIn(answer);
  const text =
    await answer.text(); /* even if it is empty: an unread answer holds its connection */
  let now = before;
  if (answer.status !== 304) {
    now = {
      etag: answer.headers.get('ETag') ?? '',
      document: url.startsWith('device.json') ? JSON.parse(text, exactly) : JSON.parse(text),
    };
  }
  refusals.delete(url);
  kept.delete(url);
  kept.set(url, now);
  if (kept.size > DOCUMENTS_KEPT) kept.delete(kept.keys().next().value);
}

export async function refusalIn(answer) {
  try {
    const problem = await answer.json();
    return new Refusal(answer.status, String(problem.detail ?? problem.title ?? ''), problem.copy ?? null);
  } catch {
    return new Refusal(answer.status, answer.statusText);
  }
}

/* Whether ERROR says something about this document alone: there is no such operation, say. All else is about the
 * receiver or the web server before it: no answer, or no right to read (401, 403, 429). */
const isOfDocument = error => error instanceof Refusal && (error.status === 400 || error.status === 404);

/* Called after each refresh, with whether all answered. Whatever becomes of it, the next refresh is
 * seen to. */
/** @type {(allAnswered: boolean) => void} */
let tell = () => {};

export function tellReader(reader) {
  tell = reader;
}

/* Reads what the route needs, has it shown, and sees to the next time. */
export async function refresh() {
  clearTimeout(link.timer);
  link.round?.end();
  const round = new Round();
  link.round = round;
  link.next_try = null;
  const urls = Object.values(documentsOf(route));
  const outcomes = await Promise.allSettled(urls.map(url => read(url, round.controller.signal)));
  if (round !== link.round) return; /* a later one has begun: for another route, or after a pause */
  round.end();
  let gone = null;
  outcomes.forEach((outcome, i) => {
    if (outcome.status === 'fulfilled') return;
    const { reason } = outcome;
    if (isOfDocument(reason)) refusals.set(urls[i], reason);
    else gone ??= reason;
  });
  noteOutcome(gone);
  scheduleRefresh();
  tell(gone === null);
}

function noteOutcome(gone) {
  if (gone === null) {
    Object.assign(link, { failures: 0, failing_since: null, refusal: null, updated: serverNow() });
    noteGrowth();
    return;
  }
  link.failures++;
  link.failing_since ??= serverNow();
  link.refusal = gone instanceof Refusal ? gone : null;
}

/* Whether there is nothing to read because the copy of the shared books is not made yet. */
export const isCopying = () => link.refusal !== null && link.refusal.copy !== null;

function scheduleRefresh() {
  clearTimeout(link.timer);
  if (link.isPaused) return;
  const isRegular = link.failures === 0 || isCopying(); /* which goes on, and is watched */
  const soon = isRegular ? REFRESH_MS : Math.min(RETRY_MS * 1.7 ** (link.failures - 1), RETRY_MOST_MS);
  const wait = document.hidden ? HIDDEN_MS : soon;
  link.next_try = performance.now() + wait;
  link.timer = setTimeout(refresh, wait);
}

/* What a view shows as NAME: its document, or, while that is being read for the first time, the one
 * before of the same page, so that what is there does not go and come back. */
export function documentOf(name) {
  const url = documentsOf(route)[name];
  const document_ = kept.get(url)?.document;
  if (document_ !== undefined) {
    if (shown.page !== pageOf(route)) shown = { page: pageOf(route) };
    shown[name] = document_;
    return document_;
  }
  return shown.page === pageOf(route) && link.failures === 0 && !refusals.has(url) ? shown[name] : undefined;
}

let shown = { page: null };

export const refusalOf = name => refusals.get(documentsOf(route)[name]);

/* The newest overview that any view has brought: what is above and beside all views. */
export let latest = null;

/* What was counted at earlier times, to see what grows while this page is open. */
export const samples = [];

function noteGrowth() {
  latest = documentOf('overview') ?? latest;
  if (latest === null) return;
  const at = performance.now();
  samples.push({ at, overview: latest });
  while (samples.length > 2 && samples[0].at < at - GROWTH_MS) samples.shift();
}

/* A page that nobody sees is read more seldom: its title warns. */
export function readSeldom() {
  scheduleRefresh();
}

/* Nothing changes by itself until it is to go on. */
export function pauseRefresh(isPaused) {
  link.isPaused = isPaused;
  if (isPaused) clearTimeout(link.timer);
  else refresh();
}

/* The document of another address is the one of URL as well. */
export function takeAs(url, document_) {
  kept.set(url, { etag: '', document: document_ });
}
