/**
 * pcap-expressions.ts — filter expressions for tests: a table of what people write and of every primitive, a table of mistakes, and
 * random ones of the language's whole grammar, from a seed. The constants are those of pcap-frames.ts.
 */
import { Prng } from '@netloom/core';

export const EXPRESSIONS: readonly string[] = [
  'ip', 'ip6', 'arp', 'rarp', 'tcp', 'udp', 'sctp', 'icmp', 'icmp6', 'igmp', 'igrp', 'pim', 'vrrp', 'carp', 'ah', 'esp', 'atalk', 'aarp',
  'decnet', 'lat', 'sca', 'moprc', 'mopdl', 'iso', 'clnp', 'esis', 'isis', 'l1', 'l2', 'iih', 'lsp', 'snp', 'csnp', 'psnp', 'stp', 'ipx',
  'netbeui', 'host 10.0.0.1', 'host 10.1', 'src host 10.0.0.1', 'dst host 10.0.0.1', 'src or dst host 10.0.0.1',
  'src and dst host 10.0.0.1', 'dst and src 10.0.0.1', 'ip host 10.0.0.1', 'arp host 10.0.0.1', 'rarp dst host 10.0.0.1',
  'host 10.0.0.1 or 10.0.0.2', 'host 10.0.0.1 and 10.0.0.2', 'host 10.0.0.1 and not 10.0.0.2', 'host (10.0.0.1 or 10.0.0.2) and port 80',
  'not host 10.0.0.1', 'net 10', 'net 10.1', 'net 10.0.0.0/8', 'src net 192.0.2.0/24', 'net 0.0.0.0/0',
  'net 192.0.2.0 mask 255.255.255.0', 'dst net 192.0.2.0 mask 255.255.255.0 or 198.51.100.0/24', 'ip6 host 2001:db8::1',
  'host 2001:db8::1', 'src host fe80::1 or 10.0.0.1', 'net 2001:db8::/32', 'net 2001:db8::/65', 'src net fe80::/10', 'net ::/0',
  'host ::ffff:10.0.0.1', 'port 80', 'tcp port 80', 'udp port 53', 'sctp port 5', 'port 80 or 443', 'port (80 or 443)', 'src port 80',
  'tcp dst port 80 or 443', 'src and dst port 53', 'src or dst port 53', 'portrange 5-10', 'tcp portrange 1000-2000',
  'udp src portrange 10-5', 'portrange 80', 'port domain', 'tcp port domain', 'udp port domain', 'portrange 5-domain', 'ip proto 17',
  'ip proto \\tcp', 'ip6 proto 6', 'ip6 proto \\udp', 'proto 89', 'proto \\ospf', 'ip proto 256', 'ether proto 0x800',
  'ether proto \\ip', 'ether proto \\arp or \\rarp', 'ether proto 0x42', 'ether proto \\stp', 'ether proto 6', 'iso proto \\isis',
  'ether host 02:00:00:00:00:01', 'ether src 02:00:00:00:00:01', 'ether dst ff:ff:ff:ff:ff:ff', 'ether src or dst 0200.0000.0001',
  'ether host 02-0-0-0-0-1 or 02:00:00:00:00:02', 'ether src and dst host 020000000001', 'not ether host 02:00:00:00:00:01', 'broadcast',
  'ether broadcast', 'multicast', 'ether multicast', 'ip multicast', 'ip6 multicast', 'vlan', 'vlan 5', 'vlan 5 and tcp', 'vlan 5 or 6',
  'vlan and vlan', 'vlan 1 and vlan 2 and host 10.0.0.1', 'vlan and ip', 'ip and vlan', 'not vlan', '(vlan 5 and ip) or ip',
  'vlan 5 or ip', 'vlan and ether host 02:00:00:00:00:01', 'vlan and tcp port 80', 'vlan and ether[12] = 3', 'mpls', 'mpls 1000',
  'mpls 1000 and mpls 2000 and ip', 'mpls and host 10.0.0.1', 'vlan and mpls and ip6', 'pppoed', 'pppoes', 'pppoes 5', 'pppoes and ip',
  'pppoes and tcp port 80', 'pppoes 7 and ip6 host 2001:db8::1', 'vlan 5 and pppoes 7 and udp', 'less 64', 'greater 100',
  'less 0x40 or greater 1000', 'len > 100', 'len = 60', 'len <= 60', 'len != 60', 'length < 60', '10 < len', '60 = len',
  'ether[0] & 1 != 0', 'ether[0] & 1 = 0', 'ip[0] & 0xf != 5', 'ip[6:2] & 0x1fff = 0', 'ip[8] < 5', 'ip[2:2] - ip[9] > 100',
  'ip[12:4] = 0x0a000001', 'ip[12:4] = ip[16:4]', 'ip[-2:2] = 0x800', 'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0', 'tcp[13] = 2',
  'tcp[tcpflags] == tcp-syn', 'tcp[0:2] = tcp[2:2]', 'tcp[0:2] > 1023 and tcp[2:2] < 1024', 'tcp[12] >> 4 = 5',
  'tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420', 'tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)',
  'icmp[icmptype] = icmp-echo', 'icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply', 'icmp[0] = 8 or icmp[0] = 0',
  'icmp6[icmp6type] = icmp6-echo', 'icmp6[0] >= 133 and icmp6[0] <= 137', 'ip6[6] = 58', 'ip6[ip6[6]] = 3', 'arp[6:2] = 1',
  'arp[6:2] = 2 and arp[14:4] = 0x0a000001', 'udp[4:2] > 100', 'udp[8] + udp[9] = 5', 'udp[8] * 2 = 10', 'udp[8] / 2 = 10',
  'udp[8] % 3 = 1', 'udp[8] ^ 5 = 1', 'udp[8] | 5 = 7', 'udp[8] << 2 = 20', 'udp[8:4] - 1 > 0', '-udp[8] = 0xffffffff',
  'udp[8] / udp[9] = 2', 'udp[8] % udp[9] = 2', 'udp[8] << udp[9] = 4', '(udp[8] + udp[9]) * (udp[10] - udp[11]) = 7',
  'udp[8] + udp[9] * udp[10] - udp[11] = 7', 'ip[0] + tcp[0] = 3', '1 + tcp[0] = 81', 'igmp[0] = 0x11', 'pim[0] = 0', 'vrrp[0] = 0x21',
  'link[12:2] = 0x806', 'ether[6:4] = 0x02000000 and ether[10:2] = 1', 'ether[12:2] > 1500', 'ether[len - 1] = 0', 'ether[len-1] = 0',
  '5 = 5', 'byte 0 = 2', 'byte 0 > 2', 'byte 0 < 2', 'tcp and not port 22', 'tcp and (port 80 or port 443) and not host 10.0.0.1',
  'ip and not tcp and not udp', 'not arp and not rarp', 'not (arp or icmp)', '! ip', '!(tcp port 80)', 'tcp or udp or icmp',
  '(tcp or udp) and port 53', 'tcp and udp', 'tcp || udp && ip', 'ip or ip6 or arp',
  'arp or (icmp and icmp[0] = 8) or (udp port 67 or 68)', 'udp port 67 or udp port 68', 'udp portrange 67-68',
  'icmp or arp and host 10.0.0.1', 'host 10.0.0.1 and (tcp port 80 or udp port 53)', 'src 10.0.0.1 and dst 10.0.0.2',
  'src 10.0.0.1 && dst port 53', '(src 10.0.0.1 and dst 10.0.0.2) or (src 10.0.0.2 and dst 10.0.0.1)',
  'ip host 10.0.0.1 and tcp src port 80 and tcp[13] & 2 != 0', 'ether multicast and not ether broadcast', 'ip and ip6',
  'port 80 or (tcp port 22) or 443', 'host 10.0.0.1 or host 10.0.0.2 or host 10.0.0.3', 'tcp[13] & 7 = 2 or tcp[13] & 7 = 4',
  'ip[8] > 5 and ip[8] < 10', 'ip[9] = 6 or ip[9] = 17', 'ip[9] = 6 and tcp port 80', 'ether proto 0x88cc or arp',
  'ether[20:2] = 0x2000',
];

