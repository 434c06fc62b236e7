/* search: operations by the beginning of their id, devices by the whole of it. */

import { go } from './going.js';
import { inWords } from './parts.js';
import { address, to, toOperation } from './places.js';
import { Refusal, detailOf } from './reading.js';
import { counted, foreign, visible } from './text.js';
import { h, updateChildren } from './tree.js';

const field = document.getElementById('query');
const search = { asked: '', found: [], active: 0, isOpen: false, goes: false, round: 0, timer: null };

/* A device of exactly this id first, then operations that begin so. */
async function find() {
  const q = field.value.trim();
  const round = ++search.round;
  if (q === '') return closeSearch();
  try {
    const answer = await fetch(address('search.json', { q, limit: 8 }), { cache: 'no-store' });
    if (!answer.ok) throw new Refusal(answer.status, await detailOf(answer));
    const found = await answer.json();
    if (round !== search.round) return undefined;
    search.found = [
      ...(found.device === null
        ? []
        : [{ href: to('device', { deviceId: found.device.deviceId }), device: found.device }]),
      ...found.operations.map(operation => ({ href: toOperation(operation), operation })),
    ];
    search.none = 'No operation begins so, and no device has this id.';
  } catch (error) {
    if (round !== search.round) return undefined;
    search.found = [];
    search.none = `The search got no answer: ${error.message}`;
  }
  Object.assign(search, { asked: q, active: 0, isOpen: true });
  renderSearch();
  if (search.goes) choose();
  return undefined;
}

function closeSearch() {
  clearTimeout(search.timer);
  search.round++;
  Object.assign(search, { isOpen: false, found: [], asked: '', goes: false });
  renderSearch();
}

function choose() {
  search.goes = false;
  const chosen = search.found[search.active];
  if (chosen === undefined) return;
  field.value = '';
  closeSearch();
  go(chosen.href);
}

function renderSearch() {
  const { found, active, isOpen } = search;
  document.getElementById('found-box').hidden = !isOpen;
  updateChildren(
    document.getElementById('found'),
    found.map(({ href, device, operation }, i) =>
      h(
        'li',
        {
          key: href,
          id: `found-${i}`,
          role: 'option',
          'aria-selected': i === active ? 'true' : 'false',
          onclick: () => {
            search.active = i;
            choose();
          },
        },
        device !== undefined
          ? [
              h('span', { class: 'kind' }, 'Device '),
              foreign(device.deviceId),
              h('span', { class: 'sub' }, counted(device.upgrades, 'upgrade')),
            ]
          : [
              h('span', { class: 'kind' }, 'Operation '),
              foreign(operation.operationId),
              h(
                'span',
                { class: 'sub' },
                'application ',
                foreign(operation.appId, 40),
                ` · ${inWords(operation)}`,
              ),
            ],
      ),
    ),
  );
  updateChildren(
    document.getElementById('found-none'),
    isOpen && found.length === 0 ? [visible(search.none)] : [],
  );
  field.setAttribute('aria-expanded', String(isOpen && found.length > 0));
  if (isOpen && found.length > 0) field.setAttribute('aria-activedescendant', `found-${active}`);
  else field.removeAttribute('aria-activedescendant');
  document.getElementById(`found-${active}`)?.scrollIntoView({ block: 'nearest' });
}

function searchKey(event) {
  if (event.isComposing) return;
  if (event.key === 'Enter') {
    event.preventDefault();
    if (search.isOpen && search.asked === field.value.trim()) choose();
    else if (field.value.trim() !== '') {
      search.goes = true;
      clearTimeout(search.timer);
      find();
    }
  } else if (event.key === 'Escape') {
    if (search.isOpen) closeSearch();
    else field.value = '';
  } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && search.found.length > 0) {
    event.preventDefault();
    const { length } = search.found;
    search.active = (search.active + (event.key === 'ArrowDown' ? 1 : length - 1)) % length;
    renderSearch();
  }
}

export function startSearch() {
  field.oninput = () => {
    search.goes = false;
    clearTimeout(search.timer);
    search.timer = setTimeout(find, 150);
  };
  field.onkeydown = searchKey;
  field.onblur = closeSearch;
  /* A press in the list must not take the focus, which would close it. */
  document.getElementById('found-box').onmousedown = event => event.preventDefault();
  document.getElementById('search').onsubmit = event => event.preventDefault();
  document.addEventListener('keydown', event => {
    if (
      event.key !== '/' ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      event.target.closest('input, select, textarea')
    )
      return;
    event.preventDefault();
    field.focus();
    field.select();
  });
}
