/* device: one device's upgrades, and what was received of it. */

import { later } from './opened.js';
import { moved, noCode, upgradeKey, version } from './operation.js';
import { idHeading, instead, odd, pager, panel, stateOf, stuckFor } from './parts.js';
import { STUCK_DEFAULT_S, route, toOperation } from './route.js';
import { documentOf, refusalOf } from './reading.js';
import { bytes, foreign, stepInWords, textOf, visibleJson } from './text.js';
import { clockTime, moment } from './time.js';
import { h } from './tree.js';
import { say, words } from './words.js';

const CUT_BODY = 20000;

export function deviceView() {
  const device = documentOf('main');
  const title = idHeading(
    say('device.kind', {
      kind: inner => h('span', { class: 'kind' }, inner),
      id: foreign(route.deviceId, 400),
    }),
    route.deviceId,
  );
  if (device === undefined || refusalOf('main') !== undefined)
    return [title, instead('main', words('instead.device'))];
  const { history, news } = device;
  const count = history.length;
  return [
    title,
    h(
      'p',
      { class: 'about' },
      count === 0 && route.after === undefined
        ? words('device.none')
        : device.next || route.after !== undefined
          ? say('device.countPage', { count })
          : say('device.count', { count }),
    ),
    h(
      'section',
      { key: 'history', 'aria-label': words('device.upgrades') },
      h('ol', { class: 'upgrades' }, history.map(upgradeCard)),
    ),
    pager(device.next, route, words('pager.upgrades'), count),
    news && news.length > 0 ? panel('news', words('device.news'), notesOf(news, 'news')) : null,
  ];
}

function upgradeCard(upgrade) {
  const key = upgradeKey(upgrade);
  const text = [upgrade.resultDesc, upgrade.description].filter(one => one !== '');
  return h(
    'li',
    { key, class: `upgrade ${upgrade.state}` },
    h(
      'h2',
      null,
      stateOf(upgrade),
      h(
        'span',
        { class: 'in' },
        say('device.in', {
          operation: h('a', { href: toOperation(upgrade) }, foreign(upgrade.operationId)),
        }),
      ),
      upgrade.contradictory ? odd(words('odd.badge')) : null,
      stuckFor(upgrade, STUCK_DEFAULT_S),
    ),
    h(
      'dl',
      { class: 'facts' },
      fact(words('fact.versions'), moved({ ...upgrade, contradictory: false })),
      upgrade.curVersion === '' ? null : fact(words('fact.reports'), version(upgrade.curVersion)),
      upgrade.state === 'IN_PROGRESS'
        ? null
        : fact(words('fact.code'), upgrade.errorCode === '' ? noCode() : foreign(upgrade.errorCode)),
      text.length === 0
        ? null
        : fact(
            words('fact.says'),
            text.map((one, i) => [i > 0 ? ' · ' : '', foreign(one, 1000, 'said')]),
          ),
      upgrade.upgradeTime === ''
        ? null
        : fact(words('fact.upgradeTime'), foreign(String(upgrade.upgradeTime), 40)),
      fact(words('fact.began'), clockTime(upgrade.beganAt)),
      fact(
        words('fact.last'),
        say('fact.last.value', { clock: clockTime(upgrade.lastAt), ago: moment(upgrade.lastAt) }),
      ),
      fact(words('fact.sub'), foreign(upgrade.subOperationId)),
      fact(words('fact.app'), foreign(upgrade.appId)),
    ),
    notesOf(upgrade.notifications, key),
  );
}

const fact = (name, value) => h('div', { key: name }, h('dt', null, name), h('dd', null, value));

/* Notifications, the latest first; each can be opened to see it as it was received. */
function notesOf(notes, owner) {
  return h(
    'ol',
    { class: 'notes' },
    notes.map(note =>
      h(
        'li',
        { key: String(note.seq) },
        later(
          `note ${owner} ${note.seq}`,
          [
            clockTime(note.receivedAt),
            ' ',
            h('span', { class: 'note-kind' }, noteKind(note)),
            note.deliveries > 1
              ? h('span', { class: 'badge' }, words('note.deliveries', { count: note.deliveries }))
              : null,
            h('span', { class: 'seq' }, words('note.seq', { seq: String(note.seq) })),
          ],
          () =>
            h(
              'pre',
              {
                tabindex: '0',
                role: 'region',
                translate: 'no',
                'aria-label': words('note.body', { seq: String(note.seq) }),
              },
              bodyText(note.body),
            ),
        ),
      ),
    ),
  );
}

/* RESOURCE.EVENT of an envelope of the platform's successor. */
function envelopeType({ commandId, resource, event, notify_data: data }) {
  return commandId === undefined && data !== undefined ? `${textOf(resource)}.${textOf(event)}` : '';
}

/* Any member of BODY may be of any type, unless a schema says which. */
function noteKind({ body, bodyBytes }) {
  if (body === null) return words('note.long', { size: bytes(bodyBytes) });
  const value = [
    textOf(body.swUpgradeResult),
    textOf(body.swUpgradeState),
    textOf(body.status),
    textOf(body.Status),
    textOf(body.stepDesc),
    stepInWords(textOf(body.step)),
  ].find(one => one !== '');
  return [
    foreign(textOf(body.notifyType) || envelopeType(body) || 'commandStatus', 60, 'said'),
    value === undefined ? null : [' ', h('strong', null, foreign(value, 40, 'said'))],
  ];
}

function bodyText(body) {
  if (body === null) return words('note.tooLong');
  const text = visibleJson(JSON.stringify(body, null, 2));
  return text.length <= CUT_BODY
    ? text
    : `${text.slice(0, CUT_BODY)}\n${words('note.cut', { count: text.length - CUT_BODY })}`;
}
