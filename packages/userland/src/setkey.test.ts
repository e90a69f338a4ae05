/**
 * setkey.test.ts — setkey: TCP's keys set, shown and taken away, what it refuses, and two ncs that sign.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { twoJails } from '../test/test-links.js';
import { ToolLab } from '../test/test-proc.js';

let lab: ToolLab;
const inA = { jail: 'a' };
const inB = { jail: 'b' };
const KEY = 'add 192.0.2.1 192.0.2.2 tcp 0x1000 -A tcp-md5 "secret";';

beforeEach(async () => {
  lab = new ToolLab();
  await twoJails(lab);
});

test('both ends sign, and neither talks to one that does not', async () => {
  for (const jail of [inA, inB]) expect((await lab.sh('setkey -c', { ...jail, stdin: `# BGP\n${KEY}\n` })).exit).toBe(0);
  const dump = lab.start('tcpdump -n -t -c 1 -i sim0 tcp', inB);
  const server = lab.start('nc -S -l 179', inB);
  await lab.advance(1_000);
  expect((await lab.sh('nc -w 1 192.0.2.2 179', { ...inA, stdin: 'x' })).exit).toBe(1);
  expect((await lab.sh('nc -S -N 192.0.2.2 179', { ...inA, stdin: 'open' })).exit).toBe(0);
  await lab.advance(100_000);
  expect((await server.done).stdout).toBe('open');
  expect((await dump.done).stdout).toMatch(/Flags \[S\]/);
  const counters = await lab.ok('netstat -ss -p tcp', inB);
  expect(counters).toMatch(/\t\d+ packets with matching signature received\n/);
  expect(counters).toMatch(/\t\d+ times? no signature provided by segment\n/);
});

describe('keys', () => {
  test('add, dump, replace, delete, flush', async () => {
    const set = (script: string): ReturnType<ToolLab['sh']> => lab.sh(['setkey', '-e', script], inA);
    expect(await set(`${KEY} add 2001:db8::1 2001:db8::2 tcp 4096 -A tcp-md5 0x0102030405;`)).toEqual({ exit: 0, stdout: '', stderr: '' });
    expect(await lab.ok('setkey -D', inA)).toBe(`0.0.0.0 192.0.2.2 
	tcp mode=any spi=4096(0x00001000) reqid=0(0x00000000)
	A: tcp-md5  73656372 6574
	seq=0x00000000 replay=0 flags=0x00000040 state=mature 
:: 2001:db8::2 
	tcp mode=any spi=4096(0x00001000) reqid=0(0x00000000)
	A: tcp-md5  01020304 05
	seq=0x00000000 replay=0 flags=0x00000040 state=mature `);
    expect((await set('delete 192.0.2.2 192.0.2.1 tcp 0x1000;')).exit).toBe(0);
    expect(await set('\ndelete 192.0.2.1 192.0.2.2 tcp 0x1000;')).toEqual({ exit: 1, stdout: 'The result of line 2: No entry.\n', stderr: '' });
    expect((await set('flush; spdflush;')).exit).toBe(0);
    expect(await lab.ok('setkey -D', inA)).toBe('No SAD entries.');
  });

  test.each([
    ['add 192.0.2.1 192.0.2.2 esp 0x1000 -E rijndael-cbc "secretsecretsecr";', 'setkey: line 1: esp: IPsec is not built in; keys are for tcp only\n'],
    ['spdadd 192.0.2.1 192.0.2.2 any -P out ipsec;', 'setkey: line 1: spdadd: IPsec is not built in; keys are for tcp-md5 only\n'],
    ['add 192.0.2.1 192.0.2.2 tcp 0x1001 -A tcp-md5 "x";', 'setkey: line 1: invalid SPI at [0x1001]: it is 0x1000 for TCP\n'],
    ['add 192.0.2.1 192.0.2.2 tcp 0x1000 -A hmac-md5 "x";', 'setkey: line 1: unsupported algorithm at [hmac-md5]\n'],
    ['add nobody 192.0.2.2 tcp 0x1000 -A tcp-md5 "x";', 'setkey: line 1: syntax error at [nobody]\n'],
    ['add 192.0.2.1 192.0.2.2 tcp 0x1000 -A tcp-md5 "x"', 'setkey: line 1: syntax error at [add]\n'],
    ['add 192.0.2.1 ::1 tcp 0x1000 -A tcp-md5 "x";', 'setkey: line 1: 192.0.2.1 and ::1 are of different families\n'],
  ])('%s is refused', async (script, stderr) => {
    expect(await lab.sh(['setkey', '-e', script], inA)).toEqual({ exit: 1, stdout: '', stderr });
  });

  test('an empty key, a jail without a stack of its own, no words', async () => {
    expect((await lab.sh(['setkey', '-e', 'add 192.0.2.1 192.0.2.2 tcp 0x1000 -A tcp-md5 "";'], inA)).stdout).toBe('The result of line 1: Invalid argument: a key has 1 to 80 bytes.\n');
    await lab.ok('jail -c name=a.c persist');
    expect((await lab.sh(['setkey', '-e', KEY], { jail: 'a.c' })).stderr).toBe('setkey: pfkey_open: Operation not permitted\n');
    expect((await lab.sh('setkey', inA)).stderr).toContain('usage: setkey [-v] -c\n');
  });
});
