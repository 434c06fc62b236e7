// The store of schema.sql in DATA/store.db: one synced transaction a group.
import Database from "better-sqlite3";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export class Store {
  #database;
  #notify;
  #find;
  #set;
  #count;
  #counts = new Map();

  // keep(group) keeps all of it or throws, and gives an array of "stored", "repeated", and "invalid" for
  // what is undefined.
  keep;

  constructor(data) {
    const database = new Database(join(data, "store.db"), { timeout: 10_000 });
    this.#database = database;
    database.exec(readFileSync(new URL("schema.sql", import.meta.url), "utf8"));
    database.pragma("synchronous = FULL");
    this.#notify = database.prepare(`
      INSERT INTO notifications (receivedAt, notifyType, appId, deviceId, operationId, subOperationId, body, hash)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET deliveries = deliveries + 1
      RETURNING seq, deliveries`).raw();
    this.#find = database.prepare(`
      SELECT state FROM upgrades
      WHERE appId = ? AND operationId = ? AND subOperationId = ? AND deviceId = ?`).pluck();
    this.#set = database.prepare(`
      INSERT INTO upgrades (appId, operationId, subOperationId, deviceId, state, seq) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET state = excluded.state, seq = excluded.seq`);
    this.#count = database.prepare(`
      INSERT INTO counters (appId, operationId, state, upgrades) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET upgrades = upgrades + excluded.upgrades`);
    this.keep = database.transaction((group) => this.#keepEach(group)).immediate;
  }

  close() {
    this.#database.close();
  }

  #keepEach(group) {
    this.#counts.clear();
    const results = group.map((notification) => notification ? this.#keepOne(notification) : "invalid");
    for (const { appId, operationId, state, difference } of this.#counts.values()) {
      if (difference !== 0) this.#count.run(appId, operationId, state, difference);
    }
    return results;
  }

  #keepOne({ receivedAt, notifyType, appId, deviceId, operationId, subOperationId, state, text }) {
    const hash = createHash("sha256").update(text).digest().subarray(0, 16);
    const [seq, deliveries] = this.#notify.get(
      receivedAt, notifyType, appId, deviceId, operationId, subOperationId, text, hash);
    if (deliveries > 1) return "repeated";
    const before = this.#find.get(appId, operationId, subOperationId, deviceId);
    // No result is given up for a state change.
    if (before !== undefined && before !== "IN_PROGRESS" && state === "IN_PROGRESS") return "stored";
    if (before !== undefined) this.#add(appId, operationId, before, -1);
    this.#add(appId, operationId, state, 1);
    this.#set.run(appId, operationId, subOperationId, deviceId, state, seq);
    return "stored";
  }

  #add(appId, operationId, state, difference) {
    const key = `${state}\n${appId}\n${operationId}`;
    const counter = this.#counts.get(key);
    if (counter) counter.difference += difference;
    else this.#counts.set(key, { appId, operationId, state, difference });
  }
}
