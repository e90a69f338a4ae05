/**
 * dnsd.test.ts — dnsd, host and resolvconf as their users see them, and tools that take names: a name server for two networks, a server behind it that the test plays, in virtual time.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  DNS_NXDOMAIN, DNS_QR, DNS_RA, DNS_REFUSED, DNS_SERVFAIL, DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_CNAME, DNS_TYPE_MX, DNS_TYPE_SOA, DNS_TYPE_TXT, dnsA, dnsEmit, dnsNameEncode, dnsNameKey, dnsParse, dnsSoa,
  ip6Parse,
} from '@netloom/core/wire';
import type { DnsMessage, DnsRecord } from '@netloom/core/wire';
import { joinJails, vnetOf } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';
import type { LabProc } from '../../test/test-proc.js';
import { DnsSockets } from './dns-sockets.js';

const SECOND = 1_000_000;
const gw = { jail: 'gw' };
const pc = { jail: 'pc' };
const up = { jail: 'up' };

let lab: ToolLab;
/** What the server behind answers, by `name type`. */
let world: Map<string, Partial<DnsMessage> | 'silence'>;
let asked: string[];

const record = (name: string, type: number, rdata: Uint8Array, ttl = 300): DnsRecord => ({ name, type, cls: 1, ttl, rdata });
const name = (text: string): Uint8Array => dnsNameEncode(text) ?? new Uint8Array(0);
const SOA = record('example.com', DNS_TYPE_SOA, dnsSoa({ mname: 'ns.example.com', rname: 'root.example.com', serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 60 }) ?? new Uint8Array(0), 900);

function reply(query: DnsMessage, more: Partial<DnsMessage>, rcode = 0): DnsMessage {
  return { id: query.id, flags: DNS_QR | DNS_RA | (query.flags & 0x0100) | rcode, questions: query.questions, answers: [], authority: [], additional: [], edns: query.edns, ...more };
}

/** The server behind: a program of the lab. */
async function upstream(p: LabProc): Promise<number> {
  const sockets = new DnsSockets(p, p.vnet, {
    stats: { malformed: 0 },
    answer: (query, _from, send) => {
      const [q] = query.questions;
      const key = `${dnsNameKey(q?.name ?? '')} ${q?.type ?? 0}`;
      asked.push(key);
      const known = world.get(key);
      if (known === 'silence') return;
      const flags = known?.flags;
      send(known === undefined ? reply(query, { authority: [SOA] }, DNS_NXDOMAIN) : { ...reply(query, known), flags: flags === undefined ? reply(query, {}).flags : DNS_QR | flags });
    },
  });
  for (;;) {
    sockets.round();
    await p.sleepUs(Infinity);
  }
}

beforeEach(async () => {
  world = new Map();
  asked = [];
  lab = new ToolLab({ programs: { upstream } });
  for (const jail of ['gw', 'pc', 'up']) await lab.ok(`jail -c name=${jail} persist vnet`);
  joinJails(lab, 'gw', 'pc', 'sim0', { delayUs: 500 });
  joinJails(lab, 'gw', 'up', 'sim1', { delayUs: 5_000 });
  await lab.ok('ifconfig sim0 10.0.0.1/24', gw);
  await lab.ok('ifconfig sim1 192.0.2.1/24', gw);
  await lab.ok('ifconfig sim0 10.0.0.2/24', pc);
  await lab.ok('ifconfig sim1 192.0.2.2/24', up);
  for (const jail of [gw, pc, up]) await lab.ok('ifconfig lo0 inet 127.0.0.1/8', jail);
  await lab.ok('sysctl net.inet6.ip6.dad_count=0', gw);
  lab.start('upstream', up);
  await lab.ok(['resolvconf', '-O', 'nameserver 10.0.0.1\nsearch netloom.internal', '-a', 'lab'], pc);
});

