/**
 * dhcp-server.test.ts — what a DHCP server answers, to whom, and what it does to good and bad clients; its configuration.
 */
import { describe, expect, it } from 'vitest';
import {
  DHCP4_FLAG_BROADCAST, DHCPDECLINE, DHCPDISCOVER, DHCPINFORM, DHCPRELEASE, DHCPREQUEST, DHO_CLIENT_ID, DHO_HOST_NAME, DHO_LEASE_TIME, DHO_MESSAGE_TYPE, DHO_PARAMETER_LIST, DHO_RELAY_AGENT,
  DHO_REQUESTED_ADDRESS, DHO_SERVER_ID, RAI_LINK_SELECTION, dhcp4MessageName, dhcp4MessageType, dho32, dho8, dhoSubOptions, ip4Format, ip4Parse, utf8Encode,
} from '@netloom/core/wire';
import type { Dhcp4Message } from '@netloom/core/wire';
import { optionText } from '../dhcp/option-names.js';
import { DhcpServer } from './dhcp-server.js';
import type { DhcpAnswer } from './dhcp-server.js';
import { dhcpdConf } from './dhcpd-conf.js';

const SECOND = 1_000_000;
const ip = (text: string): number => ip4Parse(text) ?? 0;
const VIA = { ifname: 'em0', addrs: [ip('10.0.0.1')], unicast: false };
const CONF = `
authoritative; default-lease-time 600; max-lease-time 1200; min-lease-time 100;
option domain-name "lab";
subnet 10.0.0.0 netmask 255.255.255.0 {
  range 10.0.0.100 10.0.0.102;
  option routers 10.0.0.1;
  host web { hardware ethernet 02:00:00:00:00:77; fixed-address 10.0.0.7; option host-name "web"; }
}
subnet 10.1.0.0 netmask 255.255.0.0 { range 10.1.0.10 10.1.0.20; option routers 10.1.0.1; }
`;

class Bench {
  readonly server: DhcpServer;
  readonly log: string[] = [];
  now = 0;

  constructor(conf = CONF) {
    this.server = new DhcpServer(dhcpdConf(conf), (text) => void this.log.push(text));
  }

  /** Says something as client number `n`. */
  say(n: number, type: number, more: readonly (readonly [number, Uint8Array])[] = [], about: Partial<Dhcp4Message> = {}, via = VIA): DhcpAnswer | null {
    const options = new Map<number, Uint8Array>([[DHO_MESSAGE_TYPE, dho8(type)], ...more]);
    return this.server.input({ op: 1, htype: 1, hops: 0, xid: n, secs: 0, flags: 0, ciaddr: 0, yiaddr: 0, siaddr: 0, giaddr: 0, chaddr: Uint8Array.of(2, 0, 0, 0, 0, n), sname: '', file: '', options, ...about }, via, this.now);
  }

  wants(addr: string, server: string | null = '10.0.0.1'): [number, Uint8Array][] {
    return [[DHO_REQUESTED_ADDRESS, dho32(ip(addr))], ...(server === null ? [] : [[DHO_SERVER_ID, dho32(ip(server))] as [number, Uint8Array]])];
  }

  /** Discover and request. */
  lease(n: number, more: readonly (readonly [number, Uint8Array])[] = []): string {
    const offer = this.say(n, DHCPDISCOVER, more);
    if (offer === null) return 'none';
    return shown(this.say(n, DHCPREQUEST, [...more, ...this.wants(ip4Format(offer.message.yiaddr))]));
  }

  states(): string[] {
    return this.server.leases.list(this.now).map((l) => `${ip4Format(l.addr)} ${l.state}`);
  }
}

/** `ACK 10.0.0.5 to link`, the message without DHCP in front. */
function shown(a: DhcpAnswer | null): string {
  if (a === null) return 'nothing';
  const to = a.to.kind === 'broadcast' ? 'broadcast' : `${a.to.kind} ${ip4Format(a.to.addr)}`;
  return `${dhcp4MessageName(dhcp4MessageType(a.message)).slice(4)} ${ip4Format(a.message.yiaddr)} to ${to}`;
}

