/**
 * dhcp6d.test.ts — the DHCPv6 server as clients and users see it: two jails on a link, in virtual time, and a client of a few lines over a socket of the second.
 */
import { PF_INET6, SOCK_DGRAM } from '@netloom/core';
import type { RecvInfo, Socket } from '@netloom/core';
import {
  D6O_CLIENTID, D6O_DNS_SERVERS, D6O_DOMAIN_LIST, D6O_IAADDR, D6O_IA_NA, D6O_IA_PD, D6O_INFORMATION_REFRESH_TIME, D6O_ORO, D6O_PREFERENCE, D6O_RAPID_COMMIT, D6O_RELAY_MSG, D6O_SERVERID, D6O_STATUS_CODE,
  DHCP6_CLIENT_PORT, DHCP6_CONFIRM, DHCP6_DECLINE, DHCP6_INFORMATION_REQUEST, DHCP6_REBIND, DHCP6_RELAY_FORW, DHCP6_RELEASE, DHCP6_RENEW, DHCP6_REQUEST, DHCP6_SERVER_PORT, DHCP6_SOLICIT,
  IN6ADDR_DHCP6_ALL, dhcp6AddrsOf, dhcp6AddrsText, dhcp6DomainsOf, dhcp6Emit, dhcp6EmitRelay, dhcp6Find, dhcp6Ia, dhcp6IaAddr, dhcp6IaAddrOf, dhcp6IaOf, dhcp6MessageName, dhcp6Parse, dhcp6StatusOf,
  dhcp6U16s, duidLl, ip6Format, ip6Parse,
} from '@netloom/core/wire';
import type { Dhcp6Message, Dhcp6Option } from '@netloom/core/wire';
import { describe, expect, it } from 'vitest';
import { joinJails, vnetOf } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';

const SECOND = 1_000_000;
const CONF = `default-lease-time 3600; preferred-lifetime 2000;
option dhcp6.name-servers 2001:db8:1::53, 2001:db8::53;
subnet6 2001:db8:1::/64 {
  range6 2001:db8:1::100 2001:db8:1::101;
  option dhcp6.domain-search "lab.example", "example";
  option dhcp6.info-refresh-time 900;
}
host web { host-identifier option dhcp6.client-id 0:3:0:1:2:0:0:0:0:77; fixed-address6 2001:db8:1::77; }`;
const inS = { jail: 's' };
const A100 = '2001:db8:1::100';
const A101 = '2001:db8:1::101';
const A9 = '2001:db8:1::9';

const ip = (text: string): Uint8Array => ip6Parse(text) ?? new Uint8Array(16);

/** `0`, or the code of a status. */
const code = (options: readonly Dhcp6Option[]): string => String(dhcp6StatusOf(options).code);

/** `Reply 7=2001:db8::1/1000/1800/2000/3600`: for each association what it got with T1, T2 and lifetimes, or its status. */
function shown(m: Dhcp6Message | null): string {
  if (m === null) return 'nothing';
  const ias = m.options.filter((o) => o.code === D6O_IA_NA).map((o) => {
    const ia = dhcp6IaOf(o.data);
    if (ia === null) return 'broken';
    const addrs = ia.options.filter((i) => i.code === D6O_IAADDR).map((i) => dhcp6IaAddrOf(i.data)).map((a) => (a === null ? 'broken' : `${ip6Format(a.addr)}/${ia.t1}/${ia.t2}/${a.preferred}/${a.valid}`));
    return ` ${ia.iaid}=${addrs.length > 0 ? addrs.join(',') : `status ${code(ia.options)}`}`;
  });
  const own = dhcp6Find(m.options, D6O_STATUS_CODE) === null ? '' : ` status ${code(m.options)}`;
  return `${dhcp6MessageName(m.type)}${own}${ias.join('')}`;
}

class Bench {
  readonly lab = new ToolLab();
  serverId: Uint8Array = new Uint8Array(0);
  private so: Socket | null = null;
  private readonly info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
  private xid = 0;