/** Expressions that tcpdump refuses on Ethernet. Those our compiler does not know on purpose are in compile-filter.test.ts. */
export const MISTAKES: readonly string[] = [
  'foo', 'tcp and', '(tcp', 'tcp)', 'not', '@', 'ip[0', 'ip[1] + 1', 'ip 10.0.0.1', 'net 10/8', 'src proto 6', 'host ((10.0.0.1))',
  'host ((10.0.0.1) or 10.0.0.2)', 'port (80 or tcp)', 'tcp or 443', '(tcp port 80) or 443', 'net foo', 'ether host foo', 'port no-such',
  'portrange no-80', 'ip proto no-such', 'ether proto no-such', 'iso proto no-such', 'tcp proto no-such', 'port 70000',
  'portrange 1-70000', 'arp port 80', 'port 10.0.0.1', 'proto 10.0.0.1', 'host 10.0.0.256', 'net 10.0.0.1/24',
  'net 10.0.0.1 mask 255.255.255.0', 'net 10.0.0.0/33', 'net ::/129', 'host 10.0.0.0/24', 'host fe80::/10', 'port ::1', 'ip host ::1',
  'arp net fe80::/10', 'ether host ::1', 'ip6 host 10.0.0.1', 'tcp host 10.0.0.1', 'tcp net 10', 'atalk host 10.0.0.1',
  'iso host 10.0.0.1', 'lat host 10.0.0.1', 'stp host 10.0.0.1', 'ether host 10.0.0.1', 'ether host 5', 'ether net 10.0.0.0/8',
  'host 02:00:00:00:00:01', 'ether net 02:00:00:00:00:01', 'ether', 'radio', 'tcp proto 3', 'arp proto 3', 'lat proto 3',
  'atalk proto 3', 'decnet proto 3', 'clnp proto 3', 'stp proto 3', 'tcp broadcast', 'tcp multicast', 'gateway foo', 'gateway 10.0.0.1',
  'gateway 5', 'vlan 5000', 'mpls 1048576', 'pppoes 65536', 'mpls and vlan', 'mpls and arp', 'pppoes and vlan', 'pppoes and broadcast',
  'ip[0:3] = 1', 'stp[0] = 1', 'radio[0] = 1', 'ip[0] / 0 = 1', 'ip[0] % 0 = 1', 'ip[0] << 32 = 1', 'ip and arp', 'tcp and udp and ip',
  '1 = 2', 'lane', 'oamf4ec', 'vpi 1', 'fisu', 'lsu', 'hmsu', 'sio 1', 'hopc 1', 'ifname em0', 'on em0', 'rset x', 'rnr 1', 'srnr 1',
  'reason match', 'action pass', 'type mgt', 'dir tods', 'ra port 80', 'ta portrange 80', 'addr1 10.0.0.1',
  'ether addr2 02:00:00:00:00:01', 'ether ra 02:00:00:00:00:01', '99999999999', 'port 08', 'host a:b:', '1:2:3:4:5:6:7',
  'host ::1.2.3.400', 'link host $ab', 'len > 5 =', 'vlan (5', 'less tcp', 'byte 1 + 2', 'tcp[0', 'tcp[0:tcp]=1', 'and tcp', 'tcp ip',
  'host', 'port 80 or or 90', 'host 10.0.0.1 mask 255.0.0.0', 'net 10.0.0.0 mask 24', '10.0.0.1', '80', 'src', 'dst or dst 10.0.0.1',
  'src or tcp',
];

