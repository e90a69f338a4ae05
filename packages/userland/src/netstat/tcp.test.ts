/**
 * tcp.test.ts — what netstat says of TCP: connections and their states, listen queues, buffers and timers, counters, the count of each state.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { twoJails } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';

let lab: ToolLab;
const inA = { jail: 'a' };
const inB = { jail: 'b' };

/** b listens on 5000, and has a connection of a's from port 40000; port 80 is b's over both families. */
beforeEach(async () => {
  lab = new ToolLab();
  await twoJails(lab);
  lab.start('nc -k -l 5000', inB);
  lab.start('nc -l 192.0.2.2 80', inB);
  await lab.advance(1_000);
  lab.start('nc -p 40000 192.0.2.2 5000', { ...inA, stdin: 'hello' });
  await lab.advance(100_000);
});

async function golden(text: string): Promise<void> {
  expect(`\n${await lab.session(text, inB)}`).toBe(text);
}

describe('connections', () => {
  test('states; listeners with -a only', async () => {
    await golden(`
$ netstat -n
Active Internet connections
Proto Recv-Q Send-Q Local Address          Foreign Address        (state)    
tcp4       0      0 192.0.2.2.5000         192.0.2.1.40000        ESTABLISHED
$ netstat -a -p tcp
Active Internet connections (including servers)
Proto Recv-Q Send-Q Local Address          Foreign Address        (state)    
tcp4       0      0 192.0.2.2.5000         192.0.2.1.40000        ESTABLISHED
tcp4       0      0 192.0.2.2.http         *.*                    LISTEN     
tcp4       0      0 *.5000                 *.*                    LISTEN     
$ netstat -anW -p tcp -f inet
Active Internet connections (including servers)
Proto Recv-Q Send-Q Local Address          Foreign Address        (state)    
tcp4       0      0 192.0.2.2.5000         192.0.2.1.40000        ESTABLISHED
tcp4       0      0 192.0.2.2.80           *.*                    LISTEN     
tcp4       0      0 *.5000                 *.*                    LISTEN     
$ netstat -an -f inet6
`);
  });

  test('IPv6, wide', async () => {
    lab.start('nc -6 -l 5001', inB);
    await lab.advance(1_000);
    lab.start('nc -6 -p 40001 ::1 5001', { ...inB, stdin: 'x' });
    await lab.advance(100_000);
    const rows = (await lab.ok('netstat -anW -f inet6 -p tcp', inB)).split('\n').slice(2);
    const end = (text: string): string => text.padEnd(45);
    expect(rows).toEqual([
      `tcp6       0      0 ${end('::1.5001')} ${end('::1.40001')} ESTABLISHED`,
      `tcp6       0      0 ${end('::1.40001')} ${end('::1.5001')} ESTABLISHED`,
      `tcp6       0      0 ${end('*.5001')} ${end('*.*')} LISTEN     `,
    ]);
  });

  test('a half-open connection is nobody’s', async () => {
    await lab.ok('arp -s 192.0.2.9 02:00:00:00:00:09', inB);
    await lab.ok('ifconfig sim0 192.0.2.9/32 alias', inA);
    lab.start('nc -s 192.0.2.9 -p 40009 192.0.2.2 80', { ...inA, stdin: '' });
    await lab.advance(100_000);
    expect((await lab.ok('netstat -an -p tcp', inB)).split('\n')[2]).toBe('tcp4       0      0 192.0.2.2.80           192.0.2.9.40009        SYN_RCVD   ');
    expect(await lab.ok('netstat -s -p tcp', inB)).toContain('\t1 connection  in SYN_RCVD state\n');
    expect(await lab.ok('sockstat -4qsp 40009', inB)).toBe('?        ?          ?     ?   tcp4   192.0.2.2:80          192.0.2.9:40009                    SYN_RCVD');
  });

  test('the end that closed first is in TIME_WAIT', async () => {
    await lab.ok('tcpdrop -a', inB);
    lab.start('nc -l 5002', inB);
    await lab.advance(1_000);
    await lab.sh('nc -N 192.0.2.2 5002', { ...inA, stdin: 'x' });
    expect(await lab.ok('netstat -n', inA)).toContain(' 192.0.2.2.5002         TIME_WAIT  ');
  });
});

