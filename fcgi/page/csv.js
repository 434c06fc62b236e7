/* csv: all failures of an operation as one file. */

import { announce, draw } from './draw.js';
import { address, place } from './places.js';
import { Refusal, detailOf } from './reading.js';
import { number } from './text.js';
import { h } from './tree.js';

const CSV_ROWS = 1000;

/* A CSV document has a thousand rows at most: the script follows to the next ones. */
let gathering = null;

export function csvLink(operation) {
  const parameters = {
    operationId: operation.operationId,
    appId: operation.appId,
    errorCode: place.errorCode,
    limit: CSV_ROWS,
  };
  const url = address('failures.csv', parameters);
  const name = `failures-${operation.operationId.replace(/[^\w.-]+/g, '_').slice(0, 60)}.csv`;
  const isMany = operation.fail > CSV_ROWS;
  return h(
    'a',
    {
      key: 'csv',
      class: 'csv',
      href: url,
      download: name,
      onclick: isMany ? event => gatherCsv(event, url, name) : null,
    },
    gathering ?? (place.errorCode === undefined ? 'Failures as CSV' : 'These failures as CSV'),
  );
}

async function gatherCsv(event, url, name) {
  event.preventDefault();
  if (gathering !== null) return;
  const pages = [];
  try {
    for (let next = url; next !== null;) {
      gathering = `Reading… ${number(pages.length * CSV_ROWS)}`;
      draw();
      const answer = await fetch(next, { cache: 'no-store' });
      if (!answer.ok) throw new Refusal(answer.status, await detailOf(answer));
      const text = await answer.text();
      pages.push(pages.length === 0 ? text : text.slice(text.indexOf('\n') + 1));
      const match = /<([^>]*)>\s*;\s*rel="?next"?/.exec(answer.headers.get('Link') ?? '');
      next = match === null ? null : new URL(match[1], answer.url).href;
    }
    save(new Blob(pages, { type: 'text/csv' }), name);
    gathering = null;
  } catch (error) {
    gathering = null;
    announce(`The CSV file could not be read: ${error.message}`);
  }
  draw();
}

function save(blob, name) {
  const anchor = document.createElement('a');
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 60000);
}
