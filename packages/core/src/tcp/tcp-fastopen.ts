/**
 * tcp-fastopen.ts — TcpFastopen: cookies that a server gives and believes, and those that a client was given.
 * Read first: RFC 7413 §4.1; freebsd `sys/netinet/tcp_fastopen.c`.
 *
 * Theory of operation. A server's cookie is a keyed hash of the client's address. There are two keys; the older is drawn anew every `autokey` seconds, when
 * somebody needs one (no timer), and a cookie made with either is believed, so that it is good for once to twice that time. A SYN whose
 * cookie is believed opens the connection at once, with its data; any other gets a cookie of the newest key with the SYN|ACK.
 *
 * A client keeps, by its own and the server's address and the server's port, the cookie and the segment size it was told, so that the data in the next SYN fit.
 * An attempt that went wrong (the SYN had to be sent again) makes the path one without Fast Open for `path_disable_time` seconds.
 * Beyond `ccache_limit` paths the one that was learned first gives way.
 *
 * Not here: FreeBSD's pre-shared keys (psk_enable, setpsk), keys set by hand (setkey), and the buckets of its cache: one limit is theirs.
 * @rfc 7413 4.1.2 yes
 * @rfc 7413 4.1.3 yes
 * @rfc 7413 4.1.3.1 yes
 */
import type { Prng } from '../base/prng.js';
import { SipHash } from '../base/siphash.js';
import { US_PER_SEC } from '../base/time.js';
import type { Micros } from '../base/time.js';
import type { AuditRow } from '../kern/audit.js';
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { ip4Format } from '../wire/addr.js';
import { ip6Format, ip6OfWords, ip6Plain } from '../wire/addr6.js';
import { TCP_FASTOPEN_MAX_COOKIE_LEN, TCP_FASTOPEN_MIN_COOKIE_LEN } from '../wire/tcp.js';
import type { TcpEnds } from './tcp-ends.js';

/** Bytes of the cookies this end makes. */
export const TCP_FASTOPEN_COOKIE_LEN = 8;
/** `check`: a cookie is to be sent; the one that came is believed. */
export const TFO_SEND = 0;
export const TFO_VALID = 1;

const KEYS = 2;
const DEFAULT_AUTOKEY_S = 120;
const DEFAULT_CCACHE_LIMIT = 4_096;
const CCACHE_LIMIT_MAX = 65_536;
const DEFAULT_PATH_DISABLE_S = 900;
const SECONDS_MAX = 7 * 86_400;

/** What a client knows of one server. */
export class TfoPath {
  readonly inc: TcpEnds;
  cookie: Uint8Array | null = null;
  /** The server's, 0: not told. */
  mss = 0;
  /** Not to be tried before that; 0: it may. */
  disabledUntil: Micros = 0;

  constructor(inc: TcpEnds) {
    this.inc = inc;
  }
}

const TFO_AUDIT: readonly AuditRow<TcpFastopen>[] = [{ name: 'TCP Fast Open paths', count: (t) => t.ccacheCount }];

export class TcpFastopen {
  serverEnable = 0;
  clientEnable = 1;
  acceptany = 0;
  autokey = DEFAULT_AUTOKEY_S;
  ccacheLimit = DEFAULT_CCACHE_LIMIT;
  pathDisableTime = DEFAULT_PATH_DISABLE_S;
  /** Paths that gave way to others. */
  ccacheEvicted = 0;
  /** Of `check`: the cookie to send. */
  readonly latest = new Uint8Array(TCP_FASTOPEN_COOKIE_LEN);
  private readonly kern: VnetKern;
  private readonly rng: Prng;
  /** The newest is first; none before somebody needs one. */
  private keys: SipHash[] = [];
  private keySince: Micros = 0;
  private paths: Map<string, TfoPath> | null = null;

  constructor(kern: VnetKern, rng: Prng) {
    this.kern = kern;
    this.rng = rng;
    kern.sysctl.attach(FASTOPEN_SYSCTLS, this);
    kern.audit.attach(TFO_AUDIT, this);
  }

  destroy(): void {
    this.paths = null;
    this.keys = [];
    this.kern.sysctl.detach(this);
  }

