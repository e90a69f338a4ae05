/**
 * ping.test.ts — ping as its users see it: output to the byte, exit codes, and when it ends.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { farEnd, icmpReply, joinJails, twoJails, vnetOf } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';

let lab: ToolLab;
beforeEach(() => {
  lab = new ToolLab();
});

const inA = { jail: 'a' };
/** Seconds of virtual time a command takes. */
async function secondsOf(line: string): Promise<number> {
  const from = lab.kernel.now;
  await lab.sh(line, inA);
  return (lab.kernel.now - from) / 1_000_000;
}

describe('answers', () => {
  test('lines and summary; the first answer waited for ARP', async () => {
    await twoJails(lab);
    expect(await lab.sh('ping -c 3 192.0.2.2', inA)).toEqual({
      exit: 0,
      stderr: '',
      stdout: `PING 192.0.2.2 (192.0.2.2): 56 data bytes
64 bytes from 192.0.2.2: icmp_seq=0 ttl=64 time=2.000 ms
64 bytes from 192.0.2.2: icmp_seq=1 ttl=64 time=1.000 ms
64 bytes from 192.0.2.2: icmp_seq=2 ttl=64 time=1.000 ms

--- 192.0.2.2 ping statistics ---
3 packets transmitted, 3 packets received, 0.0% packet loss
round-trip min/avg/max/stddev = 1.000/1.333/2.000/0.471 ms
`,
    });
  });

  test('localhost, and no time without room for one', async () => {
    await lab.ok('ifconfig lo0 127.0.0.1/8 up');
    expect(await lab.ok('ping -c 1 -s 4 localhost')).toBe(`PING localhost (127.0.0.1): 4 data bytes
12 bytes from 127.0.0.1: icmp_seq=0 ttl=64

--- localhost ping statistics ---
1 packets transmitted, 1 packets received, 0.0% packet loss`);
  });

  test('-q, -S, -o', async () => {
    await twoJails(lab);
    expect(await lab.ok('ping -q -o -S 192.0.2.1 192.0.2.2', inA)).toBe(`PING 192.0.2.2 (192.0.2.2) from 192.0.2.1: 56 data bytes

--- 192.0.2.2 ping statistics ---
1 packets transmitted, 1 packets received, 0.0% packet loss
round-trip min/avg/max/stddev = 2.000/2.000/2.000/0.000 ms`);
  });

  test('more than the MTU goes in fragments, and not at all with -D', async () => {
    await twoJails(lab);
    expect(await lab.ok('ping -c 2 -s 2000 192.0.2.2', inA)).toContain('\n2008 bytes from 192.0.2.2: icmp_seq=1 ttl=64 time=1.000 ms\n');
    expect(await lab.ok('ping -c 1 -s 20000 192.0.2.2', inA)).toContain('\n20008 bytes from 192.0.2.2: icmp_seq=0 ');
    const ran = await lab.sh('ping -c 1 -t 1 -D -s 2000 192.0.2.2', inA);
    expect(ran.stderr).toBe('ping: sendto: Message too long\n');
    expect(ran.exit).toBe(2);
  });

  test('-f answers with dots taken back, as fast as the answers come', async () => {
    await twoJails(lab);
    await lab.ok('ping -c 1 192.0.2.2', inA);
    const from = lab.kernel.now;
    const out = await lab.ok('ping -f -c 20 192.0.2.2', inA);
    expect(lab.kernel.now - from).toBe(20_000);
    expect(out).toMatch(/^PING .*\n(\.\x08){20}\n--- 192.0.2.2 ping statistics ---\n20 packets transmitted, 20 packets received, 0.0% packet loss\n/);
  });

  test('-f without answers sends a hundred a second', async () => {
    await twoJails(lab);
    const ran = await lab.sh('ping -f -q -t 1 192.0.2.9', inA);
    expect(ran.stdout).toContain('\n100 packets transmitted, 0 packets received, 100.0% packet loss\n');
  });

  test('-. draws its own dots', async () => {
    await twoJails(lab);
    expect(await lab.ok('ping -.abc -c 4 192.0.2.2', inA)).toContain('data bytes\na\bb\bc\ba\b\n---');
    expect(await lab.ok('ping -. -c 1 192.0.2.2', inA)).toContain('data bytes\n.\b\n---');
  });

  test('-M time and -M mask', async () => {
    await twoJails(lab);
    expect(await lab.ok('ping -M time -c 1 192.0.2.2', inA)).toMatch(/^ICMP_TSTAMP\nPING .*\n76 bytes from .* time=2.000 ms tso=22:13:20 tsr=\d+:\d\d:\d\d tst=\d+:\d\d:\d\d\n/);
    await lab.ok('sysctl net.inet.icmp.maskrepl=1', { jail: 'b' });
    expect(await lab.ok('ping -M m -c 1 192.0.2.2', inA)).toMatch(/^ICMP_MASKREQ\nPING .*\n68 bytes from .* time=1.000 ms mask=255.255.255.0\n/);
  });

  test('a sweep sends each size -c times', async () => {
    const sizes: number[] = [];
    await farEnd(lab, '10.0.0.1', '10.0.0.2', (packet) => {
      sizes.push(packet.length - 28);
      return [icmpReply(packet)];
    });
    expect(await lab.ok('ping -g 10 -G 30 -h 8 -c 2 -i 0.1 10.0.0.2')).toContain('PING 10.0.0.2 (10.0.0.2): (10 ... 30) data bytes\n18 bytes from');
    expect(sizes).toEqual([10, 10, 18, 18, 26, 26]);
  });

  test('a pattern fills the request behind its time', async () => {
    const payloads: string[] = [];
    await farEnd(lab, '10.0.0.1', '10.0.0.2', (packet) => {
      payloads.push(Buffer.from(packet.subarray(36)).toString('hex'));
      return [icmpReply(packet)];
    });
    const out = await lab.ok('ping -c 1 -s 13 -p ff0 10.0.0.2');
    expect(out).toContain('PATTERN: 0xff00\nPING');
    await lab.ok('ping -c 1 -s 13 10.0.0.2');
    expect(payloads).toEqual(['ff00ff00ff', '08090a0b0c']);
  });

  test('-R shows the way there and back, and says when it is the same', async () => {
    await twoJails(lab);
    expect(await lab.ok('ping -c 2 -i 0.1 -R 192.0.2.2', inA)).toContain(`64 bytes from 192.0.2.2: icmp_seq=0 ttl=64 time=2.000 ms
RR: \t192.0.2.2
\t192.0.2.1
64 bytes from 192.0.2.2: icmp_seq=1 ttl=64 time=1.000 ms\t(same route)
`);
  });

  test('-C, -z and -D are on the wire', async () => {
    await twoJails(lab);
    const dump = lab.start('tcpdump -tnev -i sim0 -c 1 vlan and icmp', { jail: 'b' });
    await lab.advance(1_000);
    await lab.ok('ping -c 1 -C 5 -z 0x20 -D 192.0.2.2', inA);
    expect((await dump.done).stdout).toMatch(/802\.1Q \(0x8100\).*vlan 0, p 5, .*\(tos 0x20, .*flags \[DF\]/);
  });

  test('-I chooses the interface of a group, -T its TTL; neighbours answer when they are told to', async () => {
    await twoJails(lab);
    joinJails(lab, 'a', 'b', 'sim1', { delayUs: 500 });
    await lab.ok('ifconfig sim1 198.51.100.1/24', inA);
    await lab.ok('ifconfig sim1 198.51.100.2/24', { jail: 'b' });
    await lab.ok('route add default 192.0.2.2', inA);
    await lab.ok('sysctl net.inet.icmp.bmcastecho=1', { jail: 'b' });
    const dump = lab.start('tcpdump -tnv -i sim1 -c 1 dst net 224.0.0.0/4', { jail: 'b' });
    await lab.advance(10_000);
    expect(await lab.ok('ping -c 1 -I 198.51.100.1 -T 7 224.0.0.1', inA)).toContain('64 bytes from 198.51.100.2: icmp_seq=0 ttl=64 time=');
    expect((await dump.done).stdout).toContain('ttl 7,');
    expect(await lab.sh('ping -c 1 -I 203.0.113.1 224.0.0.1', inA)).toMatchObject({ exit: 71, stderr: "ping: setsockopt IP_MULTICAST_IF: Can't assign requested address\n" });
  });

  test('to the broadcast address: everybody else is a duplicate', async () => {
    await twoJails(lab);
    await lab.ok('sysctl net.inet.icmp.bmcastecho=1', inA);
    await lab.ok('sysctl net.inet.icmp.bmcastecho=1', { jail: 'b' });
    const out = await lab.ok('ping -c 2 -i 0.5 192.0.2.255', inA);
    expect(out).toContain('64 bytes from 192.0.2.1: icmp_seq=0 ttl=64 time=0.000 ms\n64 bytes from 192.0.2.2: icmp_seq=0 ttl=64 time=2.000 ms (DUP!)\n');
    expect(out).toContain('2 packets transmitted, 2 packets received, +1 duplicates, 0.0% packet loss');
  });

  test('two at a time do not take each other’s answers', async () => {
    await twoJails(lab);
    const one = lab.start('ping -c 3 192.0.2.2', inA);
    const two = lab.start('ping -c 3 -s 100 192.0.2.2', inA);
    await lab.advance(5_000_000);
    for (const ran of [await one.done, await two.done]) {
      expect(ran.stdout).toContain('3 packets transmitted, 3 packets received, 0.0% packet loss');
      expect(ran.stdout.match(/bytes from 192\.0\.2\.2: /g)).toHaveLength(3);
    }
    expect((await one.done).stdout).not.toContain('108 bytes');
    expect((await two.done).stdout).not.toContain('64 bytes');
  });
});

describe('when it ends', () => {
  beforeEach(async () => {
    await twoJails(lab);
    await lab.ok('ping -c 1 192.0.2.2', inA);
  });

  test.each([
    ['ping -c 1 192.0.2.2', 0.001],
    ['ping -c 3 192.0.2.2', 2.001],
    ['ping -c 3 -i 0.01 192.0.2.2', 0.021],
    ['ping -o 192.0.2.2', 0.001],
    ['ping -t 3 192.0.2.2', 3],
    ['ping -c 1 -t 1 192.0.2.9', 1],
    ['ping -c 1 192.0.2.9', 11],
    ['ping -c 1 -W 300 192.0.2.9', 1.3],
    ['ping -c 2 -W 300 -i 0.1 192.0.2.9', 0.5],
  ])('%s takes %d s', async (line, seconds) => {
    expect(await secondsOf(line)).toBeCloseTo(seconds, 6);
  });

  test('after a loss it waits a second more, not ten', async () => {
    const running = lab.start('ping -c 2 192.0.2.2', inA);
    await lab.advance(500_000);
    await lab.ok('ifconfig sim0 down', { jail: 'b' });
    const from = lab.kernel.now;
    await lab.advance(2_500_000);
    expect((await running.done).stdout).toContain('2 packets transmitted, 1 packets received, 50.0% packet loss');
    expect(lab.kernel.now - from).toBe(2_500_000);
  });

  test('INT prints the summary, INFO prints it and goes on', async () => {
    const running = lab.start('ping 192.0.2.2', inA);
    await lab.advance(1_500_000);
    running.proc.signal('INFO');
    await lab.advance(1_000_000);
    running.proc.signal('INT');
    await lab.advance(1);
    const ran = await running.done;
    expect(ran.exit).toBe(0);
    expect(ran.stderr).toBe(`
--- 192.0.2.2 ping statistics ---
2 packets transmitted, 2 packets received, 0.0% packet loss
round-trip min/avg/max/stddev = 1.000/1.000/1.000/0.000 ms
`);
    expect(ran.stdout).toContain('\n3 packets transmitted, 3 packets received, 0.0% packet loss\n');
  });

  test('TERM ends it without a word; nothing answered is exit 2', async () => {
    const silent = lab.start('ping 192.0.2.2', inA);
    const unanswered = lab.start('ping 192.0.2.9', inA);
    await lab.advance(1_500_000);
    silent.proc.signal('TERM');
    unanswered.proc.signal('INT');
    await lab.advance(1);
    expect((await silent.done).exit).toBe(143);
    expect((await silent.done).stdout).not.toContain('statistics');
    expect((await unanswered.done).exit).toBe(2);
  });

  test('it sleeps between what it does', async () => {
    const running = lab.start('ping -c 5 192.0.2.2', inA);
    let sleeps = 0;
    const sleep = running.proc.sleepUs.bind(running.proc);
    running.proc.sleepUs = (us: number) => {
      sleeps++;
      expect(us).toBeGreaterThan(0);
      return sleep(us);
    };
    await lab.advance(6_000_000);
    expect((await running.done).exit).toBe(0);
    expect(sleeps).toBeLessThanOrEqual(10);
  });

  test('it gives its socket back', async () => {
    expect(vnetOf(lab, 'a').kern.sockcnt).toBe(0);
  });
});

describe('no answer', () => {
  test('a neighbour that is not there', async () => {
    await twoJails(lab);
    const ran = await lab.sh('ping -c 8 192.0.2.9', inA);
    expect(ran.exit).toBe(2);
    expect(ran.stderr).toMatch(/^(ping: sendto: Host is down\n)+$/);
    expect(ran.stdout).toContain('\n8 packets transmitted, 0 packets received, 100.0% packet loss\n');
  });

  test('-A rings for each more that is missing', async () => {
    await twoJails(lab);
    const ran = await lab.sh('ping -A -c 3 192.0.2.9', inA);
    expect(ran.stdout).toBe(`PING 192.0.2.9 (192.0.2.9): 56 data bytes
\x07\x07
--- 192.0.2.9 ping statistics ---
3 packets transmitted, 0 packets received, 100.0% packet loss
`);
  });

  test('an answer later than -W is counted apart', async () => {
    await twoJails(lab, 50_000);
    const ran = await lab.sh('ping -c 2 -i 1 -W 20 192.0.2.2', inA);
    expect(ran.stdout).toContain('2 packets transmitted, 2 packets received, 0.0% packet loss, 2 packets out of wait time\n');
  });
});

/** Jails a – r – b; r forwards. */
async function routed(): Promise<void> {
  for (const jail of ['a', 'r', 'b']) await lab.ok(`jail -c name=${jail} persist vnet`);
  joinJails(lab, 'a', 'r', 'sim1', { delayUs: 100 });
  joinJails(lab, 'r', 'b', 'sim2', { delayUs: 100 });
  await lab.ok('ifconfig sim1 192.0.2.1/24', inA);
  await lab.ok('ifconfig sim1 192.0.2.254/24', { jail: 'r' });
  await lab.ok('ifconfig sim2 198.51.100.254/24', { jail: 'r' });
  await lab.ok('ifconfig sim2 198.51.100.1/24', { jail: 'b' });
  await lab.ok('sysctl net.inet.ip.forwarding=1', { jail: 'r' });
  await lab.ok('route add default 192.0.2.254', inA);
  await lab.ok('route add default 198.51.100.254', { jail: 'b' });
}

/** Identification and checksum of a quoted header come from a random stream. */
const plain = (text: string): string => text.replace(/^( 4 {2}5 {2}\w\w \w{4}) \w{4}(.*) \w{4}( [\d.]+ [\d.]+)$/gm, '$1 iiii$2 ssss$3');

describe('ICMP errors', () => {
  test('a TTL that ran out, with the header it quotes', async () => {
    await routed();
    const ran = await lab.sh('ping -c 1 -t 1 -m 1 198.51.100.1', inA);
    expect(plain(ran.stdout)).toBe(`PING 198.51.100.1 (198.51.100.1): 56 data bytes
92 bytes from 192.0.2.254: Time to live exceeded
Vr HL TOS  Len   ID Flg  off TTL Pro  cks       Src          Dst
 4  5  00 0054 iiii   0 0000  01  01 ssss 192.0.2.1 198.51.100.1


--- 198.51.100.1 ping statistics ---
1 packets transmitted, 0 packets received, 100.0% packet loss
`);
    expect(ran.exit).toBe(2);
    expect((await lab.sh('ping -Q -c 1 -t 1 -m 1 198.51.100.1', inA)).stdout).not.toContain('exceeded');
  });

  test('no route behind the router', async () => {
    await routed();
    const ran = await lab.sh('ping -c 1 -t 1 203.0.113.1', inA);
    expect(ran.stdout).toContain('bytes from 192.0.2.254: Destination Host Unreachable\nVr HL TOS  Len');
  });

  test('too big for the next link', async () => {
    await routed();
    await lab.ok('ifconfig sim2 mtu 900', { jail: 'r' });
    const ran = await lab.sh('ping -c 1 -t 1 -D -s 1000 198.51.100.1', inA);
    expect(ran.stdout).toContain('bytes from 192.0.2.254: frag needed and DF set (MTU 900)\n');
  });

  test('options of the quoted header; -v shows others’ errors too, and what is too short', async () => {
    const quoted = Buffer.from('4600002000001000400100000a0000010a00000201010100080000000000000000000000', 'hex');
    const error = Uint8Array.of(3, 10, 0, 0, 0, 0, 0, 0, ...quoted);
    await farEnd(lab, '10.0.0.1', '10.0.0.2', (packet) => [icmpReply(packet, { icmp: error }), icmpReply(packet, { icmp: error.slice(0, 28) })]);
    const ran = await lab.sh('ping -v -c 1 -t 1 10.0.0.2');
    expect(ran.stdout).toContain(`44 bytes from 10.0.0.2: Dest Unreachable, Bad Code: 10
Vr HL TOS  Len   ID Flg  off TTL Pro  cks      Src      Dst Opts
 4  6  00 0020 0000   0 1000  40  01 0000 10.0.0.1 10.0.0.2 01010100

`);
    expect(ran.stderr).toBe('');
    expect((await lab.sh('ping -c 1 -t 1 10.0.0.2')).stdout).not.toContain('Unreachable');
  });

  test('a redirect names the better router', async () => {
    await farEnd(lab, '10.0.0.1', '10.0.0.2', (packet) => [icmpReply(packet, { icmp: Uint8Array.of(5, 1, 0, 0, 10, 0, 0, 9, ...packet.subarray(0, 28)) }), icmpReply(packet)]);
    expect((await lab.sh('ping -c 1 10.0.0.2')).stdout).toMatch(/36 bytes from 10.0.0.2: Redirect Host\(New addr: 10.0.0.9\)\nVr HL/);
  });
});

describe('answers that are not what was asked for', () => {
  test('twice the same, with a bell each', async () => {
    await farEnd(lab, '10.0.0.1', '10.0.0.2', (packet) => [icmpReply(packet), icmpReply(packet)]);
    const out = await lab.ok('ping -a -c 2 -i 0.1 10.0.0.2');
    expect(out).toContain('icmp_seq=0 ttl=64 time=0.000 ms\x07\n64 bytes from 10.0.0.2: icmp_seq=0 ttl=64 time=0.000 ms (DUP!)\x07\n');
    expect(out).toContain('2 packets transmitted, 2 packets received, +1 duplicates, 0.0% packet loss');
  });

  test('another length, options nobody asked for', async () => {
    await farEnd(lab, '10.0.0.1', '10.0.0.2', (packet) => [icmpReply(packet, { options: Uint8Array.of(1, 0x9f, 0, 0) })]);
    await lab.ok('sysctl net.inet.ip.process_options=0');
    expect(await lab.ok('ping -c 1 10.0.0.2')).toContain('time=0.000 ms\nwrong total length 88 instead of 84\nNOP\nunknown option 9f\n\n---');
  });

  test('a changed byte is shown with all others', async () => {
    await farEnd(lab, '10.0.0.1', '10.0.0.2', (packet) => {
      packet[28 + 17] = 0xee;
      return [icmpReply(packet)];
    });
    const out = await lab.ok('ping -c 1 -s 24 10.0.0.2');
    expect(out).toContain('\nwrong data byte #17 should be 0x11 but was 0xee\ncp:');
    expect(out).toContain('\n\t  8  9  a  b  c  d  e  f 10 ee 12 13 14 15 16 17\ndp:');
    expect(out).toContain('\n\t  8  9  a  b  c  d  e  f 10 11 12 13 14 15 16 17\n\n---');
  });

  test('a source route that came back', async () => {
    const lsrr = Uint8Array.of(131, 11, 12, 192, 0, 2, 10, 192, 0, 2, 20, 0);
    await farEnd(lab, '10.0.0.1', '10.0.0.2', (packet) => [icmpReply(packet, { options: lsrr })]);
    await lab.ok('sysctl net.inet.ip.process_options=0');
    expect(await lab.ok('ping -c 1 10.0.0.2')).toContain('\nLSRR: \t192.0.2.10\n\t192.0.2.20\n\n---');
  });
});

describe('words', () => {
  test.each([
    ['-c x 10.0.0.1', 64, "invalid count of packets to transmit: `x'"],
    ['-c 0 10.0.0.1', 64, "invalid count of packets to transmit: `0'"],
    ['-C 8 10.0.0.1', 64, "invalid PCP: `8'"],
    ['-Wx localhost', 64, "invalid timing interval: `x'"],
    ['-i -1 10.0.0.1', 64, "invalid timing interval: `-1'"],
    ['-t 0 10.0.0.1', 64, "invalid timeout: `0'"],
    ['-t 3601 10.0.0.1', 64, "invalid timeout: `3601' > 3600"],
    ['-m 256 10.0.0.1', 64, "invalid TTL: `256'"],
    ['-z 256 10.0.0.1', 64, "invalid TOS: `256'"],
    ['-l -1 10.0.0.1', 64, "invalid preload value: `-1'"],
    ['-s -1 10.0.0.1', 64, "invalid packet size: `-1'"],
    ['-s 65508 10.0.0.1', 64, 'packet size too large: 65508 > 65507'],
    ['-R -s 65508 10.0.0.1', 64, 'packet size too large: 65508 > 65467'],
    ['-p xyz 10.0.0.1', 64, 'patterns must be specified as hex digits'],
    ['-M q 10.0.0.1', 64, "invalid message: `q'"],
    ['-M m -M t 10.0.0.1', 64, 'ICMP_TSTAMP and ICMP_MASKREQ are exclusive.'],
    ['-g 5 10.0.0.1', 64, 'Maximum sweep size must be specified'],
    ['-g 50 -G 40 10.0.0.1', 64, 'Maximum packet size must be no less than the minimum packet size'],
    ['-G 65507 10.0.0.1', 64, 'Invalid sweep maximum'],
    ['-G 99 -s 20 10.0.0.1', 64, 'Packet size and ping sweep are mutually exclusive'],
    ['-f -i 1 10.0.0.1', 64, '-f and -i: incompatible options'],
    ['-f 224.0.0.1', 64, '-f flag cannot be used with multicast destination'],
    ['-L 10.0.0.1', 64, '-I, -L, -T flags cannot be used with unicast destination'],
    ['-I em0 224.0.0.1', 64, "invalid multicast interface: `em0'"],
    ['nonexistent.example', 68, 'cannot resolve nonexistent.example: Name does not resolve'],
    ['-S nobody 10.0.0.1', 68, 'cannot resolve nobody: Name does not resolve'],
    ['-S 192.0.2.77 10.0.0.1', 1, "bind: Can't assign requested address"],
  ])('ping %s: exit %d', async (words, exit, message) => {
    expect(await lab.sh(`ping ${words}`)).toEqual({ exit, stdout: '', stderr: `ping: ${message}\n` });
  });

  test.each([['', ''], ['-x 10.0.0.1', 'ping: illegal option -- x\n'], ['-c', 'ping: option requires an argument -- c\n'], ['10.0.0.1 10.0.0.2', '']])(
    'ping %s: usage, exit 1',
    async (words, message) => {
      const ran = await lab.sh(`ping ${words}`);
      expect([ran.exit, ran.stdout]).toEqual([1, '']);
      expect(ran.stderr.startsWith(`${message}usage:\n\tping [-4AaDdfHnoQqRrv] [-C pcp] [-c count] [-G sweepmaxsize]\n`)).toBe(true);
    },
  );

  test('the first mistake is the one named', async () => {
    expect((await lab.sh('ping -c x -Y 10.0.0.1')).stderr).toBe("ping: invalid count of packets to transmit: `x'\n");
  });

  test('no route: each request says so, and nothing is answered', async () => {
    const ran = await lab.sh('ping -c 2 -t 2 10.0.0.1');
    expect(ran.exit).toBe(2);
    expect(ran.stderr).toMatch(/^(ping: sendto: (No route to host|Network is unreachable)\n){2}$/);
  });
});