const stats = async (): Promise<{ statistics: Record<string, number>; cache: Record<string, number> }> => (JSON.parse(await lab.ok('dnsd -j gw -s --json')) as { dnsd: { statistics: Record<string, number>; cache: Record<string, number> } }).dnsd;

describe('living things', () => {
  it('host is where the gateway is, while there is one, unless the configuration says otherwise', async () => {
    const { kernel } = lab;
    const { vnet } = kernel.prisons.find(kernel.prisons.prison0, 'gw')!;
    const none = (): never => {
      throw new Error('nobody goes out');
    };
    const ifp = vnet.net.ifunit('sim0');
    kernel.call(kernel.now, () => vnet.gateway.open({ connect: none, open: none, ping: none, closed: () => undefined }, { ifp, addresses: [], loopback: true, outbound: true, defaultRoute: false }));
    await lab.ok(['dnsd', '-j', 'gw']);
    expect(await lab.ok('host host', pc)).toBe('host.netloom.internal has address 10.0.0.1');
    kernel.call(kernel.now, () => vnet.gateway.close());
    await lab.ok('dnsd -j gw -k');
    await lab.ok(['dnsd', '-j', 'gw']);
    expect(await lab.sh('host host', pc)).toMatchObject({ exit: 1 });
  });

  it('vnets have names, routers the address that is near, and addresses have names', async () => {
    await lab.ok('ifconfig sim1 inet6 2001:db8::1/64 -ifdisabled', gw);
    await lab.ok(['dnsd', '-j', 'gw', '-O', 'host 10.0.0.99']);
    expect(await lab.ok('host gw', pc)).toBe('gw.netloom.internal has address 10.0.0.1\ngw.netloom.internal has address 192.0.2.1\ngw.netloom.internal has IPv6 address 2001:db8::1');
    expect(await lab.ok('host gw.netloom.internal 192.0.2.1', up)).toBe('Using domain server:\nName: 192.0.2.1\nAddress: 192.0.2.1#53\nAliases: \n\ngw.netloom.internal has address 192.0.2.1\ngw.netloom.internal has address 10.0.0.1\ngw.netloom.internal has IPv6 address 2001:db8::1');
    expect(await lab.ok('host 10.0.0.2', pc)).toBe('2.0.0.10.in-addr.arpa domain name pointer pc.netloom.internal.');
    expect(await lab.ok('host host', pc)).toBe('host.netloom.internal has address 10.0.0.99');
    expect(await lab.sh('host nobody', pc)).toMatchObject({ exit: 1, stdout: 'Host nobody not found: 3(NXDOMAIN)\n' });
    expect(await lab.sh('host 10.0.0.77', pc)).toMatchObject({ exit: 1, stdout: 'Host 77.0.0.10.in-addr.arpa. not found: 3(NXDOMAIN)\n' });
    expect(await lab.ok('host localhost', pc)).toBe('localhost has address 127.0.0.1\nlocalhost has IPv6 address ::1');
    expect(asked).toEqual([]);
    await lab.ok('jail -c name=new persist vnet');
    await lab.ok('ifconfig lo1 create inet 10.9.9.9/32', { jail: 'new' });
    await lab.advance(SECOND);
    expect(await lab.ok('dnsd -j gw -s')).toMatch(/^host\.netloom\.internal 10\.0\.0\.99\ngw\.netloom\.internal 10\.0\.0\.1 192\.0\.2\.1 2001:db8::1\n/);
  });

  it('hosts with a lease have the name of their reservation, or the one they claim; nobody takes another’s', async () => {
    await lab.ok(['dhcpd', '-O', 'authoritative; subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.50 10.0.0.59; host web { hardware ethernet 06:00:00:00:00:07; fixed-address 10.0.0.7; } }', 'sim0'], gw);
    await lab.ok('dnsd -j gw');
    const lease = async (mac: string, hostname: string): Promise<void> => {
      await lab.ok(`ifconfig sim0 ether ${mac}`, pc);
      await lab.ok(['dhclient', '-O', `send host-name "${hostname}"; arp-check off;`, 'sim0'], pc);
      await lab.ok('dhclient -x sim0', pc);
    };
    await lease('06:00:00:00:00:07', 'gw');
    await lease('06:00:00:00:00:08', 'Desk.example');
    await lease('06:00:00:00:00:09', 'web');
    await lease('06:00:00:00:00:0a', 'desk');
    await lease('06:00:00:00:00:0b', 'a b');
    await lab.advance(2 * SECOND);
    const known = (JSON.parse(await lab.ok('dnsd -j gw -s --json')) as { dnsd: { names: { name: string; addresses: string[] }[] } }).dnsd.names;
    expect(known.filter((h) => !/^(gw|pc|up)\./.test(h.name))).toEqual([{ name: 'web.netloom.internal', addresses: ['10.0.0.7'] }, { name: 'desk.netloom.internal', addresses: ['10.0.0.50'] }]);
    expect(known.find((h) => h.name === 'gw.netloom.internal')?.addresses).toEqual(['10.0.0.1', '192.0.2.1']);
  });

  it('a server started in a jail knows no sibling; names can be given', async () => {
    await lab.ok('dnsd', gw);
    expect(await lab.sh('host pc.netloom.internal', pc)).toMatchObject({ exit: 1 });
    await lab.ok('dnsd -k', gw);
    await lab.ok(['dnsd', '-j', 'gw', '-D', 'Lab.Example', '-O', 'name workstation pc\nname gone nosuch']);
    expect(await lab.ok('host workstation.lab.example', pc)).toBe('workstation.lab.example has address 10.0.0.2');
    expect(await lab.sh('host gw.lab.example', pc)).toMatchObject({ exit: 1 });
    expect((await lab.sh('host -t soa lab.example', pc)).stdout).toBe('lab.example has SOA record localhost. nobody.invalid. 1 3600 600 86400 30\n');
    expect(lab.procs.size).toBe(3);
    await lab.ok('dnsd -j gw -k');
    expect(vnetOf(lab, 'gw').kern.sockcnt).toBe(0);
  });

  it('its jail stops, and it ends', async () => {
    await lab.ok('dnsd -j gw');
    await lab.ok('jail -r gw');
    await lab.advance(SECOND);
    expect([lab.procs.size, lab.kernel.vnets.length]).toEqual([2, 3]);
  });
});

