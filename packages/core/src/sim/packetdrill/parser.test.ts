/**
 * parser.test.ts — the language of packet scripts: words, times, packets, calls, and what is not of it.
 */
import { describe, expect, test } from 'vitest';
import { TH_ACK, TH_ECE, TH_PUSH, TH_SYN } from '../../wire/tcp.js';
import { lexScript } from './lexer.js';
import { parseScript } from './parser.js';
import { ScriptError } from './script.js';
import type { PacketSpec, ScriptEvent, TcpSpec } from './script.js';
import { formatTcpOptions } from './tcp-option-syntax.js';

const words = (source: string): string[] => lexScript(source).map(({ kind, text }) => `${kind} ${text}`).slice(0, -1);
const only = (line: string): ScriptEvent => parseScript(line).events[0]!;

function packet(text: string): PacketSpec {
  const { action } = only(`0 ${text}`);
  if (action.kind !== 'packet') throw new Error(`not a packet: ${text}`);
  return action.packet;
}

const tcp = (text: string): TcpSpec => packet(text).body as TcpSpec;

function refusal(source: string): string {
  try {
    parseScript(source);
  } catch (error) {
    if (error instanceof ScriptError) return `${error.line}: ${error.message}`;
    throw error;
  }
  throw new Error(`accepted: ${source}`);
}

describe('words', () => {
  test('numbers, an ellipsis between numbers, and strings', () => {
    expect(words('+0...0.100 read(4, "a\\"b", 0x1F)')).toEqual([
      'punct +', 'int 0', 'ellipsis ...', 'float 0.100', 'word read', 'punct (', 'int 4', 'punct ,', 'string a"b', 'punct ,', 'hex 0x1F', 'punct )',
    ]);
    expect(words('.5 -1 1a2b 7')).toEqual(['float .5', 'int -1', 'word 1a2b', 'int 7']);
  });

  test('three kinds of comments', () => {
    expect(words('a // b\nc # d\ne /* f\n g */ h')).toEqual(['word a', 'word c', 'word e', 'word h']);
  });

  test('options, commands and code keep what is in them; lines are counted', () => {
    const tokens = lexScript('--mtu=1280\n`sysctl a=1\n b=2`\n%{ assert x }%\n--strict_segments');
    expect(tokens.map(({ kind, text, arg, line }) => [kind, text, arg, line])).toEqual([
      ['option', 'mtu', '1280', 1], ['command', 'sysctl a=1\n b=2', '', 2], ['code', 'assert x', '', 4], ['option', 'strict_segments', '', 5], ['end', 'the end of the script', '', 5],
    ]);
  });

  test('define replaces words', () => {
    expect(words('--define=N=7\nN').at(-1)).toBe('int 7');
    expect(words('--define=S="a b"\nS').at(-1)).toBe('string a b');
  });

  test('what is not closed', () => {
    expect(refusal('0 `true')).toBe('1: a ` that is not closed');
    expect(refusal('0 %{ assert 1')).toBe('1: "%{" without "}%"');
    expect(refusal('0 /* 1')).toBe('1: "/*" without "*/"');
  });
});

describe('times', () => {
  const time = (text: string): unknown => only(`${text} > . 1:1(0) ack 1`).time;

  test('absolute, relative, any, and ranges', () => {
    expect(time('1.5')).toEqual({ any: false, relative: false, us: 1_500_000, endUs: null });
    expect(time('+.000001')).toEqual({ any: false, relative: true, us: 1, endUs: null });
    expect(time('*')).toEqual({ any: true, relative: true, us: 0, endUs: null });
    expect(time('1~2')).toEqual({ any: false, relative: false, us: 1_000_000, endUs: 2_000_000 });
    expect(time('+0~+0.1')).toEqual({ any: false, relative: true, us: 0, endUs: 100_000 });
  });

  test('a range or * is for what the stack sends', () => {
    expect(refusal('0 close(3) = 0\n* close(3) = 0')).toBe('2: the time * can only be used with outbound packets');
    expect(refusal('0~1 < . 1:1(0) ack 1 win 5')).toBe('1: a range of times can only be used with outbound packets');
    expect(refusal('2~1 > . 1:1(0) ack 1')).toBe('1: time range is backwards');
    expect(refusal('+1~2 > . 1:1(0) ack 1')).toBe('1: both ends of a range of times are relative, or none');
  });
});

