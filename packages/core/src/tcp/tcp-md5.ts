/**
 * tcp-md5.ts — TcpMd5: keys per peer, and the digests of segments.
 * Read first: RFC 2385 §2, §3; tcp(4), TCP_MD5SIG; setkey(8); freebsd `sys/netipsec/xform_tcp.c`.
 *
 * Theory of operation. As with setkey(8), a key is the vnet's: it is for all connections with one address, in both directions, and sockets say only whether
 * they use it (TCP_MD5SIG). So a SYN|ACK or a reset, which no socket sends, is signed, too. What is hashed is the pseudo header, the TCP header without
 * options and with no checksum, the data, and the key. A digest is of one segment, so a signed connection sends no
 * super-segments, and receives none: whoever coalesces leaves segments alone that have options other than timestamps.
 *
 * Keys have 1 to 80 bytes. There are at most `limit` peers.
 * Invariant: `digest` is the one made last.
 * Not here: who must sign (tcp-input.ts, tcp-output.ts, tcp-syncache.ts); key rollover and RFC 5925.
 *
 * @rfc 2385 2 yes
 * @rfc 2385 3 yes
 * @rfc 2385 4.5 yes
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENOBUFS, ENOENT } from '../base/errno.js';
import { MD5_LEN, Md5 } from '../base/md5.js';
import type { AuditRow } from '../kern/audit.js';
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { ip6W0NeedsZone } from '../wire/addr6.js';
import { IPPROTO_TCP } from '../wire/ipproto.js';
import { TCP_HDR_LEN, TCP_SUM, TCP_URP, TOF_SIGNATURE, TOF_SIGNATURE_CLASH, tcpOff } from '../wire/tcp.js';
import type { TcpEnds } from './tcp-ends.js';
import type { Segment } from './tcp-segment.js';

/** Bytes of a key. */
export const TCP_MD5_KEYLEN_MAX = 80;
const DEFAULT_LIMIT = 1_024;
const LIMIT_MAX = 65_536;

/** What signatures count, in the counters of TCP. */
export interface SigStats {
  sig_rcvgoodsig: number;
  sig_rcvbadsig: number;
  sig_err_buildsig: number;
  sig_err_sigopt: number;
  sig_err_nosigopt: number;
}

/** A peer and the key shared with it. */
class PeerKey {
  readonly f0: number;
  readonly f1: number;
  readonly f2: number;
  readonly f3: number;
  key: Uint8Array;

  constructor(inc: TcpEnds, key: Uint8Array) {
    this.f0 = inc.f0;
    this.f1 = inc.f1;
    this.f2 = inc.f2;
    this.f3 = inc.f3;
    this.key = key;
  }
}

const MD5_AUDIT: readonly AuditRow<TcpMd5>[] = [{ name: 'TCP signature keys', count: (t) => t.count }];

export class TcpMd5 {
  limit = DEFAULT_LIMIT;
  readonly digest = new Uint8Array(MD5_LEN);
  private readonly kern: VnetKern;
  private readonly owner: { readonly stats: SigStats };
  /** Chains by the last word of the address. */
  private peers: Map<number, PeerKey[]> | null = null;
  private md5: Md5 | null = null;
  count = 0;

  /** `owner` has the counters, made with the first count. */
  constructor(kern: VnetKern, owner: { readonly stats: SigStats }) {
    this.kern = kern;
    this.owner = owner;
    kern.sysctl.attach(MD5_SYSCTLS, this);
    kern.audit.attach(MD5_AUDIT, this);
  }

  destroy(): void {
    this.peers = null;
    this.count = 0;
    this.kern.sysctl.detach(this);
  }

  /** The key for the peer of `inc`, instead of the one there was; null: none any more. EINVAL for its length, ENOBUFS, ENOENT. */
  setKey(inc: TcpEnds, key: Uint8Array | null): Errno {
    const chain = this.peers?.get(inc.f3);
    const known = chain?.find((p) => isPeer(p, inc));
    if (key === null) {
      if (chain === undefined || known === undefined) return ENOENT;
      chain.splice(chain.indexOf(known), 1);
      if (chain.length === 0) this.peers?.delete(inc.f3);
      if (--this.count === 0) this.peers = null;
      return 0;
    }
    if (key.length < 1 || key.length > TCP_MD5_KEYLEN_MAX) return EINVAL;
    if (known !== undefined) {
      known.key = key.slice();
      return 0;
    }
    if (this.count >= this.limit) return ENOBUFS;
    this.count++;
    const made = new PeerKey(inc, key.slice());
    if (chain === undefined) (this.peers ??= new Map<number, PeerKey[]>()).set(inc.f3, [made]);
    else chain.push(made);
    return 0;
  }