  get numkeys(): number {
    return this.keys.length;
  }

  get ccacheCount(): number {
    return this.paths?.size ?? 0;
  }

  /** A server looks at the cookie of `n` bytes at `at` of a SYN: TFO_*, and with TFO_SEND and TFO_VALID what is to be sent is in `latest`. */
  check(inc: TcpEnds, v: DataView, at: number, n: number): number {
    if (this.acceptany !== 0 && n > 0) {
      this.latest.fill(0);
      return TFO_VALID;
    }
    this.rotate();
    let valid = false;
    for (let i = this.keys.length - 1; i >= 0; i--) {
      const key = this.keys[i]!;
      makeCookie(key, inc, this.latest);
      if (n === TCP_FASTOPEN_COOKIE_LEN && sameBytes(this.latest, v, at)) valid = true;
    }
    return valid ? TFO_VALID : TFO_SEND;
  }

  /** What a client knows of the path of `inc`; null: nothing. Ask `mayTry` first. */
  path(inc: TcpEnds): TfoPath | null {
    return this.clientEnable === 0 ? null : (this.paths?.get(keyOf(inc)) ?? null);
  }

  /** May a client try Fast Open on the path of `inc`? A path whose time of punishment is over is one of which nothing is known. */
  mayTry(inc: TcpEnds): boolean {
    if (this.clientEnable === 0) return false;
    const p = this.paths?.get(keyOf(inc));
    if (p === undefined || p.disabledUntil === 0) return true;
    if (this.kern.engine.now < p.disabledUntil) return false;
    p.disabledUntil = 0;
    return true;
  }

  /** A client was given the cookie of `n` bytes at `at`, and a segment size. */
  learn(inc: TcpEnds, mss: number, v: DataView, at: number, n: number): void {
    if (this.clientEnable === 0) return;
    if (n < TCP_FASTOPEN_MIN_COOKIE_LEN || n > TCP_FASTOPEN_MAX_COOKIE_LEN) {
      this.disable(inc);
      return;
    }
    const p = this.make(inc);
    p.cookie = new Uint8Array(n);
    for (let i = 0; i < n; i++) p.cookie[i] = v.getUint8(at + i);
    p.mss = mss;
    p.disabledUntil = 0;
  }

  /** A client's attempt went wrong. A path that is disabled stays so for as long as it was. */
  disable(inc: TcpEnds): void {
    if (this.clientEnable === 0) return;
    const p = this.make(inc);
    p.cookie = null;
    p.mss = 0;
    if (p.disabledUntil === 0) p.disabledUntil = this.kern.engine.now + this.pathDisableTime * US_PER_SEC;
  }

  /** As `sysctl net.inet.tcp.fastopen.ccache_list` prints it. */
  ccacheList(): string {
    const { now } = this.kern.engine;
    const rows = [...(this.paths?.values() ?? [])].map((p) => {
      const { inc } = p;
      const left = Math.max(0, Math.ceil((p.disabledUntil - now) / US_PER_SEC));
      const disabled = left > 0 ? `${left}s`.padStart(8) : 'No'.padStart(8);
      const cookie = [...(p.cookie ?? [])].map((b) => b.toString(16).padStart(2, '0')).join('');
      const client = addrText(inc.isV6, inc.l0, inc.l1, inc.l2, inc.l3).padEnd(20);
      const server = addrText(inc.isV6, inc.f0, inc.f1, inc.f2, inc.f3).padEnd(20);
      return `${client} ${server} ${String(inc.fport).padStart(5)} ${String(p.mss).padStart(5)} ${disabled} ${cookie}`;
    });
    return ['', 'Local IP address     Remote IP address     Port   MSS Disabled Cookie', ...rows, ''].join('\n');
  }

  /** The server's side is switched on or off; off, its keys are gone. */
  setServer(on: number): void {
    if (on === 0) this.keys = [];
    this.serverEnable = on;
  }

  /** The client's side; off, what it knew is gone. */
  setClient(on: number): void {
    if (on === 0) this.paths = null;
    this.clientEnable = on;
  }