const HOSTS = ['10.0.0.1', '10.0.0.2', '10.1', '192.0.2.1', '2001:db8::1', 'fe80::1', '::ffff:10.0.0.1'];
const NETS = ['10', '10.1', '10.0.0.0/8', '192.0.2.0/24', '192.0.2.0 mask 255.255.255.0', '0.0.0.0/0', '2001:db8::/32', 'fe80::/10'];
const MACS = ['02:00:00:00:00:01', '0200.0000.0002', 'ff-ff-ff-ff-ff-ff'];
const PORTS = ['22', '53', '80', '443', 'domain', '0x50'];
const RANGES = ['20-80', '80-20', '67-68', '53'];
const PROTOCOLS = [
  'ip', 'ip6', 'arp', 'rarp', 'tcp', 'udp', 'sctp', 'icmp', 'icmp6', 'igmp', 'pim', 'vrrp', 'esp', 'ah', 'stp', 'ipx', 'isis', 'l1', 'atalk', 'iso',
];
const LOADS = ['ether', 'ip', 'ip6', 'tcp', 'udp', 'icmp', 'arp', 'icmp6', 'sctp', 'igmp'];
const DIRECTIONS = ['', '', 'src ', 'dst ', 'src or dst ', 'src and dst '];

class ExpressionWriter {
  private readonly prng: Prng;

  constructor(prng: Prng) {
    this.prng = prng;
  }

  private pick<T>(choices: readonly T[]): T {
    return choices[this.prng.below(choices.length)]!;
  }

