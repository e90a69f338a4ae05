/**
 * run-script.test.ts — the runner against itself, with datagrams: what passes, what fails and how it says so, and what it does not support.
 *
 * Not here: TCP. Our own suite (packages/core/test/pkt) is scripts.
 */
import { describe, expect, test } from 'vitest';
import { runScript } from './run-script.js';
import type { RunOptions } from './run-script.js';

const HEAD = '0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n+0 connect(3, ..., ...) = 0\n';

const outcomes = (script: string, options: RunOptions = {}): string[] =>
  runScript(script, options).map(({ status, ipVersion, line, message }) => `${ipVersion} ${status}${line === 0 ? '' : ` ${line}: ${message}`}`);
const v4 = (script: string, options: RunOptions = {}): string => outcomes(script, { ...options, ipVersions: ['ipv4'] }).join();

test('one script, both families; or the one it names', () => {
  const script = `${HEAD}+0 write(3, ..., 100) = 100\n+0 > udp (100)\n+.1 < udp (50)\n+0 read(3, ..., 1000) = 50\n`;
  expect(outcomes(script)).toEqual(['ipv4 passed', 'ipv6 passed']);
  expect(outcomes(script, { ipVersions: ['ipv4-mapped-ipv6'] })).toEqual(['ipv4-mapped-ipv6 passed']);
  expect(outcomes(`--ip_version=ipv6\n${script}`)).toEqual(['ipv6 passed']);
  expect(outcomes(`--local_ip=10.0.0.1\n--remote_ip=10.9.0.1\n${script}`)).toEqual(['ipv4 passed']);
});

test('the log has every event with its time, and the same run gives the same one', () => {
  const script = `${HEAD}+.25 write(3, ..., 100) = 100\n+0 > udp (100)\n`;
  const logs = (): unknown => runScript(script).map(({ log }) => log);
  expect(runScript(script)[0]!.log).toEqual(['0.000000 socket() = 3', '0.000000 fcntl() = 0', '0.000000 connect() = 0', '0.250000 write() = 100', '0.250000 outbound > udp (100)']);
  expect(logs()).toEqual(logs());
});

describe('fails', () => {
  test('when a packet is another one, late, or missing', () => {
    expect(v4(`${HEAD}+0 write(3, ..., 100) = 100\n+0 > udp (99)`)).toBe(
      'ipv4 failed 5: payload: expected 99 bytes, got 100\n  script packet: > udp (99)\n  actual packet: > udp (100) (at 0.000000)',
    );
    expect(v4(`${HEAD}+0 write(3, ..., 100) = 100\n+.1 > udp (100)`)).toBe(
      'ipv4 failed 5: timing: expected outbound packet at 0.100000, but it happened at 0.000000; tolerance 0.012500',
    );
    expect(v4(`${HEAD}+0 > udp (100)`)).toBe('ipv4 failed 4: expected > udp (100)\n  the stack has sent nothing by 2.000000');
    expect(v4(`${HEAD}+0 write(3, ..., 100) = 100\n+0 > [ect0] udp (100)`)).toContain('failed 5: ECN mark: expected 2, got 0');
  });

  test('when a call returns something else', () => {
    expect(v4(`${HEAD}+0 write(3, ..., 100) = 99`)).toBe('ipv4 failed 4: write(): expected 99, got 100');
    expect(v4(`${HEAD}+0 read(3, ..., 100) = 0`)).toBe('ipv4 failed 4: read(): expected 0, got -1 EAGAIN');
    expect(v4(`${HEAD}+0 read(3, ..., 100) = -1 ENOTCONN (not connected)`)).toBe('ipv4 failed 4: read(): expected -1 ENOTCONN, got -1 EAGAIN');
    expect(v4(`${HEAD}+0 getsockopt(3, IPPROTO_IP, IP_TTL, [65], [4]) = 0`)).toBe('ipv4 failed 4: getsockopt(): IP_TTL is 64, not 65');
  });

  test('and goes on when the script says that it is not fatal', () => {
    expect(v4(`--non_fatal=syscall,packet\n${HEAD}+0 write(3, ..., 100) = 99\n+0 > udp (99)\n+0 close(3) = 0`)).toBe('ipv4 passed');
  });
});