  /** A server's jail `s` (sim0, 2001:db8:1::1/64) and a client's `c`, and dhcp6d in the first. */
  static async make(conf: string | null = CONF): Promise<Bench> {
    const b = new Bench();
    const { lab } = b;
    for (const jail of ['s', 'c']) {
      await lab.ok(`jail -c name=${jail} persist vnet`);
      await lab.ok('sysctl net.inet6.ip6.dad_count=0', { jail });
    }
    const [server, client] = joinJails(lab, 's', 'c', 'sim0', { delayUs: 500 });
    await lab.ok('ifconfig sim0 inet6 2001:db8:1::1/64 -ifdisabled up', inS);
    await lab.ok('ifconfig sim0 inet6 2001:db8:1::9/64 -ifdisabled up', { jail: 'c' });
    await lab.advance(2 * SECOND);
    b.serverId = duidLl(server.lladdr);
    const { so } = vnetOf(lab, 'c').sockets.socket(PF_INET6, SOCK_DGRAM, 0, 0);
    so?.bind(0, DHCP6_CLIENT_PORT);
    so?.setMulticastIf(client);
    b.so = so;
    if (conf !== null) await lab.ok(['dhcp6d', '-O', conf, 'sim0'], inS);
    return b;
  }

  async bytes(data: Uint8Array, to: Uint8Array = IN6ADDR_DHCP6_ALL): Promise<Uint8Array | null> {
    this.lab.kernel.call(this.lab.kernel.now, () => this.so?.send(data, { addr: to, scopeId: 0 }, DHCP6_SERVER_PORT));
    await this.lab.advance(SECOND / 10);
    const into = new Uint8Array(2_000);
    const n = this.so?.recv(into, this.info) ?? -1;
    return n < 0 ? null : into.slice(0, n);
  }

  /** Says something as client number `n`, and gives the answer. */
  async say(n: number, type: number, more: readonly Dhcp6Option[] = [], to: Uint8Array = IN6ADDR_DHCP6_ALL): Promise<Dhcp6Message | null> {
    const client = { code: D6O_CLIENTID, data: duidLl(Uint8Array.of(2, 0, 0, 0, 0, n)) };
    const toOne = [DHCP6_REQUEST, DHCP6_RENEW, DHCP6_RELEASE, DHCP6_DECLINE].includes(type);
    const back = await this.bytes(dhcp6Emit({ type, xid: ++this.xid, options: [client, ...(toOne ? [this.server] : []), ...more] }), to);
    const m = back === null ? null : dhcp6Parse(back);
    if (m !== null) expect([m.xid, dhcp6Find(m.options, D6O_CLIENTID), dhcp6Find(m.options, D6O_SERVERID)]).toEqual([this.xid, client.data, this.serverId]);
    return m;
  }

  get server(): Dhcp6Option {
    return { code: D6O_SERVERID, data: this.serverId };
  }

  async states(): Promise<string[]> {
    return (await this.lab.ok('dhcp6d -l', inS)).split('\n').slice(1).map((l) => l.split(/ {2,}/)).map((w) => `${w[0] ?? ''} ${w[3] ?? ''}`);
  }
}

/** IA_NA number `iaid` that names addresses. */
const na = (iaid: number, ...addrs: readonly string[]): Dhcp6Option => ({
  code: D6O_IA_NA, data: dhcp6Ia({ iaid, t1: 0, t2: 0, options: addrs.map((a) => ({ code: D6O_IAADDR, data: dhcp6IaAddr({ addr: ip(a), preferred: 0, valid: 0, options: [] }) })) }),
});
const oro = (...codes: readonly number[]): Dhcp6Option => ({ code: D6O_ORO, data: dhcp6U16s(codes) });
const RAPID: Dhcp6Option = { code: D6O_RAPID_COMMIT, data: new Uint8Array(0) };
const lease = (iaid: number, addr: string): string => `${iaid}=${addr}/1000/1600/2000/3600`;

