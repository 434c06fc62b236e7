/* mock: a web server that serves the page as the receiver does, and documents made of Books. What a
 * test wants to go wrong is set on it: `gone`, `answers` and `held`. */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Misused, NotFound } from './books.mjs';

const PAGE = new URL('../../fcgi/page/', import.meta.url);
const TYPES = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const DOCUMENTS = {
  'overview.json': 'overview',
  'operation.json': 'operation',
  'upgrades.json': 'upgrades',
  'failures.json': 'failures',
  'device.json': 'device',
  'search.json': 'search',
  'operations.json': 'found',
  'errors.json': 'errors',
  'missing.json': 'missing',
  'quarantine.json': 'quarantined',
};
export class Mock {
  constructor(books) {
    this.books = books;
    this.requests = [];
    this.gone = false; /* connections are cut */
    this.answers = null; /* (path) => {status, detail, copy} in place of the document, or null */
    this.delay_ms = 0;
    this.held = null; /* while it is a list, documents wait in it for release() */
    this.server = createServer((request, answer) => this.take(request, answer));
  }

  async listen(port = 0) {
    await new Promise(resolve => {
      this.server.listen(port, '127.0.0.1', resolve);
    });
    this.url = `http://127.0.0.1:${this.server.address().port}/status/`;
    return this;
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise(resolve => {
      this.server.close(resolve);
    });
  }

  take(request, answer) {
    if (this.gone) return request.socket.destroy();
    const name = new URL(request.url, this.url).pathname.replace(/^\/status\//, '');
    if (this.held !== null && name.endsWith('.json')) {
      this.held.push({ name, go: () => this.answer(request, answer) });
      return undefined;
    }
    if (this.delay_ms > 0) return setTimeout(() => this.answer(request, answer), this.delay_ms);
    return this.answer(request, answer);
  }

  release() {
    const { held } = this;
    this.held = null;
    for (const { go } of held) go();
  }

  answer(request, answer) {
    const url = new URL(request.url, this.url);
    const name = url.pathname.replace(/^\/status\//, '');
    const entry = { name, search: url.search, tag: request.headers['if-none-match'] ?? null };
    this.requests.push(entry);
    answer.on('finish', () => {
      entry.status = answer.statusCode;
    });
    answer.setHeader('Date', new Date(this.books.now()).toUTCString());
    answer.setHeader('X-Content-Type-Options', 'nosniff');
    const other = this.answers?.(name);
    if (other) return this.problem(answer, other.status, other.detail, other.copy);
    const file = name === '' ? 'index.html' : name;
    const type = TYPES[/^[\w-][\w.-]*\.(\w+)$/.exec(file)?.[1]];
    if (type !== undefined && existsSync(new URL(file, PAGE))) return this.file(request, answer, file, type);
    const query = Object.fromEntries(url.searchParams);
    try {
      if (!(name in DOCUMENTS)) throw new NotFound('no such path');
      return this.send(
        request,
        answer,
        'application/json',
        JSON.stringify(this.books[DOCUMENTS[name]](query)),
      );
    } catch (error) {
      if (error instanceof NotFound) return this.problem(answer, 404, error.message);
      if (error instanceof Misused) return this.problem(answer, 400, error.message);
      throw error;
    }
  }

  problem(answer, status, detail, copy) {
    answer.writeHead(status, { 'Content-Type': 'application/problem+json' });
    answer.end(JSON.stringify({ status, detail, copy }));
  }

  send(request, answer, type, body) {
    const tag = `"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"`;
    const headers = { ETag: tag, 'Cache-Control': 'no-cache' };
    if (request.headers['if-none-match'] === tag) {
      answer.writeHead(304, headers).end();
      return;
    }
    answer.writeHead(200, { ...headers, 'Content-Type': type }).end(body);
  }

  file(request, answer, file, type) {
    answer.setHeader('Content-Security-Policy', CSP);
    answer.setHeader('Referrer-Policy', 'no-referrer');
    this.send(request, answer, type, readFileSync(new URL(file, PAGE)));
  }
}