  expression(depth: number): string {
    const terms = Array.from({ length: 1 + this.prng.below(depth > 0 ? 3 : 1) }, () => this.term(depth));
    return terms.reduce((left, right) => `${left} ${this.pick(['and', 'or', '&&', '||'])} ${right}`);
  }

  private term(depth: number): string {
    const kind = this.prng.below(depth > 0 ? 14 : 9);
    if (kind >= 12) return `(${this.expression(depth - 1)})`;
    if (kind >= 10) return `${this.pick(['not ', '!'])}${this.term(depth - 1)}`;
    if (kind >= 7) return this.relation();
    return this.primitive();
  }

  private primitive(): string {
    switch (this.prng.below(13)) {
      case 0:
        return `${this.pick(['', '', 'ip ', 'arp ', 'ip6 '])}${this.pick(DIRECTIONS)}host ${this.list(HOSTS)}`;
      case 1:
        return `${this.pick(DIRECTIONS)}net ${this.list(NETS)}`;
      case 2:
      case 3:
        return `${this.pick(['', 'tcp ', 'udp ', 'sctp '])}${this.pick(DIRECTIONS)}port ${this.list(PORTS)}`;
      case 4:
        return `${this.pick(['', 'tcp ', 'udp '])}${this.pick(DIRECTIONS)}portrange ${this.list(RANGES)}`;
      case 5:
        return `ether ${this.pick(DIRECTIONS)}host ${this.list(MACS)}`;
      case 6:
        return this.pick(['ip proto ', 'ip6 proto ', 'proto ']) + this.list(['6', '17', '\\udp', '1', '58']);
      case 7:
        return `ether proto ${this.list(['0x800', '0x86dd', '\\arp', '0x42', '\\stp', '6'])}`;
      case 8:
        return this.pick(['broadcast', 'multicast', 'ip multicast', 'ip6 multicast', 'ether broadcast']);
      case 9:
        return this.pick(['vlan', 'vlan 5', 'vlan 1', 'mpls', 'mpls 1000', 'pppoes 7', 'pppoed', 'less 60', 'greater 100', 'byte 1 > 3', 'byte 12 = 8']);
      default:
        return this.pick(PROTOCOLS);
    }
  }

  /** An identifier, or several with the qualifiers of the first. */
  private list(choices: readonly string[]): string {
    const [a, b] = [this.pick(choices), this.pick(choices)];
    switch (this.prng.below(8)) {
      case 0:
        return `${a} or ${b}`;
      case 1:
        return `(${a} or ${b})`;
      case 2:
        return `${a} and not ${b}`;
      default:
        return a;
    }
  }

  private relation(): string {
    const relation = this.pick(['=', '!=', '>', '<', '>=', '<=', '==']);
    return `${this.arithmetic(2)} ${relation} ${this.pick([this.number(), this.number(), this.arithmetic(1)])}`;
  }

  private number(): string {
    return this.pick(['0', '1', '2', '5', '8', '0x10', '255', '0x800', '100', 'icmp-echo', 'tcp-syn']);
  }

  private arithmetic(depth: number): string {
    const kind = this.prng.below(depth > 0 ? 10 : 6);
    if (kind === 0) return this.number();
    if (kind === 1) return 'len';
    if (kind < 6) return `${this.pick(LOADS)}[${this.index(depth)}${this.pick(['', '', ':1', ':2', ':4'])}]`;
    if (kind === 6) return `(${this.arithmetic(depth - 1)})`;
    const operator = this.pick(['+', '-', '*', '&', '|', '^', '<<', '>>', '/', '%']);
    const right = operator === '<<' || operator === '>>' ? this.pick(['1', '4', 'ip[0] & 3']) : this.pick([this.number(), this.arithmetic(depth - 1)]);
    return `${this.arithmetic(depth - 1)} ${operator} ${right}`;
  }

  private index(depth: number): string {
    return depth > 1 && this.prng.below(6) === 0 ? `${this.pick(['ip[0] & 7', '(tcp[12] & 0xf0) >> 2', 'ip[8]'])}` : String(this.pick([0, 2, 6, 8, 9, 12, 13]));
  }
}

/** `count` expressions. Most have the form of one; what they mean may still be refused. */
export function randomExpressions(count: number, seed: number): string[] {
  const writer = new ExpressionWriter(new Prng(seed));
  return Array.from({ length: count }, () => writer.expression(2));
}
