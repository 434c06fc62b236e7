// Checks requests with the library of Standard Webhooks: verify.mjs SECRET_FILE RECORD. RECORD is what
// tests/tool/webhook.py --whole has written. Prints how many are signed as they should be; the first that is not
// ends it.
import { readFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';

const [secretFile, record] = process.argv.slice(2);
const webhook = new Webhook(readFileSync(secretFile, 'utf8').split('\n')[0]);
const requests = readFileSync(record, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
for (const request of requests) webhook.verify(request.body, request.headers);

// A body that was changed is refused: the check is one.
let refused = false;
try {
    webhook.verify(requests[0].body.replace('"seq":', '"seq": '), requests[0].headers);
} catch {
    refused = true;
}
if (!refused) throw new Error('a body that was changed is taken');
console.log(requests.length);
