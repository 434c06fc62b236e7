/* quarantine: what was received and is no notification. */

import { quarantineFill } from './health.js';
import { later } from './opened.js';
import { exports, figure, fillBar, heading, instead, pager, table } from './parts.js';
import { route, to } from './route.js';
import { documentOf, latest, refusalOf } from './reading.js';
import { bytes, coded, foreign, number, said, visible } from './text.js';
import { moment } from './time.js';
import { h } from './tree.js';
import { say, words } from './words.js';

export function quarantineView() {
  const quarantine = documentOf('main');
  const title = heading(words('quarantine.title'));
  if (quarantine === undefined || refusalOf('main') !== undefined)
    return [title, instead('main', words('instead.page'))];
  const receiver = latest?.receiver ?? null;
  const { bodies, held, reasons } = quarantine;
  return [
    title,
    h('p', { class: 'about' }, say('quarantine.about')),
    h(
      'dl',
      { class: 'figures' },
      figure(
        words('figure.held'),
        number(held),
        receiver === null ? null : say('figure.of', { most: receiver.quarantineMax }),
      ),
      figure(
        words('figure.size'),
        bytes(quarantine.bytes),
        receiver === null ? null : say('figure.of', { most: bytes(receiver.quarantineBytesMax) }),
      ),
      latest === null
        ? null
        : figure(
            words('figure.ever'),
            number(latest.totals.quarantined),
            latest.totals.quarantineLogOnly > 0
              ? say('figure.logAlone', { count: latest.totals.quarantineLogOnly })
              : null,
          ),
    ),
    receiver === null ? null : fillBar(quarantineFill({ quarantine, receiver })),
    reasons !== undefined && reasons.length > 0 ? reasonsOf(reasons) : null,
    route.reason === undefined
      ? null
      : h(
          'p',
          { key: 'reason', class: 'filter' },
          say('quarantine.only', {
            reason: foreign(route.reason),
            link: inner => h('a', { href: to('quarantine'), 'data-stays': true }, inner),
          }),
        ),
    bodies.length === 0
      ? h('p', { key: 'none', class: 'empty' }, h('strong', null, words('quarantine.none')))
      : bodiesOf(bodies),
    reasons === undefined || bodies.length === 0 ? null : exports('quarantine', { reason: route.reason }),
    pager(
      quarantine.next,
      route,
      words('pager.bodies'),
      bodies.length,
      route.reason === undefined ? held : reasons?.find(({ reason }) => reason === route.reason)?.count,
    ),
  ];
}

const reasonsOf = reasons =>
  h(
    'section',
    { key: 'reasons', class: 'panel reasons', 'aria-labelledby': 'reasons' },
    h('h2', { id: 'reasons' }, words('quarantine.reasons')),
    table(
      words('quarantine.reasons'),
      [
        [words('column.reason'), 'name'],
        [words('column.bodies'), 'n'],
      ],
      reasons.map(({ reason, count }) => ({
        key: reason,
        current: route.reason === reason,
        cells: [
          coded('reasons', reason, inner =>
            h('a', { href: to('quarantine', { reason }), 'data-stays': true }, inner),
          ),
          number(count),
        ],
      })),
    ),
  );

const bodiesOf = bodies =>
  table(
    words('quarantine.caption'),
    [
      [words('column.id'), 'name'],
      [words('column.received'), ''],
      [words('column.reason'), 'text'],
      [words('column.pointer'), ''],
      [words('column.size'), 'n'],
    ],
    bodies.map(body => ({
      key: String(body.id),
      cells: [
        String(body.id),
        moment(body.receivedAt),
        [coded('reasons', body.reason), typeof body.body === 'string' ? bodyOf(body) : null],
        body.pointer === '' ? said('') : foreign(body.pointer),
        bytes(body.bytes),
      ],
    })),
    'cards quarantine-table',
  );

const bodyOf = ({ id, body }) =>
  later(`body ${id}`, words('quarantine.body', { id: String(id) }), () =>
    h(
      'pre',
      { tabindex: '0', role: 'region', translate: 'no', 'aria-label': words('quarantine.body', { id: String(id) }) },
      body.split('\n').map((line, i) => [i > 0 ? '\n' : '', visible(line)]),
    ),
  );
