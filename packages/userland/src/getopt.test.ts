/**
 * getopt.test.ts — getopt(3)'s rules, one by one.
 */
import { expect, test } from 'vitest';
import { getopt } from './getopt.js';

test.each([
  ['-ab x -c', [['a', ''], ['b', '']], ['x', '-c'], null],
  ['-aob x', [['a', ''], ['o', 'b']], ['x'], null],
  ['-o b -a', [['o', 'b'], ['a', '']], [], null],
  ['-a -- -b', [['a', '']], ['-b'], null],
  ['-a - -b', [['a', '']], ['-', '-b'], null],
  ['-o -a', [['o', '-a']], [], null],
  ['-.xy -a', [['.', 'xy'], ['a', '']], [], null],
  ['-. -a', [['.', ''], ['a', '']], [], null],
  ['-a. x', [['a', ''], ['.', '']], ['x'], null],
  ['-az', [['a', '']], ['-az'], 'illegal option -- z'],
  ['-:', [], ['-:'], 'illegal option -- :'],
  ['-a -o', [['a', '']], [], 'option requires an argument -- o'],
])('%s', (line, options, rest, error) => {
  expect(getopt('.::abco:', line.split(' '))).toEqual({ options, rest, error });
});
