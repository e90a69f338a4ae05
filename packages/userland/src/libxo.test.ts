/**
 * libxo.test.ts — libxo's words on a command line.
 */
import { expect, test } from 'vitest';
import { jsonText, takeLibxo } from './libxo.js';

test.each([
  ['-rn', ['-rn'], 'none', null],
  ['-rn --json', ['-rn'], 'pretty', null],
  ['--libxo json -rn', ['-rn'], 'compact', null],
  ['--libxo=json,pretty -rn', ['-rn'], 'pretty', null],
  ['--libxo:JP -rn', ['-rn'], 'pretty', null],
  ['--libxo text -rn', ['-rn'], 'none', null],
  ['-rn --libxo xml,pretty', ['-rn'], 'none', '--libxo xml,pretty: not built in; use json'],
])('%s', (line, words, json, error) => {
  expect(takeLibxo(line.split(' '))).toEqual({ words, json, error });
});

test('compact is one line, pretty is not', () => {
  expect(jsonText({ a: [1] }, 'compact')).toBe('{"a":[1]}\n');
  expect(jsonText({ a: [1] }, 'pretty')).toBe('{\n  "a": [\n    1\n  ]\n}\n');
});