  private make(inc: TcpEnds): TfoPath {
    const paths = (this.paths ??= new Map<string, TfoPath>());
    const key = keyOf(inc);
    const known = paths.get(key);
    if (known !== undefined) return known;
    for (const oldest of paths.keys()) {
      if (paths.size < this.ccacheLimit) break;
      paths.delete(oldest);
      this.ccacheEvicted++;
    }
    const p = new TfoPath(inc.copy());
    paths.set(key, p);
    return p;
  }

  /** Draws the key that is due. Without `autokey` the first is for ever. */
  private rotate(): void {
    const { now } = this.kern.engine;
    const life = this.autokey * US_PER_SEC;
    if (this.keys.length > 0 && (life === 0 || now - this.keySince < life)) return;
    // Nobody asked for long: what the older key made is no longer good.
    if (now - this.keySince >= KEYS * life) this.keys = [];
    this.keys = [new SipHash().setRandomKey(this.rng), ...this.keys.slice(0, KEYS - 1)];
    this.keySince = now;
  }
}

function makeCookie(key: SipHash, inc: TcpEnds, to: Uint8Array): void {
  const { msg } = key;
  msg[0] = inc.f0;
  msg[1] = inc.f1;
  msg[2] = inc.f2;
  msg[3] = inc.f3;
  key.run(4);
  for (let i = 0; i < 4; i++) {
    to[i] = key.lo >>> (8 * i);
    to[i + 4] = key.hi >>> (8 * i);
  }
}

function sameBytes(cookie: Uint8Array, v: DataView, at: number): boolean {
  let differ = 0;
  for (let i = 0; i < cookie.length; i++) differ |= cookie[i]! ^ v.getUint8(at + i);
  return differ === 0;
}

const keyOf = (inc: TcpEnds): string => `${inc.l0} ${inc.l1} ${inc.l2} ${inc.l3} ${inc.f0} ${inc.f1} ${inc.f2} ${inc.f3} ${inc.fport}`;

const addrText = (v6: boolean, w0: number, w1: number, w2: number, w3: number): string => (v6 ? ip6Format(ip6Plain(ip6OfWords(w0, w1, w2, w3))) : ip4Format(w3 >>> 0));

const FASTOPEN_SYSCTLS: SysctlGroup<TcpFastopen> = {
  prefix: 'net.inet.tcp.fastopen',
  oids: [
    sysctlInt('acceptany', 'acceptany', 'bool', 0, 1, 'Accept any non-empty cookie'),
    sysctlInt('autokey', 'autokey', 's', 0, SECONDS_MAX, 'Number of seconds between auto-generation of a new key; zero disables'),
    sysctlInt('ccache_limit', 'ccacheLimit', 'paths', 1, CCACHE_LIMIT_MAX, 'Max entries in client cookie cache'),
    sysctlRead('ccache_count', 'int', 'paths', 'Entries in client cookie cache', (t) => t.ccacheCount),
    sysctlRead('ccache_evicted', 'int', 'paths', 'Entries of the client cookie cache that gave way to others', (t) => t.ccacheEvicted),
    { ...sysctlRead<TcpFastopen>('ccache_list', 'string', '', 'List of all client cookie cache entries', (t) => t.ccacheList()), skip: true },
    {
      leaf: 'client_enable', type: 'int', help: 'Enable/disable TCP Fast Open client functionality', unit: 'bool', min: 0, max: 1, get: (t) => t.clientEnable,
      set: (t, value) => {
        t.setClient(Number(value));
        return 0;
      },
    },
    sysctlRead('maxkeys', 'int', 'keys', 'Maximum number of keys supported', () => KEYS),
    sysctlRead('numkeys', 'int', 'keys', 'Number of keys installed', (t) => t.numkeys),
    sysctlInt('path_disable_time', 'pathDisableTime', 's', 0, SECONDS_MAX, 'Seconds a TFO failure disables a {client_ip, server_ip, server_port} path'),
    {
      leaf: 'server_enable', type: 'int', help: 'Enable/disable TCP Fast Open server functionality', unit: 'bool', min: 0, max: 1, get: (t) => t.serverEnable,
      set: (t, value) => {
        t.setServer(Number(value));
        return 0;
      },
    },
  ],
};