const text = (a: DhcpAnswer | null, code: number): string => {
  const data = a?.message.options.get(code);
  return data === undefined ? '' : optionText(code, data);
};

describe('offers and acknowledgements', () => {
  it('one address after the other, and the same again to the same client', () => {
    const b = new Bench();
    expect([1, 2, 1, 3].map((n) => b.lease(n))).toEqual(['ACK 10.0.0.100 to link 10.0.0.100', 'ACK 10.0.0.101 to link 10.0.0.101', 'ACK 10.0.0.100 to link 10.0.0.100', 'ACK 10.0.0.102 to link 10.0.0.102']);
    expect(b.lease(4)).toBe('none');
    expect([b.server.stats.noFree, b.log.at(-1)]).toEqual([1, 'DHCPDISCOVER from 02:00:00:00:00:04 via em0: network 10.0.0.0/24: no free leases']);
    b.now = 601 * SECOND;
    expect(b.lease(4)).toBe('ACK 10.0.0.100 to link 10.0.0.100');
    expect(b.states()).toEqual(['10.0.0.100 active', '10.0.0.101 expired', '10.0.0.102 expired']);
    expect(b.lease(2)).toBe('ACK 10.0.0.101 to link 10.0.0.101');
  });

  it('says what it is asked, and what every lease has', () => {
    const b = new Bench();
    const offer = b.say(1, DHCPDISCOVER, [[DHO_PARAMETER_LIST, Uint8Array.of(1, 15, 3, 6, 26)], [DHO_CLIENT_ID, Uint8Array.of(9, 9)]]);
    expect([...(offer?.message.options.keys() ?? [])]).toEqual([53, 54, 51, 58, 59, 1, 15, 3, 61]);
    expect([54, 51, 58, 59, 1, 15, 3].map((c) => text(offer, c))).toEqual(['10.0.0.1', '600', '300', '525', '255.255.255.0', '"lab"', '10.0.0.1']);
    expect([...(b.say(1, DHCPDISCOVER)?.message.options.keys() ?? [])]).toEqual([53, 54, 51, 58, 59, 1, 15, 3]);
  });

  it.each([[50, '100'], [700, '700'], [0xffffffff, '1200']])('a lease of %i seconds that a client wishes is one of %s', (wish, got) => {
    expect(text(new Bench().say(1, DHCPDISCOVER, [[DHO_LEASE_TIME, dho32(wish)]]), DHO_LEASE_TIME)).toBe(got);
  });

  it('leases that never end, when it is configured so', () => {
    const b = new Bench(CONF.replace('600', '4294967295').replace('1200', '4294967295'));
    b.lease(1);
    b.now = 1e18;
    expect(b.states()).toEqual(['10.0.0.100 active']);
  });

  it.each<[string, Partial<Dhcp4Message>, string]>([
    ['by broadcast when the client asks for that', { flags: DHCP4_FLAG_BROADCAST }, 'OFFER 10.0.0.100 to broadcast'],
    ['by broadcast to hardware that is not Ethernet', { htype: 32, chaddr: new Uint8Array(16).fill(1) }, 'OFFER 10.0.0.100 to broadcast'],
    ['by broadcast to who pretends to be a group', { chaddr: Uint8Array.of(1, 0, 0, 0, 0, 1) }, 'OFFER 10.0.0.100 to broadcast'],
    ['to the relay, and of its subnet', { giaddr: ip('10.1.0.1') }, 'OFFER 10.1.0.10 to relay 10.1.0.1'],
  ])('an offer goes %s', (_how, about, line) => {
    expect(shown(new Bench().say(1, DHCPDISCOVER, [], about))).toBe(line);
  });

  it('a relay may say where the client is (RFC 3527), and gets its words back, last of all', () => {
    const b = new Bench();
    const agent = dhoSubOptions([[1, utf8Encode('em7')], [RAI_LINK_SELECTION, dho32(ip('10.1.0.0'))]]);
    const offer = b.say(1, DHCPDISCOVER, [[DHO_RELAY_AGENT, agent]], { giaddr: ip('10.0.0.9') });
    expect([shown(offer), [...(offer?.message.options ?? [])].at(-1)]).toEqual(['OFFER 10.1.0.10 to relay 10.0.0.9', [DHO_RELAY_AGENT, agent]]);
  });

  it('a subnet nobody declared is not served', () => {
    const b = new Bench();
    expect([b.say(1, DHCPDISCOVER, [], { giaddr: ip('172.16.0.1') }), b.server.stats.noSubnet]).toEqual([null, 1]);
  });

  it('a shared network has the addresses of all its subnets', () => {
    const b = new Bench('shared-network s { subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.9; } subnet 10.0.1.0 netmask 255.255.255.0 { range 10.0.1.9; option routers 10.0.1.1; } }');
    expect([1, 2, 3].map((n) => b.lease(n))).toEqual(['ACK 10.0.0.9 to link 10.0.0.9', 'ACK 10.0.1.9 to link 10.0.1.9', 'none']);
    expect(text(b.say(2, DHCPDISCOVER), 3)).toBe('10.0.1.1');
  });
});