  /** The peers, as words, and their keys. */
  list(): readonly PeerKey[] {
    return [...(this.peers?.values() ?? [])].flat();
  }

  /** Is there a key for the peer of `inc`? */
  hasKey(inc: TcpEnds): boolean {
    return this.keyOf(inc) !== null;
  }

  /**
   * Signs a segment to the peer of `inc`, complete but for its checksum: `len` bytes from the TCP header at `at`, the digest to be at `sigAt`. False,
   * counted, without a key.
   */
  sign(v: DataView, at: number, len: number, sigAt: number, inc: TcpEnds): boolean {
    const key = this.keyOf(inc);
    if (key === null) {
      this.owner.stats.sig_err_buildsig++;
      return false;
    }
    this.compute(v, at, len, inc, true, key);
    for (let i = 0; i < MD5_LEN; i++) v.setUint8(sigAt + i, this.digest[i]!);
    return true;
  }

  /** Is the digest at `sigAt` of a segment from the peer of `inc` right? Counted. False without a key, too. */
  verify(v: DataView, at: number, len: number, sigAt: number, inc: TcpEnds): boolean {
    const key = this.keyOf(inc);
    if (key === null) {
      this.owner.stats.sig_err_buildsig++;
      return false;
    }
    this.compute(v, at, len, inc, false, key);
    let differ = 0;
    for (let i = 0; i < MD5_LEN; i++) differ |= v.getUint8(sigAt + i) ^ this.digest[i]!;
    if (differ === 0) this.owner.stats.sig_rcvgoodsig++;
    else this.owner.stats.sig_rcvbadsig++;
    return differ === 0;
  }

  /** May a segment between `inc` pass, when its connection is `signed` or not? Both must agree, and a digest be right. Counted. */
  accepts(signed: boolean, seg: Segment, inc: TcpEnds): boolean {
    const { opts, m } = seg;
    const has = (opts.flags & TOF_SIGNATURE) !== 0;
    if (!signed && !has) return true;
    if (!has) {
      this.owner.stats.sig_err_nosigopt++;
      return false;
    }
    if (!signed || (opts.flags & TOF_SIGNATURE_CLASH) !== 0) {
      this.owner.stats.sig_err_sigopt++;
      return false;
    }
    return this.verify(m.view, seg.th, m.off + m.len - seg.th, opts.signatureOff, inc);
  }

  private keyOf(inc: TcpEnds): Uint8Array | null {
    const chain = this.peers?.get(inc.f3);
    if (chain === undefined) return null;
    for (let i = 0; i < chain.length; i++) if (isPeer(chain[i]!, inc)) return chain[i]!.key;
    return null;
  }

  /** @param out the segment is ours, so the local end is its source. */
  private compute(v: DataView, at: number, len: number, inc: TcpEnds, out: boolean, key: Uint8Array): void {
    const md5 = (this.md5 ??= new Md5()).init();
    if (inc.isV6) {
      putAddrs6(md5, inc, out);
      md5.word(len).word(IPPROTO_TCP);
    } else {
      md5.word(out ? inc.l3 : inc.f3).word(out ? inc.f3 : inc.l3).word((IPPROTO_TCP << 16) | len);
    }
    const hl = tcpOff(v, at);
    md5.updateView(v, at, TCP_SUM).byte(0).byte(0).updateView(v, at + TCP_URP, TCP_HDR_LEN - TCP_URP);
    md5.updateView(v, at + hl, len - hl).update(key).digest(this.digest);
  }
}

/** Source, then destination, as they are in packets. */
function putAddrs6(md5: Md5, inc: TcpEnds, out: boolean): void {
  if (out) md5.word(plainW0(inc.l0)).word(inc.l1).word(inc.l2).word(inc.l3);
  md5.word(plainW0(inc.f0)).word(inc.f1).word(inc.f2).word(inc.f3);
  if (!out) md5.word(plainW0(inc.l0)).word(inc.l1).word(inc.l2).word(inc.l3);
}

const plainW0 = (w0: number): number => (ip6W0NeedsZone(w0) ? w0 & ~0xffff : w0);

const isPeer = (p: PeerKey, inc: TcpEnds): boolean => p.f3 === inc.f3 && p.f2 === inc.f2 && p.f1 === inc.f1 && p.f0 === inc.f0;

const MD5_SYSCTLS: SysctlGroup<TcpMd5> = {
  prefix: 'net.inet.tcp',
  oids: [
    sysctlInt('md5sig_limit', 'limit', 'keys', 1, LIMIT_MAX, 'Maximum number of peers with a key for TCP-MD5 signatures'),
    sysctlRead('md5sig_count', 'int', 'keys', 'Peers with a key for TCP-MD5 signatures', (t) => t.count),
  ],
};