describe('addresses', () => {
  it('solicit, advertise, request, reply; renewed, given back, and the same again', async () => {
    const b = await Bench.make();
    const offer = await b.say(1, DHCP6_SOLICIT, [na(7), oro(D6O_DNS_SERVERS)]);
    expect(shown(offer)).toBe(`Advertise ${lease(7, A100)}`);
    expect(dhcp6AddrsText(dhcp6AddrsOf(dhcp6Find(offer?.options ?? [], D6O_DNS_SERVERS)) ?? [])).toBe('2001:db8:1::53 2001:db8::53');
    expect(dhcp6Find(offer?.options ?? [], D6O_DOMAIN_LIST)).toBeNull();
    expect(await b.states()).toEqual([]);
    expect(shown(await b.say(1, DHCP6_REQUEST, [na(7, A100)]))).toBe(`Reply ${lease(7, A100)}`);
    await b.lab.advance(3_000 * SECOND);
    expect(shown(await b.say(1, DHCP6_RENEW, [na(7, A100, A9)]))).toBe(`Reply 7=${A100}/1000/1600/2000/3600,${A9}/1000/1600/0/0`);
    await b.lab.advance(3_000 * SECOND);
    expect(await b.lab.ok('dhcp6d -l', inS)).toMatch(/^Address +Client \(DUID\) +IAID +State +Expires\n2001:db8:1::100 +00:03:00:01:02:00:00:00:00:01 +7 +active +(10m0s|9m5\ds)$/);
    expect(shown(await b.say(1, DHCP6_RELEASE, [na(7, A100), na(8, A101)]))).toBe('Reply status 0 8=status 3');
    expect(await b.states()).toEqual([`${A100} released`]);
    expect(shown(await b.say(1, DHCP6_RENEW, [na(8)]))).toBe('Reply 8=status 3');
    expect(shown(await b.say(2, DHCP6_REQUEST, [na(1)]))).toBe(`Reply ${lease(1, A101)}`);
    expect(shown(await b.say(1, DHCP6_REQUEST, [na(7)]))).toBe(`Reply ${lease(7, A100)}`);
    await b.lab.advance(3_600 * SECOND);
    expect(await b.states()).toEqual([`${A100} expired`, `${A101} expired`]);
  });

  it('rapid commit, when the server has it', async () => {
    const b = await Bench.make(`option dhcp6.rapid-commit; option dhcp6.preference 255; ${CONF}`);
    const reply = await b.say(1, DHCP6_SOLICIT, [RAPID, na(1)]);
    expect([shown(reply), dhcp6Find(reply?.options ?? [], D6O_RAPID_COMMIT)?.length]).toEqual([`Reply ${lease(1, A100)}`, 0]);
    expect(await b.states()).toEqual([`${A100} active`]);
    const offer = await b.say(2, DHCP6_SOLICIT, [na(1)]);
    expect([shown(offer), dhcp6Find(offer?.options ?? [], D6O_PREFERENCE)]).toEqual([`Advertise ${lease(1, A101)}`, Uint8Array.of(255)]);
    expect(shown(await (await Bench.make()).say(1, DHCP6_SOLICIT, [RAPID, na(1)]))).toBe(`Advertise ${lease(1, A100)}`);
  });

  it('when all are taken it says so, until one has ended', async () => {
    const b = await Bench.make();
    for (const n of [1, 2]) await b.say(n, DHCP6_REQUEST, [na(1)]);
    expect(shown(await b.say(3, DHCP6_SOLICIT, [na(1, A100)]))).toBe('Advertise 1=status 2');
    expect(shown(await b.say(3, DHCP6_REQUEST, [na(1, A100)]))).toBe('Reply 1=status 2');
    await b.say(2, DHCP6_RELEASE, [na(1, A101)]);
    expect(shown(await b.say(3, DHCP6_REQUEST, [na(1)]))).toBe(`Reply ${lease(1, A101)}`);
  });

  it('a declined address is nobody’s for ten minutes', async () => {
    const b = await Bench.make();
    await b.say(1, DHCP6_REQUEST, [na(1)]);
    expect(shown(await b.say(2, DHCP6_DECLINE, [na(1, A100)]))).toBe('Reply status 0 1=status 3');
    expect(shown(await b.say(1, DHCP6_DECLINE, [na(1, A100)]))).toBe('Reply status 0');
    expect(await b.states()).toEqual([`${A100} abandoned`]);
    expect(shown(await b.say(1, DHCP6_REQUEST, [na(1, A100)]))).toBe(`Reply ${lease(1, A101)}`);
    expect(shown(await b.say(2, DHCP6_SOLICIT, [na(1)]))).toBe('Advertise 1=status 2');
    await b.lab.advance(600 * SECOND);
    expect(shown(await b.say(2, DHCP6_SOLICIT, [na(1)]))).toBe(`Advertise ${lease(1, A100)}`);
  });

  it('a reserved address is for its client, once', async () => {
    const b = await Bench.make();
    expect(shown(await b.say(0x77, DHCP6_REQUEST, [na(1), na(2)]))).toBe(`Reply ${lease(1, '2001:db8:1::77')} ${lease(2, A100)}`);
    expect(shown(await b.say(1, DHCP6_REQUEST, [na(1, '2001:db8:1::77')]))).toBe(`Reply ${lease(1, A101)}`);
    expect(await b.states()).toEqual(['2001:db8:1::77 active (fixed)', `${A100} active`, `${A101} active`]);
  });

  it('addresses of other links, of other servers, and of other clients', async () => {
    const b = await Bench.make();
    expect(shown(await b.say(1, DHCP6_REQUEST, [na(1, '2001:db8:2::1')]))).toBe('Reply 1=status 4');
    expect(shown(await b.say(1, DHCP6_CONFIRM, [na(1, '2001:db8:2::1')]))).toBe('Reply status 4');
    expect(shown(await b.say(1, DHCP6_CONFIRM, [na(1, A9)]))).toBe('Reply status 0');
    expect(shown(await b.say(1, DHCP6_CONFIRM, [na(1)]))).toBe('nothing');
    expect(shown(await b.say(1, DHCP6_REBIND, [na(1, '2001:db8:2::1')]))).toBe('Reply 1=2001:db8:2::1/0/0/0/0');
    expect(shown(await b.say(1, DHCP6_REBIND, [na(1, A9)]))).toBe('nothing');
    expect(shown(await b.say(1, DHCP6_REBIND, [na(1, A101)]))).toBe(`Reply ${lease(1, A101)}`);
    expect(shown(await b.say(2, DHCP6_REBIND, [na(1, A101)]))).toBe(`Reply 1=${A101}/0/0/0/0`);
    expect(shown(await b.say(2, DHCP6_RENEW, [na(1, A101)]))).toBe('Reply 1=status 3');
  });

  it('prefixes are not given, and that is said', async () => {
    const b = await Bench.make();
    const offer = await b.say(1, DHCP6_SOLICIT, [{ code: D6O_IA_PD, data: Uint8Array.of(0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0) }]);
    const pd = dhcp6IaOf(dhcp6Find(offer?.options ?? [], D6O_IA_PD) ?? new Uint8Array(0));
    expect([pd?.iaid, code(pd?.options ?? [])]).toEqual([5, '6']);
  });
});

