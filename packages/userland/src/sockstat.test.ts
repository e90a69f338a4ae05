/**
 * sockstat.test.ts — sockstat: whose sockets there are, and the columns each letter adds.
 */
import { PF_INET, PF_INET6, SOCK_DGRAM } from '@netloom/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { twoJails, vnetOf } from '../test/test-links.js';
import { ToolLab } from '../test/test-proc.js';

let lab: ToolLab;
const inA = { jail: 'a' };
const inB = { jail: 'b' };
const HEADER = 'USER     COMMAND    PID   FD  PROTO  LOCAL ADDRESS         FOREIGN ADDRESS      ';

beforeEach(async () => {
  lab = new ToolLab();
  await twoJails(lab);
  lab.nextPid = 100;
  lab.start('nc -k -l 5000', inB);
  lab.start('nc -u -l 53', inB);
  await lab.advance(1_000);
  lab.start('nc -p 40000 192.0.2.2 5000', { ...inA, stdin: 'x' });
  await lab.advance(100_000);
});

describe('rows', () => {
  test('processes, their descriptors and both ends', async () => {
    expect(await lab.ok('sockstat -4', inB)).toBe(`${HEADER}
root     nc           101 3   udp4   *:53                  *:*
root     nc           100 3   tcp4   *:5000                *:*
root     nc           100 4   tcp4   192.0.2.2:5000        192.0.2.1:40000`);
    expect(await lab.ok('sockstat -qc', inA)).toBe('root     nc           102 3   tcp4   192.0.2.1:40000       192.0.2.2:5000');
  });

  test('-l, -c, -p, -P and -6 choose', async () => {
    expect((await lab.ok('sockstat -4qlp 5000', inB)).split('\n')).toHaveLength(1);
    expect((await lab.ok('sockstat -qlP udp', inB)).split('\n')).toEqual(['root     nc           101 3   udp4   *:53                  *:*']);
    expect(await lab.ok('sockstat -qp 1-52,54,5001-65535 -P tcp,udp -l', inB)).toBe('');
    expect(await lab.ok('sockstat -6q', inB)).toBe('');
    expect(await lab.ok('sockstat -u', inB)).toBe(HEADER);
  });

  test('a socket of no process, over IPv6, and its loopback', async () => {
    const { sockets } = vnetOf(lab, 'a');
    sockets?.socket(PF_INET, SOCK_DGRAM).so?.bind(0, 514);
    const v6 = lab.start('nc -6 -l ::1 5001', inA);
    await lab.advance(1_000);
    expect(await lab.ok('sockstat -ql', inA)).toBe(`root     nc           103 3   tcp6   ::1:5001              *:*
?        ?          ?     ?   udp4   *:514                 *:*`);
    expect(await lab.ok('sockstat -qlL', inA)).toBe('?        ?          ?     ?   udp4   *:514                 *:*');
    const both = sockets?.socket(PF_INET6, SOCK_DGRAM).so;
    both?.setsockopt('IPV6_V6ONLY', 0);
    both?.bind(0, 520);
    expect(await lab.ok('sockstat -4qlp 520', inA)).toBe('?        ?          ?     ?   udp46  *:520                 *:*');
    v6.proc.signal('KILL');
  });

  test('-s, -S, -C, -n, -w and the columns that are not there', async () => {
    const [head, ...rows] = (await lab.ok('sockstat -4sSCn', inB)).split('\n');
    expect(head).toBe(`${HEADER} PATH STATE   CONN STATE   STACK                            CC`);
    expect(rows).toEqual([
      '0        nc           101 3   udp4   *:53                  *:*',
      '0        nc           100 3   tcp4   *:5000                *:*                                LISTEN       freebsd                          cubic',
      '0        nc           100 4   tcp4   192.0.2.2:5000        192.0.2.1:40000                    ESTABLISHED  freebsd                          cubic',
    ]);
    expect(await lab.ok('sockstat -4qcw', inB)).toBe(`root     nc           100 4   tcp4   ${'192.0.2.2:5000'.padEnd(46)}192.0.2.1:40000`);
    expect(await lab.ok('sockstat -qciU', inA)).toMatch(/^root {5}nc {11}102 3 {3}tcp4 {3}192\.0\.2\.1:40000 {7}192\.0\.2\.2:5000 {8}1 {8}0$/);
  });
});

test('--json and --libxo json', async () => {
  expect(JSON.parse(await lab.ok('sockstat -4sC --libxo json', inB))).toEqual({
    __version: '1',
    sockstat: {
      socket: [
        { user: 'root', command: 'nc', pid: 101, fd: 3, proto: 'udp4', local: { address: '*', port: 53 }, foreign: { address: '*', port: '*' } },
        { user: 'root', command: 'nc', pid: 100, fd: 3, proto: 'tcp4', local: { address: '*', port: 5000 }, foreign: { address: '*', port: '*' }, 'conn-state': 'LISTEN', cc: 'cubic' },
        { user: 'root', command: 'nc', pid: 100, fd: 4, proto: 'tcp4', local: { address: '192.0.2.2', port: 5000 }, foreign: { address: '192.0.2.1', port: 40_000 }, 'conn-state': 'ESTABLISHED', cc: 'cubic' },
      ],
    },
  });
  expect(await lab.ok('sockstat --json -6', inB)).toBe(`{
  "__version": "1",
  "sockstat": {
    "socket": []
  }
}`);
});

describe('jails', () => {
  test('-j looks into a vnet, by name or number', async () => {
    const own = await lab.ok('sockstat -4', inB);
    expect(await lab.ok('sockstat -4 -j b')).toBe(own);
    expect(await lab.ok('sockstat -4 -j 2')).toBe(own);
    expect(await lab.ok('sockstat -4q')).toBe('');
  });

  test('-j of a jail without a stack of its own shows that jail’s processes', async () => {
    await lab.ok('jail -c name=b.c persist', {});
    expect(await lab.ok('sockstat -q -j c', inB)).toBe('');
    lab.start('nc -u -l 54', { jail: 'b.c' });
    await lab.advance(1_000);
    expect(await lab.ok('sockstat -q -j c', inB)).toMatch(/^root {5}nc +\d+ 3 {3}udp4 {3}\*:54 /);
    expect((await lab.ok('sockstat -ql', { jail: 'b.c' })).split('\n')).toHaveLength(3);
    expect(await lab.ok('sockstat -q', { jail: 'b.c' })).toMatch(/\n\? {8}\? {10}\? {5}\? {3}tcp4 /);
  });

  test.each([
    ['-j nobody', 1, 'sockstat: jail_getid: jail "nobody" not found\n'],
    ['-j 99', 2, 'sockstat: jail_getvnet: jail 99 not found\n'],
    ['-p x', 1, 'sockstat: syntax error in port range\n'],
    ['-p 70000', 1, 'sockstat: invalid port number\n'],
    ['-p 20-10', 1, 'sockstat: invalid port number\n'],
    ['-P icmp', 1, 'sockstat: protocol 1 not supported\n'],
    ['frob', 1, 'usage: sockstat [-46CciLlnqSsUuvw] [-j jid] [-p ports] [-P protocols]\n'],
    ['-x', 1, 'sockstat: illegal option -- x\nusage: sockstat [-46CciLlnqSsUuvw] [-j jid] [-p ports] [-P protocols]\n'],
  ])('sockstat %s is refused', async (words, exit, stderr) => {
    const ran = await lab.sh(`sockstat ${words}`);
    expect(ran).toMatchObject({ exit, stderr });
  });
});
