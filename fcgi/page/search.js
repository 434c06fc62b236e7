/* search: operations by the beginning of their id, devices by the whole of it. */

import { go } from './going.js';
import { inWords } from './parts.js';
import { address, to, toOperation } from './route.js';
import { Refusal, refusalIn } from './reading.js';
import { foreign, refusalInWords } from './text.js';
import { h, updateChildren } from './tree.js';
import { say, setting, words } from './words.js';

const field = /** @type {HTMLInputElement} */ (document.getElementById('query'));
/* The selection is the address that it leads to, never a position: while letters are typed and answers
 * come, it stays at what it points to, or is gone. It is null until there is an answer to what the box
 * says. */
const search = { asked: '', found: [], selected: null, isOpen: false, goes: false, round: 0, timer: null };
const selectedAt = () => search.found.findIndex(({ href }) => href === search.selected);

/* A device of exactly this id first, then operations that begin so. */
async function find() {
  const q = field.value.trim();
  const round = ++search.round;
  if (q === '') return closeSearch();
  try {
    const answer = await fetch(address('search.json', { q, limit: 8 }), { cache: 'no-store' });
    if (!answer.ok) throw await refusalIn(answer);
    const found = await answer.json();
    if (round !== search.round) return undefined;
    search.found = [
      ...(found.device === null
        ? []
        : [{ href: to('device', { deviceId: found.device.deviceId }), device: found.device }]),
      ...found.operations.map(operation => ({ href: toOperation(operation), operation })),
    ];
    search.none = words('search.none');
  } catch (error) {
    if (round !== search.round) return undefined;
    search.found = [];
    search.none = words('search.noAnswer', {
      reason: error instanceof Refusal ? refusalInWords(error) : words('reason.unreachable'),
    });
  }
  /* Something that was chosen meanwhile and is not found any more leaves nothing selected: Enter must not
   * open what came in its place. */
  if (search.selected === null) search.selected = search.found[0]?.href ?? null;
  else if (selectedAt() < 0) search.selected = null;
  Object.assign(search, { asked: q, isOpen: true });
  renderSearch();
  if (search.goes) choose();
  return undefined;
}

function closeSearch() {
  clearTimeout(search.timer);
  search.round++;
  Object.assign(search, { isOpen: false, found: [], selected: null, asked: '', goes: false });
  renderSearch();
}

/* Opens what is shown as selected. */
function choose() {
  const { selected } = search;
  search.goes = false;
  if (selected === null) return;
  field.value = '';
  closeSearch();
  go(selected);
}

function select(index) {
  search.goes = false;
  search.selected = search.found[index].href;
}

const kind = inner => h('span', { class: 'kind' }, inner);

function renderSearch() {
  const { found, isOpen } = search;
  const active = selectedAt();
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
            select(i);
            choose();
          },
        },
        device !== undefined
          ? [
              h('span', { class: 'found-id' }, say('device.kind', { kind, id: foreign(device.deviceId) })),
              h('span', { class: 'sub' }, say('search.device', { count: device.upgrades })),
            ]
          : [
              h('span', { class: 'found-id' }, say('operation.kind', { kind, id: foreign(operation.operationId) })),
              h(
                'span',
                { class: 'sub' },
                say('search.operation', { app: foreign(operation.appId, 40), counts: inWords(operation) }),
              ),
            ],
      ),
    ),
  );
  updateChildren(
    document.getElementById('found-none'),
    isOpen && found.length === 0 ? [search.none] : [],
  );
  field.setAttribute('aria-expanded', String(isOpen && found.length > 0));
  if (active >= 0) field.setAttribute('aria-activedescendant', `found-${active}`);
  else field.removeAttribute('aria-activedescendant');
  document.getElementById(`found-${active}`)?.scrollIntoView({ block: 'nearest' });
}

function searchKey(event) {
  if (event.isComposing) return;
  if (event.key === 'Enter') {
    event.preventDefault();
    if (search.selected !== null || search.asked === field.value.trim()) choose();
    else {
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
    const from = selectedAt();
    select(event.key === 'ArrowDown' ? (from + 1) % length : (Math.max(from, 0) + length - 1) % length);
    renderSearch();
  }
}

/* A key alone may be what somebody's speech input or habit presses: it can be switched off. */
const SLASH = 'upgrade-receiver slash';
export const hasSlash = () => setting(SLASH) !== 'off';

export function switchSlash(isOn) {
  setting(SLASH, isOn ? 'on' : 'off');
  tellKeys();
}

function tellKeys() {
  document.getElementById('query-keys').textContent = hasSlash()
    ? words('search.keys.slash')
    : words('search.keys');
  document.querySelector('.search').classList.toggle('no-slash', !hasSlash());
}

export function startSearch() {
  tellKeys();
  field.oninput = () => {
    /* Another question: an answer to the one before comes too late, and none is selected yet. */
    Object.assign(search, { goes: false, selected: null, asked: '' });
    search.round++;
    renderSearch();
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
      !hasSlash() ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      /** @type {Element} */ (event.target).closest('input, select, textarea')
    )
      return;
    event.preventDefault();
    field.focus();
    field.select();
  });
}
