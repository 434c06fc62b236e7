/* all: the tests of the files that are named, in one process: they share the browser and what is
 * served for all of them.
 *
 *     node all.mjs views.test.mjs... */

import { runTests } from './lib.mjs';

for (const file of process.argv.slice(2)) await import(new URL(file, import.meta.url));
runTests();