describe('packets', () => {
  test('a segment with everything', () => {
    const p = packet('< [ce] 4000 > 8080 PE. 1:1001(1000) ack 5 win 257 urg 3 <nop,nop,TS val 7 ecr 9>');
    expect(p).toMatchObject({ inbound: true, ip: { tosCheck: 'ecn', tos: 3 }, text: '< [ce] 4000 > 8080 PE. 1:1001(1000) ack 5 win 257 urg 3 <nop,nop,TS val 7 ecr 9>' });
    expect(p.body).toMatchObject({ proto: 'tcp', srcPort: 4000, dstPort: 8080, flags: TH_PUSH | TH_ECE | TH_ACK, seq: 1, payload: 1000, ack: 5, win: 257, urp: 3 });
  });

  test('what is left out is not compared', () => {
    expect(tcp('> S 0:0(0) <...>')).toMatchObject({ flags: TH_SYN, win: null, options: null });
    expect(tcp('> - ...(0)')).toMatchObject({ flags: 0, seq: null });
    expect(tcp('> R. 0:0(0)! ack 1')).toMatchObject({ absolute: true });
  });

  test('options are the bytes of the wire, and read back', () => {
    const text = 'mss 1460,nop,wscale 6,sackOK,TS val 100 ecr 0';
    expect([...tcp(`> S 0:0(0) <${text}>`).options!]).toEqual([2, 4, 5, 180, 1, 3, 3, 6, 4, 2, 8, 10, 0, 0, 0, 100, 0, 0, 0, 0]);
    for (const t of [text, 'nop,nop,sack 1:2 3:4', 'FO,eol,eol', 'FO 0102,nop,nop,nop,nop', 'nop,nop,md5 00112233445566778899aabbccddeeff', 'FOEXP 0102,nop,nop']) {
      expect(formatTcpOptions(tcp(`> S 0:0(0) <${t}>`).options!)).toBe(t);
    }
  });

  test('numbers that do not fit together', () => {
    expect(refusal('0 < . 1:5(3) ack 1 win 1')).toBe('1: inconsistent TCP sequence numbers and payload size: 1:5(3)');
    expect(refusal('0 < S 0:0(0) win 1 <mss 1460,sackOK>')).toBe('1: TCP options are not padded: 6 bytes are no multiple of 4; write nop or eol');
    expect(refusal('0 < S 0:0(0)')).toBe('1: window must be specified for inbound packets');
    expect(refusal('0 < S 0:0(0) win 70000')).toBe('1: win 70000 is out of range, 0 to 65535');
    expect(tcp('< . 4294967295:0(1) ack 1 win 1').seq).toBe(4294967295);
  });

  test('udp and icmp', () => {
    expect(packet('< udp 53 > 9 (100)').body).toEqual({ proto: 'udp', srcPort: 53, dstPort: 9, payload: 100 });
    expect(packet('< icmp unreachable frag_needed mtu 1200 [1:1001(1000)]').body).toEqual({
      proto: 'icmp', type: 'unreachable', code: 'frag_needed', mtu: 1200, id: 0, quoted: { proto: 'tcp', seq: 1, payload: 1000 },
    });
    expect(packet('< icmp unreachable port_unreachable [udp (10)]').body).toMatchObject({ quoted: { proto: 'udp', payload: 10 } });
  });

  test('what is outside the subset names itself', () => {
    expect(refusal('0 < gre: . 1:1(0) ack 1 win 1')).toBe('1: "gre" headers are not supported; TCP, UDP and ICMP are');
    expect(refusal('0 > S5 0:0(0)')).toBe('1: "S5": accurate ECN is not supported');
    expect(refusal('0 > X. 0:0(0)')).toBe('1: expected TCP flags, udp or icmp, not "X"');
    expect(refusal('0 > . 1:1(0) ack 1 <mptcp 1>')).toBe('1: TCP option "mptcp" is not supported');
  });
});

describe('calls', () => {
  const call = (text: string): unknown => {
    const { action } = only(`0 ${text}`);
    return action.kind === 'call' ? action.call : null;
  };

  test('arguments of every kind', () => {
    expect(call('f(..., 1, A | B, [2], {fd=3, events=C}, {..., 4}, "x" "y", htons(5)) = 0')).toEqual({
      name: 'f',
      args: [
        { kind: 'ellipsis' },
        { kind: 'int', value: 1 },
        { kind: 'or', left: { kind: 'word', name: 'A' }, right: { kind: 'word', name: 'B' } },
        { kind: 'list', items: [{ kind: 'int', value: 2 }] },
        { kind: 'record', fields: new Map([['fd', { kind: 'int', value: 3 }], ['events', { kind: 'word', name: 'C' }]]) },
        { kind: 'list', items: [{ kind: 'ellipsis' }, { kind: 'int', value: 4 }] },
        { kind: 'string', text: 'xy' },
        { kind: 'call', name: 'htons', args: [{ kind: 'int', value: 5 }] },
      ],
      result: { kind: 'int', value: 0 },
      error: '',
      endUs: null,
    });
  });

  test('an error with its text, and a call that blocks', () => {
    expect(call('connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)')).toMatchObject({ error: 'EINPROGRESS', result: { value: -1 } });
    expect(call('...0.5 read(3, ..., 10) = 10')).toMatchObject({ endUs: 500_000 });
    expect(call('fcntl(3, F_GETFL) = 0x02 (flags O_RDWR)')).toMatchObject({ result: { value: 2 }, error: '' });
    expect(refusal('0 close(3) = 0\n2...1 read(3, ..., 1) = 1')).toBe('2: the call ends before it begins');
  });
});

test('a script: options, commands before and after, events', () => {
  const script = parseScript('--mtu=1280\n`true`\n0 `sysctl a=1`\n+0 %{ assert 1 }%\n`false`');
  expect(script.options).toEqual([{ line: 1, name: 'mtu', value: '1280' }]);
  expect([script.init, script.cleanup]).toEqual([{ line: 2, text: 'true' }, { line: 5, text: 'false' }]);
  expect(script.events.map(({ line, action }) => [line, action.kind])).toEqual([[3, 'command'], [4, 'code']]);
  expect(refusal('--mtu=1280')).toBe('1: a script without events');
});
