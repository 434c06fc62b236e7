/* Every text of the page is in both languages, says the same of the same, and comes from there. (No browser.) */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { en } from '../../fcgi/page/words.en.js';
import { zh } from '../../fcgi/page/words.zh.js';
import { test } from './lib.mjs';

const ts = createRequire(import.meta.url)('typescript');
const PAGE = new URL('../../fcgi/page/', import.meta.url);
const read = name => readFileSync(new URL(name, PAGE), 'utf8');
const MODULES = readdirSync(PAGE).filter(name => name.endsWith('.js'));
const sources = new Map(
  MODULES.filter(name => !/^words\.\w+\.js$/.test(name)).map(name => [
    name,
    ts.createSourceFile(name, read(name), ts.ScriptTarget.Latest, true),
  ]),
);

const formsOf = message => (typeof message === 'string' ? [message] : Object.values(message));

/* The parameters of one form of a message: what it is filled with, and what makes elements. */
const parametersOf = form =>
  [...form.matchAll(/\{(\w+)\}|<(\w+)>/g)].map(([, name, tag]) => name ?? `<${tag}>`).sort();

/* What differs in two languages. */
function differences(one, other) {
  const found = [];
  for (const group of ['messages', ...Object.keys(one.codes)]) {
    const [a, b] = [one, other].map(language => language[group] ?? language.codes[group]);
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      if (!Object.hasOwn(a, key) || !Object.hasOwn(b, key)) {
        found.push(`${group} ${key}: in one language only`);
        continue;
      }
      const [all, same] = [a[key], b[key]].map(message => formsOf(message).map(parametersOf));
      /* A form for one alone may do without its number. */
      const wanted = JSON.stringify(all.at(-1));
      for (const each of [...all, ...same])
        if (JSON.stringify(each) !== wanted) found.push(`${group} ${key}: ${each} and ${wanted}`);
      const isPlural = [a, b].map(messages => typeof messages[key] !== 'string');
      if (isPlural[0] !== isPlural[1]) found.push(`${group} ${key}: goes by a number in one language only`);
      if ([a, b].some(messages => formsOf(messages[key]).some(form => form.trim() === '')))
        found.push(`${group} ${key}: empty`);
    }
  }
  return found;
}

test('no text is in one language only, and parameters and plurals agree', () => {
  assert.deepEqual(differences(en, zh), []);
  const broken = structuredClone(zh);
  delete broken.messages['page.skip'];
  broken.messages['foot.zone'] = '{zones}';
  delete broken.codes.reasons.missing;
  assert.deepEqual(
    differences(en, broken).map(one => one.split(':')[0]),
    ['messages page.skip', 'messages foot.zone', 'reasons missing'],
  );
});

test('each language has the forms that its numbers need, and Chinese texts are Chinese', () => {
  for (const { locale, messages } of [en, zh]) {
    const { pluralCategories } = new Intl.PluralRules(locale).resolvedOptions();
    for (const [key, message] of Object.entries(messages))
      if (typeof message !== 'string')
        assert.deepEqual(Object.keys(message).sort(), [...pluralCategories].sort(), `${locale} ${key}`);
  }
  const sameAsEnglish = Object.keys(zh.messages).filter(
    key => JSON.stringify(zh.messages[key]) === JSON.stringify(en.messages[key]),
  );
  for (const key of sameAsEnglish)
    assert.doesNotMatch(
      formsOf(zh.messages[key]).join(' ').replace(/\{\w+\}|<\/?\w+>/g, ''),
      /[a-z]{3}/,
      `${key} is English`,
    );
});

function walk(node, visit) {
  visit(node);
  node.forEachChild(child => walk(child, visit));
}

const isLiteral = node =>
  ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateExpression(node);

/* The literal parts of a text; what is put in between does not count. */
const literalOf = node =>
  ts.isTemplateExpression(node)
    ? [node.head.text, ...node.templateSpans.map(span => span.literal.text)].join('\u0000')
    : node.text;

const nameOf = node => node?.name?.text ?? node?.text;
const callOf = node => (ts.isIdentifier(node.expression) ? node.expression.text : node.expression.name?.text);

/* Attributes that people read. */
const READ = ['title', 'aria-label', 'placeholder', 'alt', 'data-title', 'label'];

/* What reads the page, the tree or the network by a text: no person does. */
const FOR_PROGRAMS = ['querySelector', 'querySelectorAll', 'closest', 'createElement', 'createElementNS'];

