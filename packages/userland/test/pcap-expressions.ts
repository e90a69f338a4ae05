/**
 * pcap-expressions.ts — filter expressions for tests: random ones of the language's whole grammar, from a seed.
 * The constants are those of pcap-frames.ts.
 */
import { Prng } from '@netloom/core';

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
        return this.pick(['broadcast', 'multicast', 'ip multicast', 'ip6 multicast', 'ip broadcast', 'ether broadcast']);
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
    return depth > 1 && this.prng.below(6) === 0 ? `${this.pick(['ip[0] & 7', '(tcp[12] & 0xf0) >> 2', 'len - 60', 'ip[8]'])}` : String(this.prng.below(20));
  }
}

/** `count` expressions. Most have the form of one; what they mean may still be refused. */
export function randomExpressions(count: number, seed: number): string[] {
  const writer = new ExpressionWriter(new Prng(seed));
  return Array.from({ length: count }, () => writer.expression(2));
}