describe('reservations', () => {
  it('a host gets its address and its options, and nobody else gets the address', () => {
    const b = new Bench(CONF.replace('range 10.0.0.100 10.0.0.102', 'range 10.0.0.7 10.0.0.9'));
    const offer = b.say(0x77, DHCPDISCOVER);
    expect([shown(offer), text(offer, 12), text(offer, 3)]).toEqual(['OFFER 10.0.0.7 to link 10.0.0.7', '"web"', '10.0.0.1']);
    expect([1, 2, 3].map((n) => b.lease(n))).toEqual(['ACK 10.0.0.8 to link 10.0.0.8', 'ACK 10.0.0.9 to link 10.0.0.9', 'none']);
    expect(shown(b.say(5, DHCPREQUEST, b.wants('10.0.0.7')))).toBe('NAK 0.0.0.0 to broadcast');
  });

  it('by identifier as well; a group says what is common; unknown clients can be kept out', () => {
    const b = new Bench(`use-host-decl-names on; group { default-lease-time 900; host a { option dhcp-client-identifier 1:2:3; fixed-address 10.0.0.50; } }
      subnet 10.0.0.0 netmask 255.255.255.0 { pool { deny unknown-clients; range 10.0.0.60 10.0.0.61; } default-lease-time 300; }
      host known { hardware ethernet 02:00:00:00:00:05; }`);
    const offer = b.say(9, DHCPDISCOVER, [[DHO_CLIENT_ID, Uint8Array.of(1, 2, 3)]]);
    expect([shown(offer), text(offer, DHO_LEASE_TIME), text(offer, DHO_HOST_NAME)]).toEqual(['OFFER 10.0.0.50 to link 10.0.0.50', '900', '"a"']);
    expect([b.say(9, DHCPDISCOVER), b.server.stats.unknownClient]).toEqual([null, 1]);
    expect(shown(b.say(5, DHCPDISCOVER))).toBe('OFFER 10.0.0.60 to link 10.0.0.60');
  });
});

