/**
 * packet-syntax.ts — packets as a script writes them: `< [ce] P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 1 ecr 2>`.
 * Read first: docs/packetdrill.md, "Packets".
 *
 * Flags are letters as tcpdump has them: F S R P . U, E and W for ECE and CWR, `-` for none.
 */
import { IPTOS_ECN_CE, IPTOS_ECN_ECT0, IPTOS_ECN_ECT1, IPTOS_ECN_NOTECT } from '../../wire/ip4.js';
import { TH_ACK, TH_CWR, TH_ECE, TH_FIN, TH_PUSH, TH_RST, TH_SYN, TH_URG } from '../../wire/tcp.js';
import type { IcmpSpec, IpSpec, PacketSpec, QuotedSpec, TcpSpec, UdpSpec } from './script.js';
import { parseTcpOptions } from './tcp-option-syntax.js';
import type { TokenReader } from './token-reader.js';

const U16 = 0xffff;
const U32 = 0xffffffff;
/** Longest payload of an inbound packet, and of an expected one, which may be several segments in a row. */
const PAYLOAD_MAX = 65_535;

const FLAG_LETTERS: ReadonlyMap<string, number> = new Map([
  ['F', TH_FIN],
  ['S', TH_SYN],
  ['R', TH_RST],
  ['P', TH_PUSH],
  ['U', TH_URG],
  ['E', TH_ECE],
  ['W', TH_CWR],
]);

const ECN_MARKS: ReadonlyMap<string, number> = new Map([
  ['noecn', IPTOS_ECN_NOTECT],
  ['ect0', IPTOS_ECN_ECT0],
  ['ect1', IPTOS_ECN_ECT1],
  ['ce', IPTOS_ECN_CE],
]);

const OUTER_HEADERS = new Set(['ipv4', 'ipv6', 'gre', 'GREv0', 'mpls', 'encap', 'psp', 'sctp', 'udplite']);

/** A packet, from its `<` or `>` on. */
export function parsePacket(r: TokenReader): PacketSpec {
  const start = r.token.at;
  const inbound = r.accept('<');
  if (!inbound) r.expect('>');
  const ip = parseIpSpec(r, inbound);
  if (OUTER_HEADERS.has(r.token.text)) r.fail(`"${r.token.text}" headers are not supported; TCP, UDP and ICMP are`);
  const body = r.is('udp') ? parseUdp(r) : r.is('icmp') ? parseIcmp(r) : parseTcp(r, inbound);
  return { inbound, ip, body, text: r.source.slice(start, r.lastEnd) };
}

/** `[ect0]`, `(tos 0x10)`, `[ce, flowlabel 0x1]`. */
function parseIpSpec(r: TokenReader, inbound: boolean): IpSpec {
  let spec: IpSpec = { tosCheck: 'none', tos: 0, ttl: 0, flowLabel: 0 };
  const close = r.accept('[') ? ']' : r.accept('(') ? ')' : null;
  if (close === null) return spec;
  do {
    const name = r.word('ect0, ect1, ect01, ce, noecn, tos, ttl or flowlabel');
    const mark = ECN_MARKS.get(name);
    if (mark !== undefined) spec = { ...spec, tosCheck: 'ecn', tos: mark };
    else if (name === 'ect01' && !inbound) spec = { ...spec, tosCheck: 'ect01' };
    else if (name === 'tos' || name === 'class') spec = { ...spec, tosCheck: 'tos', tos: r.int('tos', 0, 255) };
    else if (name === 'ttl' || name === 'hlim') spec = { ...spec, ttl: r.int('ttl', 1, 255) };
    else if (name === 'flowlabel') spec = { ...spec, flowLabel: r.int('flowlabel', 0, 0xfffff) };
    else r.fail(name === 'ect01' ? '[ect01] is for outbound packets' : `"${name}" in [] is not supported`);
  } while (r.accept(','));
  r.expect(close);
  return spec;
}

/** `8080 > 1234` when it is there. */
function parsePorts(r: TokenReader): readonly [number, number] {
  if (r.token.kind !== 'int' || r.ahead(1).text !== '>') return [0, 0];
  const src = r.int('port', 0, U16);
  r.expect('>');
  return [src, r.int('port', 0, U16)];
}

