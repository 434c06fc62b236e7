/* errors: failures over all operations, by error code. */

import { exports, heading, instead, pager, plainBar, table } from './parts.js';
import { route } from './route.js';
import { documentOf, refusalOf } from './reading.js';
import { foreign, number, said } from './text.js';
import { h } from './tree.js';
import { words } from './words.js';

export function errorsView() {
  const title = heading(words('errors.title'));
  const document_ = documentOf('main');
  if (document_ === undefined || refusalOf('main') !== undefined)
    return [title, instead('main', words('instead.page'))];
  const { errors } = document_;
  if (errors.length === 0) return [title, h('p', { key: 'none', class: 'empty' }, words('failures.none'))];
  const most = Math.max(...errors.map(({ count }) => count));
  return [
    title,
    exports('errors', {}),
    table(
      words('errors.caption'),
      [
        [words('column.code'), 'name'],
        [words('column.upgrades'), 'progress'],
        [words('column.operations'), 'n'],
        [words('column.example'), 'text'],
      ],
      errors.map(({ errorCode, count, operations, example }) => ({
        key: errorCode,
        cells: [
          errorCode === '' ? h('em', null, words('code.none')) : foreign(errorCode),
          h(
            'span',
            { class: 'bar-count' },
            plainBar(count / most, 'FAIL'),
            h('span', { class: 'count' }, number(count)),
          ),
          number(operations),
          said(example),
        ],
      })),
      'cards failures errors-table',
    ),
    pager(document_.next, route, words('errors.title'), errors.length),
  ];
}
