// The thread that keeps what receiver.mjs hands over, a group at a time, and tells what became of each.
import { parentPort, workerData } from "node:worker_threads";
import { Store } from "./store.mjs";

// The notification that a text is, or undefined.
function parse(text, receivedAt) {
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
    receivedAt,
    notifyType,
    deviceId,
    operationId,
    appId: typeof appId === "string" ? appId : "",
    subOperationId: typeof subOperationId === "string" ? subOperationId : "",
    state: result === "SUCCESS" || result === "FAIL" ? result : "IN_PROGRESS",
    text,
  };
}

function keep({ texts, times }) {
  const notifications = texts.map((text, i) => parse(text, times[i]));
  try {
    return store.keep(notifications);
  } catch (error) {
    console.error(error.message);
    return notifications.map((notification) => notification ? "fault" : "invalid");
  }
}

const store = new Store(workerData);
parentPort.on("message", (group) => {
  if (group) return parentPort.postMessage(keep(group));
  store.close();
  parentPort.close();
});
