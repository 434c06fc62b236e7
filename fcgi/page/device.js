/* device: one device's upgrades, and what was received of it. */

import { later } from './opened.js';
import { moved, upgradeKey, version } from './operation.js';
import { heading, instead, isStuck, mark, odd, pager, panel, stateOf } from './parts.js';
import { STUCK_DEFAULT_S, route, toOperation } from './route.js';
import { documentOf, refusalOf } from './reading.js';
import { bytes, counted, foreign, number, stepInWords, textOf, visibleJson } from './text.js';
import { clockTime, moment } from './time.js';
import { h } from './tree.js';

const CUT_BODY = 20000;

export function deviceView() {
  const device = documentOf('main');
  const title = heading(h('span', { class: 'kind' }, 'Device '), foreign(route.deviceId, 400));
  if (device === undefined || refusalOf('main') !== undefined) return [title, instead('main', 'device')];
  const { history, news } = device;
  return [
    title,
    h(
      'p',
      { class: 'about' },
      history.length === 0 && route.after === undefined
        ? 'No upgrade of it is known.'
        : `${counted(history.length, 'upgrade')}${device.next || route.after !== undefined ? ' on this page' : ''}, the latest operation first`,
    ),
    h(
      'section',
      { key: 'history', 'aria-label': 'Upgrades' },
      h('ol', { class: 'upgrades' }, history.map(upgradeCard)),
    ),
    pager(device.next, route, 'Pages of upgrades'),
    news && news.length > 0 ? panel('news', 'Other news of this device', notesOf(news, 'news')) : null,
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
        ' in ',
        h('a', { href: toOperation(upgrade) }, foreign(upgrade.operationId)),
      ),
      upgrade.contradictory ? odd('contradictory') : null,
      isStuck(upgrade, STUCK_DEFAULT_S)
        ? h('span', { class: 'badge stuck' }, mark('stuck'), 'for ', moment(upgrade.beganAt, 'since'))
        : null,
    ),
    h(
      'dl',
      { class: 'facts' },
      fact('Versions', moved({ ...upgrade, contradictory: false })),
      upgrade.curVersion === '' ? null : fact('Reports', version(upgrade.curVersion)),
      upgrade.state === 'IN_PROGRESS'
        ? null
        : fact('Error code', upgrade.errorCode === '' ? h('em', null, 'none') : foreign(upgrade.errorCode)),
      text.length === 0
        ? null
        : fact(
            'It says',
            text.map((one, i) => [i > 0 ? ' · ' : '', foreign(one, 1000, 'said')]),
          ),
      upgrade.upgradeTime === '' ? null : fact('Upgrade time', foreign(String(upgrade.upgradeTime), 40)),
      fact('Began', clockTime(upgrade.beganAt)),
      fact('Last change', [clockTime(upgrade.lastAt), ', ', moment(upgrade.lastAt)]),
      fact('Sub-operation', foreign(upgrade.subOperationId)),
      fact('Application', foreign(upgrade.appId)),
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
              ? h('span', { class: 'badge' }, `received ${number(note.deliveries)} times`)
              : null,
            h('span', { class: 'seq' }, `no. ${note.seq}`),
          ],
          () =>
            h(
              'pre',
              { tabindex: '0', role: 'region', 'aria-label': `Notification ${note.seq} as received` },
              bodyText(note.body),
            ),
        ),
      ),
    ),
  );
}

/* Any member of BODY may be of any type, unless a schema says which. */
function noteKind({ body, bodyBytes }) {
  if (body === null) return `a body of ${bytes(bodyBytes)}`;
  const value = [
    textOf(body.swUpgradeResult),
    textOf(body.swUpgradeState),
    textOf(body.status),
    textOf(body.Status),
    textOf(body.stepDesc),
    stepInWords(textOf(body.step)),
  ].find(one => one !== '');
  return [
    foreign(textOf(body.notifyType) || 'commandStatus', 60, 'said'),
    value === undefined ? null : [' ', h('strong', null, foreign(value, 40, 'said'))],
  ];
}

function bodyText(body) {
  if (body === null) return 'It is too long to be shown here. upgrade-status log prints it.';
  const text = visibleJson(JSON.stringify(body, null, 2));
  return text.length <= CUT_BODY
    ? text
    : `${text.slice(0, CUT_BODY)}\n… ${number(text.length - CUT_BODY)} characters more`;
}
