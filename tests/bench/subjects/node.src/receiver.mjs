// A receiver of upgrade notifications to measure against: node:http and better-sqlite3. What has come
// while one group was synced is the next; each is answered after its group is on disk.
//
// Usage: node receiver.mjs DATA ADDRESS
//
// ADDRESS is a Unix socket, or HOST:PORT for TLS 1.3 with $BENCH_CERTIFICATE and $BENCH_KEY.
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { Store } from "./store.mjs";

const MAX_BODY = 1 << 20;

function headers(text) {
  return { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) };
}

const ANSWERS = Object.fromEntries(Object.entries({
  stored: [200, '{"result":"stored"}\n'],
  repeated: [200, '{"result":"repeated"}\n'],
  invalid: [400, '{"result":"invalid"}\n'],
  method: [405, '{"result":"POST only"}\n'],
  large: [413, '{"result":"too large"}\n'],
  fault: [503, '{"result":"cannot be kept"}\n'],
}).map(([name, [status, text]]) => [name, { status, text, headers: headers(text) }]));

function answer(response, { status, text, headers }) {
  response.writeHead(status, headers);
  response.end(text);
}

// The notification that a text is, or undefined.
function parse(text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { notifyType, deviceId, operationId, appId, subOperationId, swUpgradeResult, status } = body ?? {};
  if (typeof notifyType !== "string" || typeof deviceId !== "string" || typeof operationId !== "string") {
    return undefined;
  }
  const result = swUpgradeResult ?? status;
  return {
    receivedAt: Date.now(),
    notifyType,
    deviceId,
    operationId,
    appId: typeof appId === "string" ? appId : "",
    subOperationId: typeof subOperationId === "string" ? subOperationId : "",
    state: result === "SUCCESS" || result === "FAIL" ? result : "IN_PROGRESS",
    text,
  };
}

const [data, address] = process.argv.slice(2);
const store = new Store(data);
let notifications = [];
let responses = [];

function flush() {
  const group = notifications;
  const waiting = responses;
  notifications = [];
  responses = [];
  let repeats;
  try {
    repeats = store.keep(group);
  } catch (error) {
    console.error(error.message);
    for (const response of waiting) answer(response, ANSWERS.fault);
    return;
  }
  waiting.forEach((response, i) => answer(response, repeats[i] ? ANSWERS.repeated : ANSWERS.stored));
}

function received(text, response) {
  const notification = parse(text);
  if (!notification) return answer(response, ANSWERS.invalid);
  // After everything that has arrived by now was read, which makes the group.
  if (notifications.length === 0) setImmediate(flush);
  notifications.push(notification);
  responses.push(response);
}

function serve(request, response) {
  if (request.method !== "POST") return answer(response, ANSWERS.method);
  const chunks = [];
  let size = 0;
  request.on("data", (chunk) => {
    size += chunk.length;
    if (size <= MAX_BODY) chunks.push(chunk);
  });
  request.on("end", () => {
    if (size > MAX_BODY) return answer(response, ANSWERS.large);
    received((chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)).toString(), response);
  });
}

const options = { keepAliveTimeout: 120_000 };
const isPath = address.startsWith("/");
const server = isPath
  ? createServer(options, serve)
  : createSecureServer({
    ...options,
    minVersion: "TLSv1.3",
    cert: readFileSync(process.env.BENCH_CERTIFICATE),
    key: readFileSync(process.env.BENCH_KEY),
  }, serve);
if (isPath) {
  rmSync(address, { force: true });
  server.listen(address, () => chmodSync(address, 0o666));
} else {
  const colon = address.lastIndexOf(":");
  server.listen(Number(address.slice(colon + 1)), address.slice(0, colon));
}
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => {
    server.close(() => store.close());
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 5000).unref();
  });
}
