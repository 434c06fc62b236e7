/* tree: what should be there, and the page changed in place until it is.
 *
 * So nothing that a person has focused, opened, selected or scrolled to is ever built anew. Every text goes
 * in as a text node, never as HTML. */

const SVG = 'http://www.w3.org/2000/svg';

/* What should be there: an element with attributes (null: none; on...: a handler), and in it
 * elements and texts. `key` tells it from its siblings, in whatever order they are. */
export function h(tag, attributes, ...children) {
  const { key, ...rest } = attributes ?? {};
  return {
    tag,
    key,
    attributes: rest,
    children: thatAre(children),
  };
}

/* Of CHILDREN, and of lists among them, those that are there. */
export const thatAre = children =>
  children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false);

const FIELDS = ['select', 'input'];

/* What was last made of an element. */
const made = new WeakMap();

/* The same tree as before for the same document, which is then not even compared. */
const trees = new WeakMap();

export function treeOf(document_, make) {
  if (!trees.has(document_)) trees.set(document_, make());
  return trees.get(document_);
}

function create(tree, namespace) {
  if (typeof tree !== 'object') return document.createTextNode(String(tree));
  const element =
    tree.tag === 'svg' || namespace === SVG
      ? document.createElementNS(SVG, tree.tag)
      : document.createElement(tree.tag);
  update(element, tree);
  return element;
}

function update(element, tree) {
  if (made.get(element) === tree) return;
  const before = made.get(element)?.attributes ?? {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(tree.attributes)])) {
    const value = tree.attributes[name] ?? null;
    if (name.startsWith('on')) element[name] = value;
    else if (name === 'value' && FIELDS.includes(tree.tag)) continue; /* see below */
    else if ((before[name] ?? null) === value) continue;
    else if (value === null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? '' : value);
  }
  made.set(element, tree);
  updateChildren(element, tree.children);
  /* What a field shows is no attribute; what somebody is typing stays. */
  const { value } = tree.attributes;
  const isTyped = tree.tag === 'input' && element === document.activeElement;
  if (FIELDS.includes(tree.tag) && value !== undefined && !isTyped && element.value !== value) element.value = value;
}

/* Only what differs in the middle of a text is changed: a selection that ends in it stays. */
export function updateText(node, text) {
  const old = node.data;
  if (old === text) return;
  let start = 0;
  while (start < old.length && start < text.length && old[start] === text[start]) start++;
  let end = 0;
  while (
    end < old.length - start &&
    end < text.length - start &&
    old[old.length - 1 - end] === text[text.length - 1 - end]
  )
    end++;
  /* First the new, then away with the old: a selection that ends behind it goes on to end behind it. */
  const fresh = text.slice(start, text.length - end);
  node.insertData(start, fresh);
  node.deleteData(start + fresh.length, old.length - start - end);
}

export function updateChildren(parent, children) {
  const keyed = new Map();
  const others = [];
  for (const node of parent.childNodes) {
    const key = made.get(node)?.key;
    if (key === undefined) others.push(node);
    else keyed.set(key, node);
  }
  const nodes = children.map(child => {
    const kept = take(child, keyed, others);
    if (kept === null)
      return create(child, parent.namespaceURI === SVG && parent.localName !== 'foreignObject' ? SVG : null);
    if (typeof child === 'object') update(kept, child);
    else updateText(kept, String(child));
    return kept;
  });
  for (const node of [...others, ...keyed.values()]) node.remove();
  arrange(parent, nodes);
}

/* The node that is to become CHILD, out of those that are there; null: none will do. */
function take(child, keyed, others) {
  if (typeof child === 'object' && child.key !== undefined) {
    const node = keyed.get(child.key);
    if (node === undefined || made.get(node).tag !== child.tag) return null;
    keyed.delete(child.key);
    return node;
  }
  const index = others.findIndex(node =>
    typeof child === 'object' ? made.get(node)?.tag === child.tag : node.nodeType === Node.TEXT_NODE,
  );
  return index < 0 ? null : others.splice(index, 1)[0];
}

/* Puts NODES in order. A node that is moved loses focus and selection: the one that has them stays
 * where it is, and the others are put around it. */
function arrange(parent, nodes) {
  const selection = document.getSelection();
  const isHeld = node =>
    node.contains(document.activeElement) || (!selection.isCollapsed && node.contains(selection.anchorNode));
  const held = nodes.findIndex(isHeld);
  for (let i = 0; i < held; i++) {
    const at = i === 0 ? parent.firstChild : nodes[i - 1].nextSibling;
    if (at !== nodes[i]) parent.insertBefore(nodes[i], at);
  }
  for (let i = Math.max(held, 0); i < nodes.length; i++) {
    const at = i === 0 ? parent.firstChild : nodes[i - 1].nextSibling;
    if (i !== held && at !== nodes[i]) parent.insertBefore(nodes[i], at);
  }
}