describe('columns', () => {
  test('-L: listen queues', async () => {
    await golden(`
$ netstat -Lan
Current listen queue sizes (qlen/incqlen/maxqlen)
Proto Listen                           Local Address         
tcp4  0/0/1                            192.0.2.2.80           
tcp4  0/0/1                            *.5000                 
`);
    for (const port of [6001, 6002]) lab.start(`nc -p ${port} 192.0.2.2 5000`, { ...inA, stdin: 'x' });
    await lab.advance(100_000);
    expect(await lab.ok('netstat -Lan', inB)).toMatch(/tcp4 {2}[12]\/[01]\/1 +\*\.5000/);
  });

  test('-x: buffers and timers; -T: trouble; -C, -c, -P, -R', async () => {
    const [, title, row] = (await lab.ok('netstat -nx -p tcp', inB)).split('\n');
    expect(title).toMatch(/Foreign Address {7}R-HIWA S-HIWA R-LOWA S-LOWA R-BCNT S-BCNT R-BMAX S-BMAX {3}rexmt persist {4}keep {4}2msl {2}delack rcvtime$/);
    expect(row).toMatch(/40000 {8} *\d+ +\d+ {6}1 {3}2048 +\d+ {6}0 +\d+ +\d+ {4}0\.00 {4}0\.00 7199\.\d\d {4}0\.00 {4}0\.\d\d {4}0\.\d\d$/);
    await golden(`
$ netstat -nT -p tcp
Active Internet connections
Proto Rexmit OOORcv 0-win  Local Address          Foreign Address
tcp4       0      0      0 192.0.2.2.5000         192.0.2.1.40000        
$ netstat -nR -p tcp
Active Internet connections
Proto Recv-Q Send-Q Local Address          Foreign Address           flowid ftype
tcp4       0      0 192.0.2.2.5000         192.0.2.1.40000         00000000     0
$ netstat -xT
! netstat: -x and -T are incompatible, pick one.
[1]
`);
    const [, head, cc] = (await lab.ok('netstat -ncCP -p tcp', inB)).split('\n');
    expect(head).toMatch(/\(state\) {5}Stack {3}CC {10}cwin {3}ssthresh {3}MSS ECN Log ID$/);
    expect(cc).toMatch(/ESTABLISHED freebsd cubic +\d+ 1073725440 {2}1448 (off|ecn) -$/);
  });

  test('JSON', async () => {
    const { statistics } = JSON.parse(await lab.ok('netstat -an --json -p tcp', inB)) as { statistics: { socket: unknown[] } };
    expect(statistics.socket).toEqual([
      { protocol: 'tcp4', 'receive-bytes-waiting': 0, 'send-bytes-waiting': 0, local: { address: '192.0.2.2', port: '5000' }, remote: { address: '192.0.2.1', port: '40000' }, 'tcp-state': 'ESTABLISHED' },
      { protocol: 'tcp4', 'receive-bytes-waiting': 0, 'send-bytes-waiting': 0, local: { address: '192.0.2.2', port: '80' }, remote: { address: '*', port: '*' }, 'tcp-state': 'LISTEN     ' },
      { protocol: 'tcp4', 'receive-bytes-waiting': 0, 'send-bytes-waiting': 0, local: { address: '*', port: '5000' }, remote: { address: '*', port: '*' }, 'tcp-state': 'LISTEN     ' },
    ]);
  });
});

describe('-s -p tcp', () => {
  test('counters in FreeBSD’s words, and connections by state', async () => {
    const text = await lab.ok('netstat -s -p tcp', inB);
    expect(text).toMatch(/^tcp:\n\t\d+ packets? sent\n\t\t0 data packets \(0 bytes\)\n\t\t0 data packets \(0 bytes\) retransmitted\n/);
    expect(text).toContain('\t\t1 packet (5 bytes) received in-sequence\n');
    expect(text).toContain('\n\t0 connection requests\n\t1 connection accept\n');
    expect(text.slice(text.indexOf('TCP connection'))).toBe(`TCP connection count by state:
\t0 connections in CLOSED state
\t2 connections in LISTEN state
\t0 connections in SYN_SENT state
\t0 connections in SYN_RCVD state
\t1 connection  in ESTABLISHED state
\t0 connections in CLOSE_WAIT state
\t0 connections in FIN_WAIT_1 state
\t0 connections in CLOSING state
\t0 connections in LAST_ACK state
\t0 connections in FIN_WAIT_2 state
\t0 connections in TIME_WAIT state`);
  });

  test('-ss leaves out what is zero, but never half a line', async () => {
    const text = await lab.ok('netstat -ss -p tcp', inB);
    expect(text).not.toMatch(/\t0 (?!\w+ \(for)/);
    expect(text).toMatch(/TCP connection count by state:\n\t2 connections in LISTEN state\n\t1 connection {2}in ESTABLISHED state$/);
  });

  test('JSON has FreeBSD’s names and containers', async () => {
    const { statistics } = JSON.parse(await lab.ok('netstat -s -p tcp --json', inB)) as { statistics: { tcp: Record<string, unknown> } };
    expect(statistics.tcp).toMatchObject({
      'received-in-sequence-bytes': 5, syncache: { 'entries-added': 1, completed: 1 }, sack: { 'recovery-episodes': 0 },
      'TCP connection count by state': { LISTEN: 2, ESTABLISHED: 1, TIME_WAIT: 0 },
    });
    expect(Object.keys(statistics.tcp).filter((name) => name.includes('_'))).toEqual([]);
  });
});