describe('what clients do', () => {
  it('who writes to the server alone is where its address is; who writes to all is where it is heard', () => {
    const b = new Bench();
    const far = { ciaddr: ip('10.1.0.10') };
    expect(shown(b.say(1, DHCPREQUEST, [], far, { ...VIA, unicast: true }))).toBe('ACK 10.1.0.10 to client 10.1.0.10');
    expect(shown(b.say(2, DHCPREQUEST, [], { ciaddr: ip('10.1.0.11') }))).toBe('NAK 0.0.0.0 to broadcast');
  });

  it('choosing another server frees the offer', () => {
    const b = new Bench();
    b.say(1, DHCPDISCOVER);
    expect(b.say(1, DHCPREQUEST, b.wants('10.0.0.9', '10.0.0.2'))).toBeNull();
    expect([b.states(), b.server.stats.otherServer]).toEqual([['10.0.0.100 released'], 1]);
  });

  it('renewing, rebinding, rebooting', () => {
    const b = new Bench();
    b.lease(1);
    b.now = 300 * SECOND;
    expect(shown(b.say(1, DHCPREQUEST, [], { ciaddr: ip('10.0.0.100') }))).toBe('ACK 10.0.0.100 to client 10.0.0.100');
    b.now = 800 * SECOND;
    expect(b.states()).toEqual(['10.0.0.100 active']);
    expect(shown(b.say(1, DHCPREQUEST, b.wants('10.0.0.100', null)))).toBe('ACK 10.0.0.100 to link 10.0.0.100');
    expect(shown(b.say(1, DHCPREQUEST, b.wants('192.168.0.9', null)))).toBe('NAK 0.0.0.0 to broadcast');
    expect(b.log.at(-1)).toBe('DHCPNAK on 192.168.0.9 to 02:00:00:00:00:01 via em0: wrong network');
    expect(shown(b.say(1, DHCPREQUEST, b.wants('10.9.0.9', null), { giaddr: ip('10.1.0.1') }))).toBe('NAK 0.0.0.0 to relay 10.1.0.1');
    expect(b.say(1, DHCPREQUEST, b.wants('10.9.0.9', null), { giaddr: ip('10.1.0.1') })?.message.flags).toBe(DHCP4_FLAG_BROADCAST);
  });

  it('a client nobody remembers keeps its address with an authoritative server; another is silent', () => {
    const [a, b] = [new Bench(), new Bench(CONF.replace('authoritative;', ''))];
    expect(shown(a.say(1, DHCPREQUEST, [], { ciaddr: ip('10.0.0.101') }))).toBe('ACK 10.0.0.101 to client 10.0.0.101');
    expect([b.say(1, DHCPREQUEST, [], { ciaddr: ip('10.0.0.101') }), b.say(1, DHCPREQUEST, b.wants('192.168.0.9', null)), b.server.stats.silent]).toEqual([null, null, 2]);
    b.lease(2);
    expect(shown(b.say(1, DHCPREQUEST, b.wants('10.0.0.100', null)))).toBe('NAK 0.0.0.0 to broadcast');
  });

  it('what is somebody else’s is refused', () => {
    const b = new Bench();
    b.lease(1);
    expect(shown(b.say(2, DHCPREQUEST, b.wants('10.0.0.100')))).toBe('NAK 0.0.0.0 to broadcast');
    expect(text(b.say(2, DHCPREQUEST, b.wants('10.0.0.100')), 56)).toBe('"lease not available"');
  });

  it('a declined address is left alone, and comes back when there is no other', () => {
    const b = new Bench();
    b.lease(1);
    b.say(2, DHCPDECLINE, b.wants('10.0.0.100'));
    expect(b.states()).toEqual(['10.0.0.100 active']);
    b.say(1, DHCPDECLINE, b.wants('10.0.0.100'));
    expect([b.states(), b.lease(1), b.lease(2), b.lease(3)]).toEqual([['10.0.0.100 abandoned'], 'ACK 10.0.0.101 to link 10.0.0.101', 'ACK 10.0.0.102 to link 10.0.0.102', 'none']);
    b.now = 600 * SECOND - 1;
    expect(b.lease(3)).toBe('none');
    b.now = 600 * SECOND;
    // Those of 1 and 2 have expired by now, and are taken first.
    expect([b.lease(3), b.lease(4), b.lease(5)]).toEqual(['ACK 10.0.0.101 to link 10.0.0.101', 'ACK 10.0.0.102 to link 10.0.0.102', 'ACK 10.0.0.100 to link 10.0.0.100']);
  });

  it('a released address is the client’s next time, unless somebody has it', () => {
    const b = new Bench();
    b.lease(1);
    b.lease(2);
    b.say(2, DHCPRELEASE, [], { ciaddr: ip('10.0.0.100') });
    expect(b.states()[0]).toBe('10.0.0.100 active');
    b.say(1, DHCPRELEASE, [], { ciaddr: ip('10.0.0.100') });
    expect(b.states()[0]).toBe('10.0.0.100 released');
    expect(b.lease(1)).toBe('ACK 10.0.0.100 to link 10.0.0.100');
  });

  it('who has an address already is told the rest', () => {
    const b = new Bench();
    const ack = b.say(1, DHCPINFORM, [], { ciaddr: ip('10.0.0.55') });
    expect([shown(ack), [...(ack?.message.options.keys() ?? [])]]).toEqual(['ACK 0.0.0.0 to client 10.0.0.55', [53, 54, 1, 15, 3]]);
    expect([b.say(1, DHCPINFORM), b.states()]).toEqual([null, []]);
  });

  it('an address that answers a ping is not offered', () => {
    const b = new Bench(`ping-check true; ${CONF}`);
    const offer = b.say(1, DHCPDISCOVER);
    const { ping } = offer ?? {};
    if (ping === null || ping === undefined) throw new Error('nothing to try');
    b.server.pinged(ping, b.now);
    expect([b.states(), shown(b.say(1, DHCPDISCOVER))]).toEqual([['10.0.0.100 abandoned'], 'OFFER 10.0.0.101 to link 10.0.0.101']);
  });
});

