/**
 * lexer.test.ts — where one token ends and what it is.
 */
import { expect, test } from 'vitest';
import { tokenize } from './lexer.js';

/** Kinds, with the text where it is not the kind, and the value of numbers. */
const shown = (text: string): string =>
  tokenize(text)
    .slice(0, -1)
    .map(({ kind, text: written, value }) => (kind === 'number' ? `number:${value}` : kind === written ? kind : `${kind}:${written}`))
    .join(' ');

test.each<[string, string]>([
  ['', ''],
  [' \t\r\n', ''],
  ['tcp port 80', 'protocol:tcp port number:80'],
  ['ether is link', 'protocol:ether name:is protocol:link'],
  ['not ! && || and or', '!:not ! and:&& or:|| and or'],
  ['== = != <= >= << >> < >', '=:== = != <= >= << >> < >'],
  ['tcp[13]&7', 'protocol:tcp [ number:13 ] & number:7'],
  ['0x1F 017 0 00 4294967295', 'number:31 number:15 number:0 number:0 number:4294967295'],
  ['tcp-syn icmp-echo tcpflags', 'number:2 number:8 number:13'],
  ['tcp-synfoo', 'name:tcp-synfoo'],
  // The longest match decides what looks like arithmetic.
  ['80-90', 'name:80-90'],
  ['len-1', 'name:len-1'],
  ['len - 1', 'len - number:1'],
  ['10.0.0.1', 'ip4:10.0.0.1'],
  ['10.1', 'ip4:10.1'],
  ['10.0.0.1.5', 'name:10.0.0.1.5'],
  ['10.0.0.1/24', 'ip4:10.0.0.1 / number:24'],
  ['www.example.com', 'name:www.example.com'],
  ['a_b-c', 'name:a_b-c'],
  ['tcp_', 'protocol:tcp bad:_'],
  ['\\tcp \\ip)', 'name:tcp name:ip )'],
  ['02:00:00:00:00:01', 'mac:02:00:00:00:00:01'],
  ['2:0:0:0:0:1', 'mac:2:0:0:0:0:1'],
  ['02-00-00-00-00-01', 'mac:02-00-00-00-00-01'],
  ['0200.0000.0001', 'mac:0200.0000.0001'],
  ['020000000001', 'mac:020000000001'],
  ['::', 'ip6:::'],
  ['::1', 'ip6:::1'],
  ['fe80::1/64', 'ip6:fe80::1 / number:64'],
  ['1:2:3:4:5:6:7:8', 'ip6:1:2:3:4:5:6:7:8'],
  ['1:2:3:4:5:6:7::', 'ip6:1:2:3:4:5:6:7::'],
  ['::ffff:10.0.0.1', 'ip6:::ffff:10.0.0.1'],
  ['1:2:3:4:5:6:10.0.0.1', 'ip6:1:2:3:4:5:6:10.0.0.1'],
  ['ip[6:2]', 'protocol:ip [ number:6 : number:2 ]'],
  ['$1f', 'arcnet:$1f'],
  ['TCP', 'name:TCP'],
  ['@', 'bad:@'],
  ['length', 'len:length'],
])('%j', (text, expected) => {
  expect(shown(text)).toBe(expected);
});

test.each([
  ['4294967296', 'number 4294967296 overflows 32 bits'],
  ['0x100000000', 'number 0x100000000 overflows 32 bits'],
  ['08', 'number 08 contains non-octal digit'],
  ['a:b:', 'bogus ethernet address a:b:'],
  ['1:2:3:4:5:6:7', 'bogus ethernet address 1:2:3:4:5:6:'],
  ['1::2::3', 'bogus ethernet address 1::2::'],
  ['::1.2.3.400', 'bogus IPv6 address ::1.2.3.400'],
])('%j cannot be a token', (text, message) => {
  expect(tokenize(text)[0]).toMatchObject({ kind: 'impossible', text: message });
});

test('ends with an end, and at 4096 tokens', () => {
  expect(tokenize('a b').at(-1)).toMatchObject({ kind: 'end' });
  expect(tokenize('a '.repeat(4096))).toHaveLength(4097);
  expect(() => tokenize('a '.repeat(4097))).toThrow('memory exhausted');
});
