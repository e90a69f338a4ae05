/**
 * getopt-long.test.ts — getopt_long(3)'s rules, one by one.
 */
import { expect, test } from 'vitest';
import { getoptLong } from './getopt-long.js';
import type { LongOption } from './getopt-long.js';

const LONGS: readonly LongOption[] = [
  { name: 'no-tcpopt', argument: 'none' },
  { name: 'tun', argument: 'required' },
  { name: 'tee', argument: 'none' },
];

test.each([
  ['-ab x -c', [['a', ''], ['b', ''], ['c', '']], ['x'], null],
  ['x -o b y -a', [['o', 'b'], ['a', '']], ['x', 'y'], null],
  ['-a x -- -b', [['a', '']], ['x', '-b'], null],
  ['- -b', [['b', '']], ['-'], null],
  ['--tun /dev/tun0 x', [['tun', '/dev/tun0']], ['x'], null],
  ['--tun=a=b', [['tun', 'a=b']], [], null],
  ['--no x', [['no-tcpopt', '']], ['x'], null],
  ['--t', [], [], "option `--t' is ambiguous"],
  ['--tu x', [['tun', 'x']], [], null],
  ['--foo', [], [], "unrecognized option `--foo'"],
  ['--foo=1', [], [], "unrecognized option `--foo=1'"],
  ['--no-tcpopt=1', [], [], "option `--no-tcpopt' doesn't allow an argument"],
  ['--no=1', [], [], "option `--no' doesn't allow an argument"],
  ['x --tu', [], ['x'], "option `--tu' requires an argument"],
  ['x --tun', [], ['x'], "option `--tun' requires an argument"],
  ['x -az', [['a', '']], ['x'], 'invalid option -- z'],
  ['-:', [], [], 'invalid option -- :'],
  ['-ao', [['a', '']], [], 'option requires an argument -- o'],
])('%s', (line, options, rest, error) => {
  expect(getoptLong('abco:', LONGS, line.split(' '))).toEqual({ options, rest, error });
});
