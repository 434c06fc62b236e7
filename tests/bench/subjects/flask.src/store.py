"""The store of schema.sql in the folder's store.db: one synced transaction a group."""

import collections
import fcntl
import os
import sqlite3

NOTIFY = """
    INSERT INTO notifications (receivedAt, notifyType, appId, deviceId, operationId, subOperationId, body, hash)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET deliveries = deliveries + 1
    RETURNING seq, deliveries"""
FIND = "SELECT state FROM upgrades WHERE appId = ? AND operationId = ? AND subOperationId = ? AND deviceId = ?"
SET = """
    INSERT INTO upgrades (appId, operationId, subOperationId, deviceId, state, seq) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET state = excluded.state, seq = excluded.seq"""
COUNT = """
    INSERT INTO counters (appId, operationId, state, upgrades) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET upgrades = upgrades + excluded.upgrades"""


class Store:
    def __init__(self, folder):
        # The module prepares each statement once for a connection. No isolation level: it would begin
        # transactions of its own.
        self.connection = sqlite3.connect(os.path.join(folder, "store.db"), timeout=10, isolation_level=None)
        self.connection.execute("PRAGMA synchronous = FULL")
        self.turn = open(os.path.join(folder, "turn"), "w")

    def keep(self, group):
        """All of the group, or none and an exception. Each is told whether it was a repeat."""
        # SQLite's own waiting for another worker sleeps and looks again; this wakes up at once.
        fcntl.flock(self.turn, fcntl.LOCK_EX)
        try:
            self._keep(group)
        finally:
            fcntl.flock(self.turn, fcntl.LOCK_UN)

    def _keep(self, group):
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            self._keep_each(group)
            execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                execute("ROLLBACK")
            raise

    def _keep_each(self, group):
        counts = collections.Counter()
        for notification in group:
            (seq, deliveries), = self.connection.execute(NOTIFY, notification.row).fetchall()
            notification.repeated = deliveries > 1
            if not notification.repeated:
                self._upgrade(notification, seq, counts)
        self.connection.executemany(COUNT, [(*key, number) for key, number in counts.items() if number])

    def _upgrade(self, notification, seq, counts):
        _, _, app, device, operation, sub_operation, _, _ = notification.row
        state = notification.state
        key = (app, operation, sub_operation, device)
        found = self.connection.execute(FIND, key).fetchone()
        if found:
            # No result is given up for a state change.
            if found[0] != "IN_PROGRESS" and state == "IN_PROGRESS":
                return
            counts[app, operation, found[0]] -= 1
        counts[app, operation, state] += 1
        self.connection.execute(SET, (*key, state, seq))