describe('blocking calls', () => {
  const blocking = HEAD.replace(/\+0 fcntl.*\n/, '');

  test('end when something happens to the socket', () => {
    expect(v4(`${blocking}+0...0.5 read(3, ..., 100) = 50\n+.5 < udp (50)\n`)).toBe('ipv4 passed');
    expect(v4(`${blocking}+0...0.5 read(3, ..., 100) = 50\n+.3 < udp (50)\n+0 close(3) = 0`)).toBe(
      'ipv4 failed 3: timing: expected the end of read() at 0.500000, but it happened at 0.300000; tolerance 0.004000',
    );
    expect(v4(`${blocking}+0...0.5 read(3, ..., 100) = 50\n+1 close(3) = 0`)).toContain('failed 3: read() still blocks at');
    expect(v4(`${blocking}+0 read(3, ..., 100) = 50`)).toBe('ipv4 failed 3: read() blocks, and the script does not say until when');
  });

  test('poll ends by its timeout, or before', () => {
    expect(v4(`${blocking}+0...0.25 poll([{fd=3, events=POLLIN, revents=0}], 1, 250) = 0`)).toBe('ipv4 passed');
    expect(v4(`${blocking}+0...0.1 poll([{fd=3, events=POLLIN, revents=POLLIN}], 1, 250) = 1\n+.1 < udp (1)`)).toBe('ipv4 passed');
    expect(v4(`${blocking}+0 poll([{fd=3, events=POLLOUT, revents=POLLIN}], 1, 0) = 1`)).toBe('ipv4 failed 3: poll(): revents of descriptor 3: expected 0x1, got 0x4');
  });
});

describe('is unsupported', () => {
  test.each([
    ['--nonsense=1\n0 close(3) = 0', 'null unsupported 1: option --nonsense is not supported'],
    ['0 `rm -rf /`', 'ipv4 unsupported 1: the command "rm -rf /" is not supported'],
    ['0 `sysctl -w net.nothing=1`', 'ipv4 unsupported 1: sysctl net.nothing: there is none of this name'],
    ['0 %{ import os }%', 'ipv4 unsupported 1: this code is not supported, only assert, print() and assignments are: import os'],
    ['0 close(3) = 0', 'ipv4 unsupported 1: close(): the script has no descriptor 3'],
    ['0 < udp (1)', 'ipv4 unsupported 1: no matching socket for script packet'],
    ['1 close(3) = 0', 'ipv4 unsupported 1: the first event should be at time 0'],
    [`${HEAD}+0 < icmp nonsense [udp (1)]`, 'ipv4 unsupported 4: ICMP has no type "nonsense"'],
    [`${HEAD}+1 close(3) = 0\n0.5 \`true\``, 'ipv4 unsupported 5: time goes backward in script, from 1.000000 to 0.500000'],
  ])('%s', (script, wanted) => {
    expect(v4(script)).toBe(wanted);
  });

  test('a call that is not there says which are', () => {
    expect(v4('0 splice(3) = 0')).toMatch(/^ipv4 unsupported 1: splice\(\): not supported; accept, accept4, .*, writev are$/);
  });
});

test('sysctls are those of the vnet, and the value is checked', () => {
  expect(v4('0 `sysctl -w net.inet.ip.ttl=32`\n+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 getsockopt(3, IPPROTO_IP, IP_TTL, [32], [4]) = 0')).toBe('ipv4 passed');
  expect(v4('0 `sysctl net.inet.ip.ttl=999`')).toBe('ipv4 failed 1: sysctl net.inet.ip.ttl=999: 1 to 255 are allowed');
});

test('lines for one system: we are FreeBSD, and what the command line says', () => {
  const script = (name: string): string => `0 \`true\`\n#ifdef ${name}\n+0 \`false\`\n#else\n+0 \`true\`\n#endif\n`;
  const define = (name: string): RunOptions => ({ options: new Map([['define', name]]) });
  expect(v4(script('Linux'))).toBe('ipv4 passed');
  expect(v4(script('FreeBSD'))).toBe('ipv4 unsupported 3: the command "false" is not supported');
  expect(v4(script('Linux'), define('Linux'))).toBe('ipv4 unsupported 3: the command "false" is not supported');
  expect(v4('0 `true`\n#endif\n#ifdef X\n#endif')).toBe('null unsupported 2: #endif without #ifdef');
  expect(v4('0 `true`\n#ifdef X')).toBe('null unsupported 2: #ifdef without #endif');
});

test('contents of streams are checked, though scripts say nothing of them', () => {
  const listen = '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n';
  const open = `${listen}+0 < S 0:0(0) win 32767 <mss 1460>\n+0 > S. 0:0(0) ack 1 <...>\n+.1 < . 1:1(0) ack 1 win 32767\n+0 accept(3, ..., ...) = 4\n`;
  expect(v4(`${open}+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1`)).toBe('ipv4 passed');
  // A string of the script's own is not the pattern, and is not compared with it.
  expect(v4(`${open}+0 write(4, "abcdefghij", 10) = 10\n+0 > P. 1:11(10) ack 1`)).toBe('ipv4 passed');
  expect(v4(`${open}+0 < P. 1:11(10) ack 1 win 32767\n+0 read(4, ..., 100) = 10`)).toBe('ipv4 passed');
});

test('--strict: what the stack has sent and nobody expected', () => {
  const script = '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0\n+0 connect(3, ..., ...) = -1 EINPROGRESS (x)\n+0 > S 0:0(0) <...>\n+1.5 `true`';
  expect(v4(script)).toBe('ipv4 passed');
  expect(v4(script, { strict: true })).toMatch(/^ipv4 failed 5: the stack sent more than the script expects: > S 0:0\(0\) win 65535/);
});