describe('bad clients', () => {
  it('a flood of questions holds addresses for seconds, and keeps nothing else', () => {
    const b = new Bench();
    for (let i = 0; i < 10_000; i++) b.say(1, DHCPDISCOVER, [], { chaddr: Uint8Array.of(2, 9, 0, i >> 16, i >> 8, i) });
    expect(b.server.leases.size).toBe(3);
    expect(b.lease(9)).toBe('none');
    b.now = 5 * SECOND;
    expect(b.lease(9)).toBe('ACK 10.0.0.100 to link 10.0.0.100');
  });

  it('no hardware address, no type, a reply, an endless name', () => {
    const b = new Bench();
    expect(b.say(1, DHCPDISCOVER, [], { chaddr: new Uint8Array(0) })).toBeNull();
    expect(b.say(1, 99)).toBeNull();
    expect(b.say(1, DHCPDISCOVER, [], { op: 2 })).toBeNull();
    expect(b.say(1, DHCPREQUEST)).toBeNull();
    expect(b.server.stats.malformed).toBe(4);
    b.lease(1, [[DHO_HOST_NAME, utf8Encode('x'.repeat(300))]]);
    expect(b.server.leases.list(0)[0]?.hostname.length).toBe(63);
  });

  it('an identifier that is empty is no identifier', () => {
    const b = new Bench();
    expect([b.lease(1, [[DHO_CLIENT_ID, new Uint8Array(0)]]), b.lease(2, [[DHO_CLIENT_ID, new Uint8Array(0)]])]).toEqual(['ACK 10.0.0.100 to link 10.0.0.100', 'ACK 10.0.0.101 to link 10.0.0.101']);
  });
});

