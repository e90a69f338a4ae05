/**
 * packetdrill.test.ts — our own suite of packet scripts (pkt/), each over IPv4 and IPv6, with nothing tolerated and nothing left over.
 * Read first: docs/packetdrill.md. `npm run packetdrill -- -v FILE` shows one packet by packet.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runScript } from '../src/sim/index.js';

const dir = join(dirname(fileURLToPath(import.meta.url)), 'pkt');
const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.pkt')).sort();

test.each(files)('%s', (name) => {
  const outcomes = runScript(readFileSync(join(dir, name), 'utf8'), { strict: true });
  expect(outcomes.length).toBeGreaterThan(0);
  for (const { status, ipVersion, line, message } of outcomes) expect(`${ipVersion} ${status} ${name}:${line} ${message}`).toBe(`${ipVersion} passed ${name}:0 `);
});
