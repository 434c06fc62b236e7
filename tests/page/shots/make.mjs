#!/usr/bin/env node
/* Draws the pictures of the page that README.md shows, anew: tests/page/shots/make.mjs
 *
 * Needs what the tests need, and Debian's pngquant; with fonts-inter and fonts-jetbrains-mono they
 * look the same on every machine. The fleet is invented (books.mjs). */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/* What stands for the reader's own system's fonts. */
const own = mkdtempSync(join(tmpdir(), 'shots-'));
const family = (asked, given) =>
  `<match><test name="family"><string>${asked}</string></test><edit name="family" mode="prepend" binding="strong"><string>${given}</string></edit></match>`;
writeFileSync(
  join(own, 'fonts.conf'),
  `<fontconfig><dir>/usr/share/fonts</dir><cachedir>${own}/cache</cachedir>${['system-ui', 'sans-serif']
    .map(asked => family(asked, 'Inter'))
    .join(
      '',
    )}${['ui-monospace', 'monospace'].map(asked => family(asked, 'JetBrains Mono')).join('')}</fontconfig>\n`,
);
process.env.FONTCONFIG_FILE = join(own, 'fonts.conf');

const { workingDay } = await import('../books.mjs');
const { launch, place } = await import('../lib.mjs');
const { Mock } = await import('../mock.mjs');

/* Always the same moment, which goes on. */
const at = Date.parse('2026-11-26T15:04:05Z');
const begun = Date.now();
const books = workingDay(() => at + Date.now() - begun).campaign();
books.operations[0].plan = Array.from({ length: 5000 }, (_, i) => books.operations[0].upgrades[i]?.deviceId ?? `next-${i}`);
const mock = await new Mock(books).listen();
const browser = await launch();
const [{ operationId, appId }] = mock.books.operations;
const operation = place('operation', { operationId, appId });

for (const [name, fragment, options] of [
  ['overview', '#/', { colorScheme: 'light', viewport: { width: 1180, height: 760 } }],
  ['operation', operation, { colorScheme: 'dark', viewport: { width: 1180, height: 1120 } }],
  [
    'phone',
    operation,
    { colorScheme: 'light', viewport: { width: 380, height: 800 }, deviceScaleFactor: 1.5 },
  ],
]) {
  const page = await browser.newPage({ timezoneId: 'UTC', ...options });
  await page.goto(mock.url + fragment);
  await page.locator('table').first().waitFor();
  await page.waitForTimeout(500);
  const file = fileURLToPath(new URL(`${name}.png`, import.meta.url));
  await page.screenshot({ path: file });
  execFileSync('pngquant', ['--force', '--strip', '--skip-if-larger', '--output', file, '128', file]);
  console.log(file);
}
await browser.close();
await mock.close();
rmSync(own, { recursive: true });
