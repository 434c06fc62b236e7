/* quarantine: what was received and is no notification. */

import { quarantineFill } from './health.js';
import { figure, fillBar, heading, instead, pager, table } from './parts.js';
import { route } from './route.js';
import { documentOf, latest, refusalOf } from './reading.js';
import { bytes, foreign, number, said } from './text.js';
import { moment } from './time.js';
import { h } from './tree.js';

export function quarantineView() {
  const quarantine = documentOf('main');
  if (quarantine === undefined || refusalOf('main') !== undefined)
    return [heading('Quarantine'), instead('main', 'page')];
  const receiver = latest?.receiver ?? null;
  return [
    heading('Quarantine'),
    h(
      'p',
      { class: 'about' },
      'Bodies that are no notification the receiver knows, kept byte for byte. ',
      h('code', null, 'upgrade-status quarantine show ID'),
      ' prints one, ',
      h('code', null, 'quarantine retry'),
      ' reads all again.',
    ),
    h(
      'dl',
      { class: 'figures' },
      figure(
        'Held',
        number(quarantine.held),
        receiver === null ? null : `of ${number(receiver.quarantineMax)}`,
      ),
      figure(
        'Size',
        bytes(quarantine.bytes),
        receiver === null ? null : `of ${bytes(receiver.quarantineBytesMax)}`,
      ),
      latest === null
        ? null
        : figure(
            'Ever',
            number(latest.totals.quarantined),
            latest.totals.quarantineLogOnly > 0
              ? `${number(latest.totals.quarantineLogOnly)} in the log alone`
              : null,
          ),
    ),
    receiver === null ? null : fillBar(quarantineFill({ quarantine, receiver })),
    quarantine.bodies.length === 0
      ? h('p', { key: 'none', class: 'empty' }, h('strong', null, 'Nothing is in quarantine.'))
      : table(
          'Bodies in quarantine',
          [
            ['Id', 'name'],
            ['Received', ''],
            ['Reason', 'text'],
            ['At', ''],
            ['Size', 'n'],
          ],
          quarantine.bodies.map(body => ({
            key: String(body.id),
            cells: [
              number(body.id),
              moment(body.receivedAt),
              said(body.reason),
              body.pointer === '' ? said('') : foreign(body.pointer),
              bytes(body.bytes),
            ],
          })),
          'cards quarantine-table',
        ),
    pager(quarantine.next, route, 'Pages of bodies'),
  ];
}
