// A receiver of upgrade notifications to measure against: node:http, and better-sqlite3 in a thread of
// its own (writer.mjs), so that no turn of the loop waits for a disk. What has come while one group was
// synced is the next; each is answered after its group is on disk.
//
// Usage: node receiver.mjs DATA ADDRESS
//
// ADDRESS is a Unix socket, or HOST:PORT for TLS 1.3 with $BENCH_CERTIFICATE and $BENCH_KEY.
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { Worker } from "node:worker_threads";

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

function answer(response, name) {
  const { status, text, headers } = ANSWERS[name];
  response.writeHead(status, headers);
  response.end(text);
}

const [data, address] = process.argv.slice(2);
const writer = new Worker(new URL("writer.mjs", import.meta.url), { workerData: data });
let next = { texts: [], times: [] }; // arrays of what threads copy at once, rather than an object each
let nextResponses = [];
let waiting; // those of the group that the writer has

function handOver() {
  if (waiting || nextResponses.length === 0) return;
  writer.postMessage(next);
  waiting = nextResponses;
  next = { texts: [], times: [] };
  nextResponses = [];
}

writer.on("message", (results) => {
  const answered = waiting;
  waiting = undefined;
  handOver();
  answered.forEach((response, i) => answer(response, results[i]));
});

function received(text, response) {
  next.texts.push(text);
  next.times.push(Date.now());
  nextResponses.push(response);
  // After everything that has arrived by now was read.
  if (nextResponses.length === 1) setImmediate(handOver);
}

function serve(request, response) {
  if (request.method !== "POST") return answer(response, "method");
  const chunks = [];
  let size = 0;
  request.on("data", (chunk) => {
    size += chunk.length;
    if (size <= MAX_BODY) chunks.push(chunk);
  });
  request.on("end", () => {
    if (size > MAX_BODY) return answer(response, "large");
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
    server.close(() => writer.postMessage(null));
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 5000).unref();
  });
}