function parseTcp(r: TokenReader, inbound: boolean): TcpSpec {
  const [srcPort, dstPort] = parsePorts(r);
  const flags = parseFlags(r);
  const { seq, payload, absolute } = parseSeq(r);
  const ack = r.accept('ack') ? r.int('ack', 0, U32) : 0;
  const win = r.accept('win') ? r.int('win', 0, U16) : null;
  if (inbound && win === null) r.fail('window must be specified for inbound packets');
  const urp = r.accept('urg') ? r.int('urg', 0, U16) : 0;
  const options = parseTcpOptions(r, inbound);
  if (inbound && seq === null) r.fail('a sequence number must be specified for inbound packets');
  if (r.is('/')) r.fail('UDP encapsulation is not supported');
  return { proto: 'tcp', srcPort, dstPort, flags, seq, absolute, payload, ack, win, urp, options };
}

function parseFlags(r: TokenReader): number {
  if (r.accept('-')) return 0;
  let flags = 0;
  if (r.token.kind === 'word') {
    for (const c of r.token.text) {
      const bit = FLAG_LETTERS.get(c);
      if (bit === undefined) return r.fail(/[0-7A]/.test(c) ? `"${r.token.text}": accurate ECN is not supported` : `expected TCP flags, udp or icmp, not "${r.token.text}"`);
      flags |= bit;
    }
    r.take();
  } else if (r.token.kind === 'float') {
    return r.fail(`"${r.token.text}": accurate ECN is not supported`);
  } else if (!r.is('.')) {
    return r.fail(`expected TCP flags, udp or icmp, not "${r.token.text}"`);
  }
  return r.accept('.') ? flags | TH_ACK : flags;
}

/** `1:1001(1000)`; `0:0(0)!`, which is what is on the wire and not counted from the initial number; or `...(0)`: whatever it is. */
function parseSeq(r: TokenReader): { seq: number | null; payload: number; absolute: boolean } {
  if (r.token.kind === 'ellipsis') {
    r.take();
    r.expect('(');
    const payload = r.int('payload', 0, PAYLOAD_MAX);
    r.expect(')');
    return { seq: null, payload, absolute: false };
  }
  const seq = r.int('sequence number', 0, U32);
  r.expect(':');
  const end = r.int('sequence number', 0, U32);
  r.expect('(');
  const payload = r.int('payload', 0, PAYLOAD_MAX);
  if (((seq + payload) >>> 0) !== end) r.fail(`inconsistent TCP sequence numbers and payload size: ${seq}:${end}(${payload})`);
  r.expect(')');
  return { seq, payload, absolute: r.accept('!') };
}

/** `udp (1000)`, `udp 5000 > 53 (100)`. */
function parseUdp(r: TokenReader): UdpSpec {
  r.expect('udp');
  const [srcPort, dstPort] = parsePorts(r);
  r.expect('(');
  if (r.token.kind !== 'int') r.fail('UDP encapsulation is not supported');
  const payload = r.int('payload', 0, PAYLOAD_MAX);
  r.expect(')');
  return { proto: 'udp', srcPort, dstPort, payload };
}

/** `icmp unreachable frag_needed mtu 1200 [1:1001(1000)]`. */
function parseIcmp(r: TokenReader): IcmpSpec {
  r.expect('icmp');
  const type = r.word('an ICMP type');
  const code = r.token.kind === 'word' && !r.is('mtu') && !r.is('id') ? r.take().text : '';
  const mtu = r.accept('mtu') ? r.int('mtu', 0, U32) : -1;
  const id = r.accept('id') ? r.int('id', 0, U16) : 0;
  return { proto: 'icmp', type, code, mtu, id, quoted: parseQuoted(r) };
}

function parseQuoted(r: TokenReader): QuotedSpec {
  if (!r.accept('[')) return { proto: 'tcp', seq: 0, payload: 0 };
  let quoted: QuotedSpec;
  if (r.accept('udp')) {
    r.expect('(');
    quoted = { proto: 'udp', payload: r.int('payload', 0, PAYLOAD_MAX) };
    r.expect(')');
  } else {
    const { seq, payload } = parseSeq(r);
    quoted = { proto: 'tcp', seq: seq ?? 0, payload };
  }
  r.expect(']');
  return quoted;
}