describe('without addresses', () => {
  it('information: name servers, search list, and when to ask again', async () => {
    const b = await Bench.make();
    const m = await b.say(1, DHCP6_INFORMATION_REQUEST, [oro(D6O_DNS_SERVERS, D6O_DOMAIN_LIST, D6O_INFORMATION_REFRESH_TIME)]);
    expect(shown(m)).toBe('Reply');
    expect(dhcp6DomainsOf(dhcp6Find(m?.options ?? [], D6O_DOMAIN_LIST))).toEqual(['lab.example', 'example']);
    expect(dhcp6Find(m?.options ?? [], D6O_INFORMATION_REFRESH_TIME)).toEqual(Uint8Array.of(0, 0, 3, 0x84));
    const bare = await b.bytes(dhcp6Emit({ type: DHCP6_INFORMATION_REQUEST, xid: 5, options: [] }));
    expect(dhcp6Parse(bare ?? new Uint8Array(0))?.options.map((o) => o.code)).toEqual([D6O_SERVERID, D6O_DNS_SERVERS, D6O_DOMAIN_LIST, D6O_INFORMATION_REFRESH_TIME]);
  });
});

describe('what is no question', () => {
  it('is dropped and counted, and the server goes on', async () => {
    const b = await Bench.make();
    const alien = { code: D6O_SERVERID, data: duidLl(Uint8Array.of(2, 9, 9, 9, 9, 9)) };
    const id = { code: D6O_CLIENTID, data: duidLl(Uint8Array.of(2, 0, 0, 0, 0, 1)) };
    const relayed = { code: D6O_RELAY_MSG, data: dhcp6Emit({ type: DHCP6_SOLICIT, xid: 1, options: [id] }) };
    for (const data of [
      new Uint8Array(0), new Uint8Array(3), new Uint8Array(1_400).fill(0xff), Uint8Array.of(1, 0, 0, 1, 0, 1, 0, 9, 0),
      dhcp6Emit({ type: DHCP6_SOLICIT, xid: 1, options: [na(1)] }),
      dhcp6Emit({ type: DHCP6_SOLICIT, xid: 1, options: [{ code: D6O_CLIENTID, data: new Uint8Array(131) }] }),
      dhcp6Emit({ type: DHCP6_SOLICIT, xid: 1, options: [id, b.server] }),
      dhcp6Emit({ type: DHCP6_REQUEST, xid: 1, options: [id, na(1)] }),
      dhcp6Emit({ type: 7, xid: 1, options: [id, b.server] }),
      dhcp6Emit({ type: DHCP6_INFORMATION_REQUEST, xid: 1, options: [id, na(1)] }),
      dhcp6EmitRelay({ type: DHCP6_RELAY_FORW, hops: 0, link: ip('2001:db8:1::'), peer: ip('fe80::1'), options: [relayed] }),
      dhcp6Emit({ type: DHCP6_REQUEST, xid: 1, options: [id, alien, na(1)] }),
    ]) expect(await b.bytes(data)).toBeNull();
    const { statistics } = (JSON.parse(await b.lab.ok('dhcp6d -l --json', inS)) as { dhcp6d: { statistics: Record<string, number> } }).dhcp6d;
    expect([statistics.malformed, statistics.otherServer, statistics.reply]).toEqual([11, 1, 0]);
    expect(shown(await b.say(1, DHCP6_REQUEST, [{ code: D6O_IA_NA, data: new Uint8Array(5) }, na(1)]))).toBe(`Reply ${lease(1, A100)}`);
  });

  it('who writes to the server alone is told to write to all', async () => {
    const b = await Bench.make();
    const alone = ip('2001:db8:1::1');
    expect(shown(await b.say(1, DHCP6_REQUEST, [na(1)], alone))).toBe('Reply status 5');
    expect(shown(await b.say(1, DHCP6_SOLICIT, [na(1)], alone))).toBe('nothing');
    expect(await b.states()).toEqual([]);
  });
});