describe('zones and records', () => {
  it('a zone file is answered from, with wildcards, aliases out of it, and a proper “no”', async () => {
    world.set('target.example.com 1', { answers: [record('target.example.com', DNS_TYPE_A, dnsA(0xc6336407))] });
    lab.files.set('/z', `$TTL 1h
@ IN SOA ns admin ( 7 1h 10m ; comment
  1d 60 )
  NS ns
ns A 192.0.2.53
www 60 IN CNAME ns
*.apps A 192.0.2.80
out CNAME target.example.com.
txt IN TXT "a b" c
deep.er A 192.0.2.9
`);
    await lab.ok(['dnsd', '-j', 'gw', '-u', '192.0.2.2', '-z', 'example.test=/z', '-r', 'www.example.org 60 IN A 203.0.113.9']);
    expect(await lab.ok('host www.example.test', pc)).toBe('www.example.test is an alias for ns.example.test.\nns.example.test has address 192.0.2.53');
    expect(await lab.ok('host x.y.apps.example.test', pc)).toBe('x.y.apps.example.test has address 192.0.2.80');
    expect(await lab.ok('host -t txt txt.example.test', pc)).toBe('txt.example.test descriptive text "a b" "c"');
    expect(await lab.ok('host -t a out.example.test', pc)).toBe('out.example.test is an alias for target.example.com.\ntarget.example.com has address 198.51.100.7');
    expect(await lab.sh('host -t aaaa ns.example.test', pc)).toMatchObject({ exit: 1, stdout: 'ns.example.test has no AAAA record\n' });
    expect(await lab.sh('host -t a er.example.test', pc)).toMatchObject({ exit: 1, stdout: 'er.example.test has no A record\n' });
    expect(await lab.sh('host no.example.test', pc)).toMatchObject({ exit: 1, stdout: 'Host no.example.test not found: 3(NXDOMAIN)\n' });
    expect(await lab.ok('host www.example.org', pc)).toBe('www.example.org has address 203.0.113.9');
    expect(asked).toEqual(['target.example.com 1']);
    expect(await lab.ok('host -v -t ns example.test', pc)).toMatch(/^Trying "example\.test"\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: \d+\n;; flags: qr aa rd ra; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1\n\n;; OPT PSEUDOSECTION:\n; EDNS: version: 0, flags:; udp: 1232\n\n;; QUESTION SECTION:\n;example\.test\.\t\t\tIN\tNS\n\n;; ANSWER SECTION:\nexample\.test\.\t\t3600\tIN\tNS\tns\.example\.test\.\n\nReceived \d+ bytes from 10\.0\.0\.1#53 in 1 ms$/);
  });

  it.each([
    ['$INCLUDE x', 'line 1: $INCLUDE: not built in'],
    ['www A 1.2.3', 'line 1: A 1.2.3: not an IPv4 address'],
    ['www FROB x', 'line 1: FROB: not a type'],
    [' A 1.2.3.4', 'line 1: a record without a name'],
    ['www A ( 1.2.3.4', 'line 1: a parenthesis that is not closed'],
    ['www A 1.2.3.4 )', 'line 1: a closing parenthesis without an opening one'],
    ['www TXT "x', 'line 1: a text without a closing quote'],
    ['www CH A 1.2.3.4', 'line 1: only class IN is served'],
    ['a..b A 1.2.3.4', 'line 1: a..b: not a domain name'],
    ['www.example.com. A 1.2.3.4', 'www.example.com A: not in zone example.test, or beside a CNAME'],
    ['a CNAME b\na A 1.2.3.4', 'a.example.test A: not in zone example.test, or beside a CNAME'],
  ])('refuses %j', async (text, complaint) => {
    lab.files.set('/z', text);
    expect(await lab.sh('dnsd -j gw -z example.test=/z')).toEqual({ exit: 1, stdout: '', stderr: `dnsd: /z ${complaint}\n` });
  });
});

describe('forwarding', () => {
  const answer = (text: string, addr: number, ttl = 300): void => void world.set(`${text} 1`, { answers: [record(text, DNS_TYPE_A, dnsA(addr), ttl)] });

  it('asks once, and again when the answer has aged', async () => {
    await lab.ok('dnsd -j gw -u 192.0.2.2');
    answer('www.example.com', 0xc6336401, 60);
    for (let i = 0; i < 3; i++) expect(await lab.ok('host -t a www.example.com', pc)).toBe('www.example.com has address 198.51.100.1');
    expect([asked, (await stats()).statistics]).toMatchObject([['www.example.com 1'], { queries: 3, cached: 2, forwarded: 1 }]);
    await lab.advance(30 * SECOND);
    expect(await lab.ok('host -v -t a WWW.example.com', pc)).toMatch(/\nWWW\.example\.com\.\t(29|30)\tIN\tA\t198\.51\.100\.1\n/);
    await lab.advance(31 * SECOND);
    answer('www.example.com', 0xc6336402, 60);
    expect(await lab.ok('host -t a www.example.com', pc)).toBe('www.example.com has address 198.51.100.2');
    expect(asked.length).toBe(2);
  });

  it('“no” is remembered as long as its SOA says', async () => {
    await lab.ok('dnsd -j gw -u 192.0.2.2');
    for (let i = 0; i < 2; i++) expect((await lab.sh('host -t a no.example.com.', pc)).stdout).toBe('Host no.example.com. not found: 3(NXDOMAIN)\n');
    expect(asked).toEqual(['no.example.com 1']);
    await lab.advance(61 * SECOND);
    await lab.sh('host -t a no.example.com.', pc);
    expect(asked.length).toBe(2);
  });

  it('answers of every type go through, with aliases and what is added to them', async () => {
    await lab.ok('dnsd -j gw -u 192.0.2.2');
    world.set('www.example.com 1', { answers: [record('www.example.com', DNS_TYPE_CNAME, name('web.example.com')), record('web.example.com', DNS_TYPE_A, dnsA(0xc6336401))] });
    world.set('web.example.com 28', { answers: [record('web.example.com', DNS_TYPE_AAAA, ip6Parse('2001:db8::7') ?? new Uint8Array(16))] });
    world.set('web.example.com 15', { answers: [record('web.example.com', DNS_TYPE_MX, Uint8Array.from([0, 10, ...name('mail.example.com')]))] });
    expect((await lab.sh('host www.example.com', pc)).stdout).toBe(`www.example.com is an alias for web.example.com.
web.example.com has address 198.51.100.1
web.example.com has IPv6 address 2001:db8::7
web.example.com mail is handled by 10 mail.example.com.
`);
    world.set('caa.example.com 257', { answers: [record('caa.example.com', 257, Uint8Array.of(0, 1, 2))] });
    expect(await lab.ok('host -t caa caa.example.com', pc)).toBe('caa.example.com has CAA record \\# 3 000102');
  });

  it('a large answer is fetched over TCP, at both ends', async () => {
    await lab.ok('dnsd -j gw -u 192.0.2.2');
    const text = Uint8Array.from([200, ...new Uint8Array(200).fill(97)]);
    world.set('big.example.com 16', { answers: Array.from({ length: 40 }, (_, i) => record('big.example.com', DNS_TYPE_TXT, Uint8Array.from([...text, 1, 65 + i]))) });
    const lines = (await lab.ok('host -t txt big.example.com', pc)).split('\n');
    expect([lines.length, lines[39]?.slice(-4)]).toEqual([40, ' "h"']);
    expect((await lab.ok('host -T -t txt big.example.com', pc)).split('\n').length).toBe(40);
    expect(asked).toEqual(['big.example.com 16', 'big.example.com 16']);
    await lab.advance(30 * SECOND);
    expect(vnetOf(lab, 'gw').kern.sockcnt).toBe(4);
  });

  it('a server that is silent, or cannot answer, is passed over; the next time the good one is asked first', async () => {
    await lab.ok('ifconfig sim1 inet 192.0.2.3/32 alias', up);
    await lab.ok('dnsd -j gw -u 192.0.2.77 -u 192.0.2.2');
    answer('a.example.com', 1);
    answer('b.example.com', 2);
    const from = lab.kernel.now;
    expect(await lab.ok('host -t a a.example.com', pc)).toBe('a.example.com has address 0.0.0.1');
    const first = lab.kernel.now - from;
    expect(await lab.ok('host -t a b.example.com', pc)).toBe('b.example.com has address 0.0.0.2');
    expect([first > SECOND, lab.kernel.now - from - first < 100_000]).toEqual([true, true]);
    world.set('c.example.com 1', { flags: DNS_REFUSED });
    expect(await lab.sh('host -t a c.example.com', pc)).toMatchObject({ exit: 1, stdout: 'Host c.example.com not found: 5(REFUSED)\n' });
  });

  it('nobody answers: SERVFAIL, and the question is not sent for everybody who asks it', async () => {
    await lab.ok('dnsd -j gw -u 192.0.2.2');
    world.set('x.example.com 1', 'silence');
    const asking = [1, 2, 3].map(() => lab.start('host -R 0 -W 20 -t a x.example.com', pc));
    await lab.advance(10 * SECOND);
    for (const running of asking) expect((await running.done).stdout).toBe('Host x.example.com not found: 2(SERVFAIL)\n');
    expect(asked).toEqual(['x.example.com 1', 'x.example.com 1']);
    expect((await stats()).statistics).toMatchObject({ forwarded: 3, pending: 0 });
  });

  it('the machine’s own servers', async () => {
    lab.dnsQuery = (bytes) => {
      const query = dnsParse(bytes);
      const [q] = query?.questions ?? [];
      if (query === null || q === undefined || q.name === 'fail.example.com') return Promise.reject(new Error('no'));
      return Promise.resolve(dnsEmit(reply(query, { answers: [record(q.name, DNS_TYPE_A, dnsA(0x7f000001))] })) ?? new Uint8Array(0));
    };
    await lab.ok('dnsd -j gw -u host');
    expect(await lab.ok('host -t a www.example.com', pc)).toBe('www.example.com has address 127.0.0.1');
    expect((await lab.sh('host -t a fail.example.com', pc)).stdout).toBe('Host fail.example.com not found: 2(SERVFAIL)\n');
  });

  it('without servers, and for who wants no recursion, only what is known', async () => {
    await lab.ok('dnsd -j gw');
    expect((await lab.sh('host -t a www.example.com', pc)).stdout).toBe('Host www.example.com not found: 2(SERVFAIL)\n');
    await lab.ok('dnsd -j gw -k');
    await lab.ok('dnsd -j gw -u 192.0.2.2');
    expect((await lab.sh('host -r -t a www.example.com', pc)).stdout).toBe('Host www.example.com not found: 5(REFUSED)\n');
    answer('www.example.com', 9);
    await lab.ok('host -t a www.example.com', pc);
    expect(await lab.ok('host -r -t a www.example.com', pc)).toBe('www.example.com has address 0.0.0.9');
  });

  it('who is in none of the networks gets no answer; who is may be told', async () => {
    await lab.ok('sysctl net.inet.ip.forwarding=1', gw);
    await lab.ok('ifconfig lo1 create inet 203.0.113.9/32', pc);
    await lab.ok('route add 203.0.113.9 10.0.0.2', gw);
    await lab.ok('dnsd -j gw');
    // An address of the far side, which no interface of the server has a network for.
    const ask = (): Promise<{ stdout: string }> => lab.sh(['nc', '-u', '-w', '2', '-s', '203.0.113.9', '10.0.0.1', '53'], { ...pc, stdin: dnsEmit({ id: 7, flags: 0x100, questions: [{ name: 'gw.netloom.internal', type: 1, cls: 1 }], answers: [], authority: [], additional: [], edns: null }) ?? new Uint8Array(0) });
    expect((await ask()).stdout).toBe('');
    expect((await stats()).statistics).toMatchObject({ queries: 0, dropped: 1 });
    await lab.ok('dnsd -j gw -k');
    await lab.ok(['dnsd', '-j', 'gw', '-O', 'allow 203.0.113.0/24']);
    expect((await ask()).stdout.length).toBeGreaterThan(30);
    expect((await lab.sh('host -R 0 -W 1 gw', pc)).stdout).toContain(';; no servers could be reached');
  });

  it('bad queries: nonsense, other operations, another class, two questions, a transfer, EDNS of the future', async () => {
    await lab.ok('dnsd -j gw');
    const q = { name: 'gw.netloom.internal', type: DNS_TYPE_A, cls: 1 };
    const edns = { udpSize: 512, rcodeHi: 0, version: 1, flags: 0, options: new Uint8Array(0) };
    const base: DnsMessage = { id: 7, flags: 0x100, questions: [q], answers: [], authority: [], additional: [], edns: null };
    const cases: [Partial<DnsMessage>, number][] = [
      [{ flags: 0x2800 }, 4], [{ questions: [{ ...q, cls: 3 }] }, 5], [{ questions: [q, q] }, 1], [{ questions: [] }, 1], [{ questions: [{ ...q, type: 252 }] }, 5], [{ edns }, 16],
    ];
    const so = vnetOf(lab, 'pc').sockets.socket(2, 2).so;
    if (so === null) throw new Error('no socket');
    so.bind(0, 0);
    const answers: number[] = [];
    for (const [more] of cases) {
      so.send(dnsEmit({ ...base, ...more }) ?? new Uint8Array(0), 0x0a000001, 53);
      await lab.advance(10_000);
      const into = new Uint8Array(512);
      const m = dnsParse(into.subarray(0, Math.max(0, so.recv(into))));
      answers.push(m === null ? -1 : (m.flags & 15) | ((m.edns?.rcodeHi ?? 0) << 4));
    }
    expect(answers).toEqual(cases.map(([, rcode]) => rcode));
    for (const bytes of [new Uint8Array(5), new Uint8Array(40).fill(0xff)]) so.send(bytes, 0x0a000001, 53);
    so.send(dnsEmit({ ...base, flags: DNS_QR }) ?? new Uint8Array(0), 0x0a000001, 53);
    await lab.advance(10_000);
    expect([so.recv(new Uint8Array(9)), (await stats()).statistics]).toMatchObject([-35, { malformed: 2 }]);
    so.close();
  });
});

describe('tools take names', () => {
  beforeEach(async () => {
    await lab.ok('dnsd -j gw -u 192.0.2.2');
  });

  it('ping, traceroute, nc, fetch', async () => {
    expect(await lab.ok('ping -c 1 gw', pc)).toContain('PING gw (10.0.0.1): 56 data bytes');
    expect(await lab.sh('traceroute -n gw.netloom.internal', pc)).toMatchObject({ exit: 0, stderr: 'traceroute to gw.netloom.internal (10.0.0.1), 64 hops max, 40 byte packets\n' });
    const server = lab.start('nc -l 5000', { ...gw, stdin: 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi' });
    await lab.advance(1_000);
    expect(await lab.ok('fetch -qo - http://gw:5000/', pc)).toBe('hi');
    await lab.advance(SECOND);
    await server.done;
    const udp = lab.start('nc -u -l 5001', gw);
    await lab.advance(1_000);
    await lab.sh('nc -u -w 1 gw 5001', { ...pc, stdin: 'hello' });
    expect(udp.stdout).toBe('hello');
    udp.proc.signal('KILL');
  });

  it('IPv6 first where IPv4 has no way', async () => {
    await lab.ok('sysctl net.inet6.ip6.dad_count=0', pc);
    for (const [jail, n] of [[gw, 1], [pc, 2]] as const) await lab.ok(`ifconfig sim0 inet6 2001:db8:1::${n}/64 -ifdisabled`, jail);
    await lab.advance(2 * SECOND);
    expect(await lab.ok('ping6 -c 1 gw', pc)).toContain('PING(56=40+8+8 bytes) 2001:db8:1::2 --> 2001:db8:1::1');
    world.set('six.example.com 1', { answers: [record('six.example.com', DNS_TYPE_A, dnsA(0xc6336401))] });
    world.set('six.example.com 28', { answers: [record('six.example.com', DNS_TYPE_AAAA, ip6Parse('2001:db8:1::1') ?? new Uint8Array(16))] });
    expect((await lab.sh('nc -v -w 1 six.example.com 9', pc)).stderr.split('\n')[0]).toBe('nc: connect to six.example.com port 9 (tcp) failed: Connection refused');
  });

  it.each([
    ['ping -c 1 nobody.example.com', 68, 'ping: cannot resolve nobody.example.com: Name does not resolve\n'],
    ['ping6 -c 1 nobody.example.com', 68, 'ping6: cannot resolve nobody.example.com: Name does not resolve\n'],
    ['ping -c 1 lost.example.com', 68, 'ping: cannot resolve lost.example.com: Name could not be resolved at this time\n'],
    ['nc nobody.example.com 80', 1, 'nc: getaddrinfo: Name does not resolve\n'],
    ['nc -n gw 80', 1, 'nc: getaddrinfo: Name does not resolve\n'],
    ['traceroute nobody.example.com', 1, 'traceroute: unknown host nobody.example.com\n'],
    ['traceroute6 nobody.example.com', 1, 'traceroute6: Name does not resolve\n'],
    ['fetch -qo - http://nobody.example.com/', 1, 'fetch: http://nobody.example.com/: Host does not resolve\n'],
  ])('%s', async (line, exit, stderr) => {
    for (const type of [1, 28]) world.set(`lost.example.com ${type}`, { flags: DNS_SERVFAIL });
    expect(await lab.sh(line, pc)).toEqual({ exit, stdout: '', stderr });
  });
});

describe('words', () => {
  it.each([
    ['dnsd -z', 'dnsd: option requires an argument -- z\nusage: dnsd'],
    ['dnsd x', 'usage: dnsd'],
    ['dnsd -k', 'dnsd: there is no name server in this vnet\n'],
    ['dnsd -j nosuch', 'dnsd: jail "nosuch" not found\n'],
    ['dnsd -c /none', 'dnsd: /none: No such file or directory\n'],
    ['dnsd -u 1.2.3', 'dnsd: -u line 1: upstream: 1.2.3: an address, ADDRESS:PORT, or host is wanted\n'],
    ['dnsd -D a..b', 'dnsd: -D line 1: domain: a domain name is wanted\n'],
    ['dnsd -r x', 'dnsd: -r line 1: record: (nothing): not a type\n'],
    ['dnsd -O frob', 'dnsd: -O line 1: frob: unknown word (domain, upstream, host, name, record, zone, allow, cache)\n'],
    ['host', 'Usage: host'],
    ['host -t frob x', 'host: invalid type: frob\n'],
    ['host -l x', 'host: -l: transfers of zones are not built in\n'],
    ['host a..b', "host: 'a..b' is not a legal name\n"],
    ['resolvconf', 'usage: resolvconf'],
    ['resolvconf -d nosuch', 'resolvconf: No resolv.conf for interface nosuch\n'],
  ])('%s', async (line, complaint) => {
    const ran = await lab.sh(line, pc);
    expect([ran.exit, ran.stderr.slice(0, complaint.length)]).toEqual([1, complaint]);
  });

  it('resolvconf: records by who told them', async () => {
    expect(await lab.sh('resolvconf -a em0', { ...pc, stdin: 'nameserver 10.0.0.9\n# x\ndomain example.com.\noptions ndots:1\n' })).toEqual({ exit: 0, stdout: '', stderr: '' });
    expect(await lab.ok('resolvconf -l', pc)).toBe('# resolv.conf from lab\nsearch netloom.internal\nnameserver 10.0.0.1\n\n# resolv.conf from em0\nsearch example.com\nnameserver 10.0.0.9\n');
    expect(await lab.ok('resolvconf -i', pc)).toBe('lab em0');
    expect(JSON.parse(await lab.ok('resolvconf -l --json e*', pc))).toEqual({ resolvconf: { records: [{ key: 'em0', nameservers: ['10.0.0.9'], search: ['example.com'] }] } });
    await lab.ok('resolvconf -d em0', pc);
    await lab.ok('resolvconf -fd em0', pc);
    expect((await lab.sh(['resolvconf', '-O', 'nameserver x', '-a', 'k'], pc)).stderr).toBe('resolvconf: nameserver x: not an address\n');
    expect((await lab.sh(['resolvconf', '-O', 'frob', '-a', 'k'], pc)).stderr).toBe('resolvconf: frob: unknown word (nameserver, search)\n');
    expect((await lab.sh('host x', up)).stderr).toBe('host: this vnet has no name servers (resolvconf -l lists them)\n');
    expect((await lab.sh('host -R 1 -W 1 x 10.0.0.1', pc)).stdout.split('\n').slice(5)).toEqual([...Array<string>(2).fill(';; communications error to 10.0.0.1#53: connection refused'), ';; no servers could be reached', '']);
  });
});