/* Whether NODE is a child of an element: an argument of h() behind the first two, whatever is around it there. */
function isChild(node) {
  for (let inner = node, outer = node.parent; outer !== undefined; inner = outer, outer = outer.parent) {
    if (ts.isCallExpression(outer)) {
      const at = outer.arguments.indexOf(inner);
      if (callOf(outer) === 'h') return at >= 2;
      return ['heading', 'unseen', 'odd', 'panel', 'figure', 'announce'].includes(callOf(outer)) && at >= 1;
    }
    if (ts.isConditionalExpression(outer) ? outer.condition === inner : false) return false;
    if (
      ts.isBinaryExpression(outer) &&
      [ts.SyntaxKind.EqualsEqualsEqualsToken, ts.SyntaxKind.ExclamationEqualsEqualsToken].includes(
        outer.operatorToken.kind,
      )
    )
      return false;
    if (ts.isPropertyAssignment(outer) || ts.isElementAccessExpression(outer)) return false;
    if (ts.isFunctionLike(outer) || ts.isStatement(outer)) return false;
  }
  return false;
}

/* The property that NODE, or a choice of which it is one, is the value of. */
function propertyOf(node) {
  let outer = node.parent;
  while (ts.isConditionalExpression(outer) || ts.isParenthesizedExpression(outer)) outer = outer.parent;
  return ts.isPropertyAssignment(outer) ? nameOf(outer.name) : null;
}

/* Texts of SOURCE that people would read and that are not out of the words. */
function bypassing(name, source) {
  const found = [];
  walk(source, node => {
    if (!isLiteral(node) || ts.isImportDeclaration(node.parent) || node.parent.name === node) return;
    const text = literalOf(node);
    if (!/\p{L}/u.test(text)) return;
    const { parent } = node;
    const property = propertyOf(node);
    if (property === 'class' || property === 'download' || property === 'href') return;
    if (ts.isCallExpression(parent) && FOR_PROGRAMS.includes(callOf(parent))) return;
    const isSentence = /\p{L}{2,} \p{L}|\p{Script=Han}/u.test(text);
    const isRead = isChild(node) || READ.includes(property);
    if (isSentence || isRead)
      found.push(`${name}:${source.getLineAndCharacterOfPosition(node.pos).line + 1} ${JSON.stringify(text)}`);
  });
  return found;
}

/* Names of programs, of what is stored, and of what a person never reads. */
const NO_TEXTS = [
  /^words\.js:\d+ "upgrade-receiver language"$/,
  /^search\.js:\d+ "upgrade-receiver slash"$/,
  /^app\.js:\d+ "upgrade-receiver \\u0000"$/,
  /^device\.js:\d+ "commandStatus"$/,
  /^(health|app)\.js:\d+ "(near miss|backlog \\u0000|broken \\u0000)"$/,
  /^\w+\.js:\d+ "cards [\w -]+"$/,
];

test('no module says something that is not in the words', () => {
  const found = [...sources].flatMap(([name, source]) => bypassing(name, source));
  assert.deepEqual(
    found.filter(one => !NO_TEXTS.some(pattern => pattern.test(one))),
    [],
  );
  const bad = `h('p', null, 'Hello'); h('p', { title: 'Hi' }); add(isWell ? 'all is well' : x); h('b', null, a ? '好' : \`Say \${x}\`);`;
  const source = ts.createSourceFile('bad.js', bad, ts.ScriptTarget.Latest, true);
  assert.equal(bypassing('bad.js', source).length, 5);
});

test('each message that is asked for is there, and each that is there is asked for', () => {
  const asked = new Set();
  for (const source of sources.values())
    walk(source, node => {
      if (isLiteral(node) && Object.hasOwn(en.messages, literalOf(node))) asked.add(literalOf(node));
      if (!ts.isCallExpression(node) || !['say', 'words'].includes(callOf(node))) return;
      const [key] = node.arguments;
      if (isLiteral(key)) assert.ok(Object.hasOwn(en.messages, literalOf(key)), `${literalOf(key)} is no message`);
    });
  const html = read('index.html');
  for (const [, all] of html.matchAll(/data-say="([^"]*)"/g))
    for (const one of all.split(' ')) {
      const [key] = one.split('@');
      assert.ok(Object.hasOwn(en.messages, key), key);
      asked.add(key);
    }
  assert.deepEqual(
    Object.keys(en.messages).filter(key => !asked.has(key)),
    [],
  );
});

test('the frame says nothing by itself, but without JavaScript, and loads all modules at once', () => {
  const html = read('index.html');
  const said = html
    .replace(/<noscript>[^]*?<\/noscript>|<!--[^]*?-->|<title>[^<]*<\/title>|<[^>]*>/g, ' ')
    .replace(/[\s/]+/g, '');
  assert.equal(said, '');
  const preloaded = [...html.matchAll(/<link rel="modulepreload" href="([^"]*)">/g)].map(([, name]) => name);
  assert.deepEqual(preloaded, MODULES.filter(name => name !== 'app.js').sort());
});
