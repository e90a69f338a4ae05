/**
 * gateway-policy.ts — GatewayPolicy: where a flow leads, if it is allowed.
 * Read first: docs/gateway.md, "What is reached, and what is not".
 *
 * In this order: a rule (a port here that is a service of the host); an address of the gateway, which stands for the host itself and leads to its
 * loopback, if that is allowed; anything else by itself, if guests may go out. The host's loopback is reached in the first two ways only: an address
 * of 127/8, 0/8 or ::1 comes through no interface but loopback.
 */
import { EACCES, ECONNREFUSED, EEXIST, EHOSTUNREACH, ENOENT } from '../base/errno.js';
import type { Errno } from '../base/errno.js';
import type { InNet } from '../inet/in-net.js';
import type { TcpEnds } from '../tcp/tcp-ends.js';
import { ip4Format, ip4Parse } from '../wire/addr.js';
import { ip6Format, ip6OfWords, ip6Parse, ip6Plain, ip6Word } from '../wire/addr6.js';
import type { HostEnd } from './gateway-host.js';

export type GatewayProto = 'tcp' | 'udp';

/** A port on this side that is a service of the host (`forward --reverse`). */
export interface ReverseRule {
  readonly proto: GatewayProto;
  /** Which address a guest connects to; '' for every address of the gateway. */
  readonly address: string;
  readonly port: number;
  readonly to: HostEnd;
}

/** A rule, and its address as words: 4 in the order of TcpEnds, v4-mapped for IPv4; null: every address of the gateway. */
interface Rule extends ReverseRule {
  readonly words: readonly number[] | null;
}

const V4_MAPPED = 0xffff;

/** An address as the words of TcpEnds; null: it is none. */
export function endWords(address: string): readonly number[] | null {
  const v4 = ip4Parse(address);
  if (v4 !== null) return [0, 0, V4_MAPPED, v4 | 0];
  const v6 = ip6Parse(address);
  return v6 === null ? null : [0, 1, 2, 3].map((i) => ip6Word(v6, i));
}

const sameWords = (words: readonly number[], e: TcpEnds): boolean => words[3] === e.l3 && words[2] === e.l2 && words[1] === e.l1 && words[0] === e.l0;

export class GatewayPolicy {
  /** Its own addresses, as words of TcpEnds. */
  private readonly own: readonly (readonly number[])[];
  private readonly inNet: InNet;
  private rules: Rule[] = [];
  /** Are they the host's loopback? */
  readonly loopback: boolean;
  /** May guests go out at all? */
  readonly outbound: boolean;

  constructor(inNet: InNet, own: readonly string[], loopback: boolean, outbound: boolean) {
    this.inNet = inNet;
    this.own = own.map((address) => endWords(address)).filter((words) => words !== null);
    this.loopback = loopback;
    this.outbound = outbound;
  }

  /** A flow to the local end of `e`, an address that is one of ours: is it the gateway's to answer? */
  claims(proto: GatewayProto, e: TcpEnds): boolean {
    return this.ruleFor(proto, e) !== null || (this.loopback && this.isOwn(e));
  }

  /** Where a flow to the local end of `e` leads. EACCES, ECONNREFUSED: not allowed; EHOSTUNREACH: to nowhere. */
  target(proto: GatewayProto | 'echo', e: TcpEnds): HostEnd | Errno {
    const rule = proto === 'echo' ? null : this.ruleFor(proto, e);
    if (rule !== null) return rule.to;
    const family = e.isV6 ? 6 : 4;
    if (this.isOwn(e)) return this.loopback ? { family, address: e.isV6 ? '::1' : '127.0.0.1', port: e.lport } : ECONNREFUSED;
    if (!this.outbound) return EACCES;
    if (!e.isV6 && !this.inNet.canForward(e.laddr)) return EHOSTUNREACH;
    return { family, address: e.isV6 ? ip6Format(ip6Plain(ip6OfWords(e.l0, e.l1, e.l2, e.l3))) : ip4Format(e.laddr), port: e.lport };
  }

  /** EEXIST: that port of that address has a rule. */
  add(rule: ReverseRule): Errno {
    if (this.rules.some((r) => isSame(r, rule))) return EEXIST;
    this.rules = [...this.rules, { ...rule, words: rule.address === '' ? null : endWords(rule.address) }];
    return 0;
  }

  /** ENOENT: there is no such rule. */
  remove(rule: Pick<ReverseRule, 'proto' | 'address' | 'port'>): Errno {
    const kept = this.rules.filter((r) => !isSame(r, rule));
    const error = kept.length === this.rules.length ? ENOENT : 0;
    this.rules = kept;
    return error;
  }

  list(): readonly ReverseRule[] {
    return this.rules;
  }

  private isOwn(e: TcpEnds): boolean {
    return this.own.some((words) => sameWords(words, e));
  }

  private ruleFor(proto: GatewayProto, e: TcpEnds): Rule | null {
    for (const r of this.rules) if (r.port === e.lport && r.proto === proto && (r.words === null ? this.isOwn(e) : sameWords(r.words, e))) return r;
    return null;
  }
}

function isSame(a: Pick<ReverseRule, 'proto' | 'address' | 'port'>, b: Pick<ReverseRule, 'proto' | 'address' | 'port'>): boolean {
  return a.proto === b.proto && a.address === b.address && a.port === b.port;
}
