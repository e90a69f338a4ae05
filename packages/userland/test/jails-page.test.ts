/**
 * jails-page.test.ts — the configuration file of docs/jails.md does what the page says.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ToolLab } from './test-proc.js';

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/jails.md'), 'utf8');

function block(kind: string): string {
  const text = new RegExp(`^\`\`\`${kind}\\n([^]*?)^\`\`\``, 'm').exec(PAGE)?.[1];
  if (text === undefined) throw new Error(`docs/jails.md has no block marked ${kind}`);
  return text;
}

test('lab.conf starts and stops as in the session behind it', async () => {
  const lab = new ToolLab();
  lab.files.set('lab.conf', block('conf'));
  expect(await lab.session(block('console'))).toBe(block('console'));
});