describe('the tool', () => {
  it('one in a vnet; it ends with nothing left behind', async () => {
    const b = await Bench.make();
    expect(await b.lab.sh(['dhcp6d', '-O', CONF], inS)).toMatchObject({ exit: 1, stderr: 'dhcp6d: There is already a DHCPv6 server running in this vnet (dhcp6d -k ends it)\n' });
    await b.lab.ok('dhcp6d -k', inS);
    const { kern } = vnetOf(b.lab, 's');
    expect([b.lab.procs.size, kern.sockcnt, kern.control.count]).toEqual([0, 0, 0]);
    expect(await b.lab.sh('dhcp6d -k', inS)).toMatchObject({ exit: 1, stderr: 'dhcp6d: There is no DHCPv6 server running in this vnet\n' });
  });

  it('a router’s advertisements send hosts to it', async () => {
    const b = await Bench.make();
    await b.lab.ok('sysctl net.inet6.ip6.forwarding=1', inS);
    await b.lab.ok(['rtadvd', '-O', 'raflags="mo":addr="2001:db8:1::":prefixlen#64:pinfoflags="l"', 'sim0'], inS);
    const told = await b.lab.ok('rtadvctl -v show', inS);
    expect([/Flags: (\w+)/.exec(told)?.[1], /vltime=.*flags=(\w+)/.exec(told)?.[1]]).toEqual(['MO', 'L']);
    expect(shown(await b.say(1, DHCP6_REQUEST, [na(1)]))).toBe(`Reply ${lease(1, A100)}`);
  });

  it.each([
    ['subnet6 2001:db8:1::/64 { range6 2001:db8:2::1 2001:db8:2::9; }', 'line 1: range6 2001:db8:2::1 2001:db8:2::9 is not in subnet6 2001:db8:1::/64'],
    ['subnet6 2001:db8:1::/64 { }\nsubnet6 2001:db8::/32 { }', 'line 2: subnet6 2001:db8::/32 and 2001:db8:1::/64 have addresses in common'],
    ['subnet6 2001:db8:1::1/64 { }', 'line 1: subnet6 2001:db8:1::1/64: bits of the host are set'],
    ['range6 ::1;', 'line 1: a range6 stands in a subnet6'],
    ['host a { fixed-address6 2001:db8::1; }', 'line 1: host a: nothing tells it apart (host-identifier option dhcp6.client-id)'],
    ['option dhcp6.name-servers 192.0.2.1;', 'line 1: option dhcp6.name-servers: IPv6 addresses are wanted (16 at most)'],
    ['default-lease-time 3;', 'line 1: default-lease-time 3: a number from 30 to 4294967295 is needed'],
    ['frob 1;', 'line 1: frob: unknown statement'],
  ])('%s', async (conf, problem) => {
    expect(await new ToolLab().sh(['dhcp6d', '-t', '-O', conf])).toEqual({ exit: 1, stdout: '', stderr: `dhcp6d: -O ${problem}\n` });
  });

  it('a whole prefix is a range, but for the address of all its routers and the server’s own', async () => {
    const b = await Bench.make('subnet6 2001:db8:1::/64 { range6 2001:db8:1::/64; default-lease-time 4294967295; }');
    expect(shown(await b.say(1, DHCP6_REQUEST, [na(1)]))).toBe('Reply 1=2001:db8:1::2/4294967295/4294967295/4294967295/4294967295');
  });
});
