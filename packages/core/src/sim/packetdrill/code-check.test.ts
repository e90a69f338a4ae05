/**
 * code-check.test.ts — the checks between `%{` and `}%`.
 */
import { describe, expect, test } from 'vitest';
import { CodeChecks } from './code-check.js';
import { ScriptError } from './script.js';

const lookup = (name: string): number | null => ({ tcpi_state: 4, tcpi_snd_cwnd: 14_480, tcpi_options: 7, TCP_ESTABLISHED: 4 })[name] ?? null;
const run = (text: string): string | null => new CodeChecks().run(text, 10, lookup);

function refusal(text: string): string {
  try {
    run(text);
  } catch (error) {
    if (error instanceof ScriptError) return `${error.line}: ${error.message}`;
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

test.each([
  'assert tcpi_state == TCP_ESTABLISHED, tcpi_state',
  'assert 10 <= tcpi_snd_cwnd / 1448 <= 10, "cwnd=%d" % tcpi_snd_cwnd',
  'assert (tcpi_options & 4) != 0 and not tcpi_options == 8',
  'assert 1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and -7 // 2 == -4 and -7 % 3 == 2 and 1 << 4 | 1 == 17',
  'print(tcpi_state); x = 0x10; x += 1; assert x == 17  # as it was',
  'assert tcpi_state == 4 or \\\n  tcpi_state == 5',
  '',
])('holds: %s', (text) => {
  expect(run(text)).toBeNull();
});

describe('does not hold', () => {
  test('with the values of what is in it', () => {
    expect(run('assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd')).toBe('assert tcpi_snd_cwnd == 10 does not hold: tcpi_snd_cwnd is 14480');
    expect(run('assert 1 < 2 < 2')).toBe('assert 1 < 2 < 2 does not hold');
    expect(run('assert 1 | 2 == 2')).not.toBeNull(); // | binds tighter in Python: (1 | 2) == 2
  });

  test('variables live from block to block', () => {
    const checks = new CodeChecks();
    expect(checks.run('cwnd = 10', 1, lookup)).toBeNull();
    expect(checks.run('cwnd += 1; assert cwnd == 11', 2, lookup)).toBeNull();
    expect(checks.run('assert cwnd == 10', 3, lookup)).toBe('assert cwnd == 10 does not hold: cwnd is 11');
  });
});

test('what is not understood is not a check', () => {
  expect(refusal('x = 1\nif x: pass')).toBe('11: this code is not supported, only assert, print() and assignments are: if x: pass');
  expect(refusal('assert foo(1)')).toBe('10: nothing is called foo here');
  expect(refusal('assert tcpi_state ==')).toContain('not supported');
  expect(refusal('assert tcpi_state == 4 5')).toContain('not supported');
  expect(refusal('assert tcpi_nothing == 1')).toBe('10: nothing is called tcpi_nothing here');
});