describe('dhcpd.conf', () => {
  const SUBNET = 'subnet 10.0.0.0 netmask 255.255.255.0 {';
  it.each([
    ['frob;', 'line 1: frob: unknown statement'],
    ['range 10.0.0.1;', 'line 1: a range stands in a subnet'],
    ['subnet 10.0.0.0 netmask 255.255.255.0;', 'line 1: subnet ADDRESS netmask MASK { ... } is wanted'],
    ['subnet 10.0.0.1 netmask 255.255.255.0 { }', 'line 1: subnet 10.0.0.1/24: bits of the host are set'],
    [`${SUBNET} } subnet 10.0.0.0 netmask 255.255.0.0 { }`, 'line 1: subnet 10.0.0.0/16 and 10.0.0.0/24 have addresses in common'],
    [`${SUBNET}\n range 10.0.0.9 10.0.0.8; }`, 'line 2: range 10.0.0.9 10.0.0.8: the last address is before the first'],
    [`${SUBNET} range 10.0.1.9; }`, 'line 1: range 10.0.1.9 10.0.1.9 is not in subnet 10.0.0.0/24'],
    [`${SUBNET} range 10.0.0.0 10.0.0.9; }`, 'line 1: range 10.0.0.0 10.0.0.9 has the address of the network or of everybody in it'],
    [`${SUBNET} range 10.0.0.1 10.0.0.9; range 10.0.0.9; }`, 'line 1: range 10.0.0.9 10.0.0.9 has addresses of another range'],
    ['subnet 10.0.0.0 netmask 255.0.0.0 { range 10.0.0.1 10.4.0.1; }', 'line 1: range 10.0.0.1 10.4.0.1: more than 262144 addresses in all ranges'],
    ['host a { fixed-address 10.0.0.1; }', 'line 1: host a: nothing tells it apart (hardware ethernet, or option dhcp-client-identifier)'],
    ['host a { hardware ethernet x; }', 'line 1: hardware ethernet x: hardware ethernet 02:00:00:00:00:01 is wanted'],
    ['option routers 10.0.0;', 'line 1: option routers: 10.0.0: not an IPv4 address'],
    ['option interface-mtu 70000;', 'line 1: option interface-mtu: 70000: a number from 0 to 65535 is wanted'],
    ['option domain-name a b;', 'line 1: option domain-name: one text in quotes is wanted'],
    ['option classless-static-routes 10.0.0.0/33 10.0.0.1;', 'line 1: option classless-static-routes: 10.0.0.0/33 10.0.0.1: not a network and a router, as in 10.2.0.0/16 10.0.0.1'],
    ['option frob 1;', 'line 1: option frob: unknown (option-NUMBER with bytes is any option)'],
    ['option option-43 1:zz;', 'line 1: option option-43: zz: bytes in hexadecimal are wanted, as in 01:0a:ff'],
    ['default-lease-time 5;', 'line 1: default-lease-time 5: a number from 30 to 4294967295 is needed'],
    ['next-server x;', 'line 1: next-server x: an IPv4 address is wanted'],
    ['ddns-update-style interim;', 'line 1: ddns-update-style interim: names are not registered by DNS (only "none")'],
    ['allow bootp;', 'line 1: allow bootp: only unknown-clients can be allowed and denied'],
    ['ping-check 5;', 'line 1: ping-check 5: true or false is wanted'],
    ['pool { }', 'line 1: a pool stands in a subnet'],
    ['shared-network { }', 'line 1: shared-network NAME { ... } is wanted'],
  ])('refuses %s', (text, complaint) => {
    expect(() => dhcpdConf(text)).toThrow(complaint);
  });

  it('values of every kind are as they were written', () => {
    const words = [
      ['time-offset', '-3600'], ['ip-forwarding', 'on'], ['default-ip-ttl', '64'], ['static-routes', '10.0.0.0 10.0.0.1'], ['domain-search', '"a.b", "c"'], ['classless-static-routes', '10.0.0.0/8 10.0.0.1, 0.0.0.0/0 10.0.0.2'],
      ['vendor-encapsulated-options', '1:2:ff'], ['user-class', '"abc"'], ['option-150', '0a:0:0:1'], ['tftp-server-name', '"boot"'],
    ] as const;
    const { top } = dhcpdConf(words.map(([name, value]) => `option ${name} ${value};`).join('\n'));
    expect([...top.options].map(([code, data]) => optionText(code, data))).toEqual(['-3600', '1', '64', '10.0.0.0,10.0.0.1', '"a.b","c"', '10.0.0.0/8 10.0.0.1,0.0.0.0/0 10.0.0.2', '1:2:ff', '61:62:63', 'a:0:0:1', '"boot"']);
  });
});
