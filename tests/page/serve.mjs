/* serve: the real nginx and receiver, as nginx/start starts them, on a state folder of their own. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { request as plainRequest } from 'node:http';
import { Agent, request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const SOURCE = fileURLToPath(new URL('../..', import.meta.url));
export const RECEIVER = process.env.UPGRADE_RECEIVER_BIN ?? join(SOURCE, 'build/fcgi/upgrade-receiver');
export const STATUS = join(dirname(RECEIVER), 'upgrade-status');

/* An option in the environment of whoever runs the tests must not reach the receiver. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('UPGRADE_RECEIVER_')),
);
environment.UPGRADE_RECEIVER_BIN = RECEIVER;

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/* Starts both and gives what serves them; t's end stops them and takes the state folder away. */
export async function serve(t) {
  const served = await startBoth();
  t.after(() => stopBoth(served));
  return served;
}

/* The same for all tests that get on with others' operations and devices beside their own. */
let both = null;

export function shared() {
  both ??= startBoth();
  return both;
}

export async function stopShared() {
  if (both !== null) await stopBoth(await both);
}

async function stopBoth(served) {
  await stop(served);
  await rm(served.folder, { recursive: true });
}

async function startBoth() {
  const folder = await mkdtemp(join(tmpdir(), 'upgrade-receiver-page.'));
  await chmod(folder, 0o755); /* the receiver has a user of its own */
  const served = { folder, state: join(folder, 'state'), process: null };
  for (let tries = 1; ; tries++) {
    served.port = await freePort();
    try {
      await start(served);
      break;
    } catch (error) {
      if (tries === 3 || !/in use/.test(error.message)) throw error;
    }
  }
  served.url = `https://localhost:${served.port}/status/`;
  served.callback = `https://localhost:${served.port}/v1.0.0/messageReceiver`;
  served.certificate = join(served.state, 'tls/certificate.pem');
  return served;
}

const agent = new Agent({ keepAlive: true, maxSockets: 16, rejectUnauthorized: false });

/* Sends BODIES, texts, to the receiver, and gives the status of each answer and what it says. */
export const push = (served, bodies) =>
  Promise.all(
    bodies.map(
      body =>
        new Promise((resolve, reject) => {
          const post = request(served.callback, { method: 'POST', agent }, answer => {
            let said = '';
            answer.setEncoding('utf8');
            answer.on('data', data => {
              said += data;
            });
            answer.on('end', () => resolve({ status: answer.statusCode, said }));
          });
          post.on('error', reject);
          post.end(body);
        }),
    ),
  );

/* What is at PATH, as it comes: {status, headers, text}. */
export const get = ({ url }, path, headers = {}) =>
  new Promise((resolve, reject) => {
    const [ask, options] = url.startsWith('https:') ? [request, { agent }] : [plainRequest, {}];
    ask(url + path, { ...options, headers }, answer => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', data => {
        text += data;
      });
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
      answer.on('error', reject);
    })
      .on('error', reject)
      .end();
  });

/* Starts what stop() stopped, on the same port and state folder. */
export async function start(served) {
  const child = spawn(join(SOURCE, 'nginx/start'), ['--port', String(served.port), '--state', served.state], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  served.process = child;
  await new Promise((resolve, reject) => {
    const listen = text => {
      if (said.length > 20000) return;
      said += text;
      if (/^The receiver's log/m.test(said)) resolve();
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`nginx/start ended: ${said.slice(-2000)}`)));
  });
}

export async function stop(served) {
  const child = served.process;
  served.process = null;
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
