/**
 * tcpdrop.test.ts — tcpdrop: one connection by its ends, many by what they have in common, and what it says when it cannot.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { twoJails } from '../test/test-links.js';
import { ToolLab } from '../test/test-proc.js';
import type { Running } from '../test/test-proc.js';

let lab: ToolLab;
let server: Running;
let client: Running;
const inA = { jail: 'a' };
const inB = { jail: 'b' };

beforeEach(async () => {
  lab = new ToolLab();
  await twoJails(lab);
  server = lab.start('nc -l 5000', inB);
  await lab.advance(1_000);
  client = lab.start('nc -p 40000 192.0.2.2 5000', { ...inA, stdin: 'x' });
  await lab.advance(100_000);
});

describe('one', () => {
  test.each(['192.0.2.2 5000 192.0.2.1 40000', '192.0.2.2:5000 192.0.2.1:40000', '192.0.2.2.5000 192.0.2.1.40000'])('tcpdrop %s', async (words) => {
    expect(await lab.sh(`tcpdrop ${words}`, inB)).toEqual({ exit: 0, stdout: '192.0.2.2 5000 192.0.2.1 40000: dropped\n', stderr: '' });
    await lab.advance(10_000);
    expect([(await server.done).exit, (await client.done).exit]).toEqual([0, 0]);
    expect(await lab.ok('netstat -s -p tcp', inB)).toContain('\t1 connection closed (including 1 drop)\n');
    expect(await lab.sh(`tcpdrop ${words}`, inB)).toEqual({ exit: 1, stdout: '', stderr: 'tcpdrop: 192.0.2.2 5000 192.0.2.1 40000: No such process\n' });
  });

  test.each([
    ['192.0.2.2 5000 ::1 40000', '192.0.2.2 5000 ::1 40000: different address families'],
    ['nobody 5000 192.0.2.1 40000', 'getaddrinfo: nobody port 5000: Name does not resolve'],
    ['192.0.2.2 frob 192.0.2.1 40000', 'getaddrinfo: 192.0.2.2 port frob: Service was not recognized for socket type'],
    ['192.0.2.2 5000 192.0.2.1 40001', '192.0.2.2 5000 192.0.2.1 40001: No such process'],
  ])('tcpdrop %s: exit 1', async (words, message) => {
    expect(await lab.sh(`tcpdrop ${words}`, inB)).toEqual({ exit: 1, stdout: '', stderr: `tcpdrop: ${message}\n` });
  });

  test.each(['', '-l', '-a x', '-a -s ESTABLISHED', '-s FROB', '-s LISTEN', '192.0.2.2 5000', 'a b c', '-l a b c d'])('tcpdrop %s: usage', async (words) => {
    const ran = await lab.sh(`tcpdrop ${words}`, inB);
    expect([ran.exit, ran.stdout]).toEqual([1, '']);
    expect(ran.stderr).toMatch(/^usage: tcpdrop local-address local-port foreign-address foreign-port\n/);
  });
});

describe('many', () => {
  test.each([['-a', true], ['-s ESTABLISHED', true], ['-s TIME_WAIT', false], ['-C cubic', true], ['-C vegas', false], ['-S freebsd', true], ['-S rack', false], ['-C cubic -s SYN_SENT', false]])('tcpdrop %s', async (words, hit) => {
    expect(await lab.ok(`tcpdrop -l ${words}`, inB)).toBe(hit ? 'tcpdrop 192.0.2.2 5000 192.0.2.1 40000' : '');
    expect(await lab.ok(`tcpdrop ${words}`, inB)).toBe(hit ? '192.0.2.2 5000 192.0.2.1 40000: dropped' : '');
    expect(client.proc.exit).toBe(null);
  });

  test('a jail without a stack of its own drops nothing', async () => {
    await lab.ok('jail -c name=b.c persist');
    expect(await lab.sh('tcpdrop -a', { jail: 'b.c' })).toEqual({ exit: 1, stdout: '', stderr: 'tcpdrop: 192.0.2.2 5000 192.0.2.1 40000: Operation not permitted\n' });
  });
});
