/**
 * sockopt-tcp.ts — the options of stream sockets: IPPROTO_TCP ones, and those of SOL_SOCKET that only they have.
 * Read first: tcp(4), setsockopt(2).
 *
 * Flags are 0 or 1; times are seconds, as in tcp(4), but for TCP_USER_TIMEOUT, which Linux gave in milliseconds and nobody has in another unit.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENOPROTOOPT, EOPNOTSUPP } from '../base/errno.js';
import { US_PER_MS, US_PER_SEC } from '../base/time.js';
import { TF_FASTOPEN, TF_NODELAY, TF_NOOPT, TF_NOPUSH, TF_SIGNATURE, TF_UTO } from '../tcp/tcpcb.js';
import type { TcpCb } from '../tcp/tcpcb.js';
import { tcpOutput } from '../tcp/tcp-output.js';
import { TCPS_CLOSING, TCPS_LISTEN, tcpMaySend } from '../tcp/tcp-state.js';
import { tcpSetKeep } from '../tcp/tcp-timer.js';

interface TcpOption {
  get(tp: TcpCb): number;
  /** Absent: read-only. */
  readonly set?: (tp: TcpCb, value: number) => Errno;
}

function flag(bit: number, off?: (tp: TcpCb) => void): TcpOption {
  return {
    get: (tp) => ((tp.flags & bit) !== 0 ? 1 : 0),
    set: (tp, v) => {
      tp.flags = v !== 0 ? tp.flags | bit : tp.flags & ~bit;
      if (tcpMaySend(tp.state)) off?.(tp);
      return 0;
    },
  };
}

type TimeKey = 'keepidleUs' | 'keepintvlUs' | 'keepinitUs';

function seconds(key: TimeKey, fallbackMs: (tp: TcpCb) => number): TcpOption {
  return {
    get: (tp) => Math.floor((tp[key] || fallbackMs(tp) * US_PER_MS) / US_PER_SEC),
    set: (tp, v) => {
      if (v < 1 || v > 0x7fff_ffff / 1_000) return EINVAL;
      tp[key] = v * US_PER_SEC;
      if (key === 'keepidleUs' && tp.state > TCPS_LISTEN && tp.state <= TCPS_CLOSING) tcpSetKeep(tp, tp.keepidleUs);
      return 0;
    },
  };
}

const lowat = (end: 'snd' | 'rcv'): TcpOption => ({
  get: (tp) => tp[end].lowat,
  set: (tp, v) => {
    if (v < 1) return EINVAL;
    tp[end].lowat = Math.min(v, tp[end].hiwat);
    return 0;
  },
});

const OPTIONS: ReadonlyMap<string, TcpOption> = new Map<string, TcpOption>([
  ['TCP_NODELAY', flag(TF_NODELAY, tcpOutput)],
  ['TCP_NOPUSH', flag(TF_NOPUSH, tcpOutput)],
  ['TCP_NOOPT', flag(TF_NOOPT)],
  ['TCP_MD5SIG', flag(TF_SIGNATURE)],
  ['TCP_FASTOPEN', flag(TF_FASTOPEN)],
  ['TCP_MAXSEG', {
    get: (tp) => tp.maxseg,
    set: (tp, v) => {
      if (v <= 0 || v > tp.maxseg || v < tp.tcp.tun.minmss) return EINVAL;
      tp.maxseg = v;
      return 0;
    },
  }],
  ['TCP_KEEPIDLE', seconds('keepidleUs', (tp) => tp.tcp.tun.keepidleMs)],
  ['TCP_KEEPINTVL', seconds('keepintvlUs', (tp) => tp.tcp.tun.keepintvlMs)],
  ['TCP_KEEPINIT', seconds('keepinitUs', (tp) => tp.tcp.tun.keepinitMs)],
  ['TCP_KEEPCNT', {
    get: (tp) => tp.keepcnt || tp.tcp.tun.keepcnt,
    set: (tp, v) => {
      if (v < 1 || v > 255) return EINVAL;
      tp.keepcnt = v;
      return 0;
    },
  }],
  ['TCP_USER_TIMEOUT', {
    get: (tp) => Math.floor(tp.userTimeoutUs / US_PER_MS),
    set: (tp, v) => {
      if (v < 0) return EINVAL;
      tp.userTimeoutUs = v * US_PER_MS;
      tp.userTimeoutSet = v !== 0;
      return 0;
    },
  }],
  ['TCP_UTO', flag(TF_UTO)],
  ['SO_OOBINLINE', { get: () => 1, set: (_tp, v) => (v !== 0 ? 0 : EOPNOTSUPP) }],
  ['SO_KEEPALIVE', {
    get: (tp) => (tp.soKeepalive ? 1 : 0),
    set: (tp, v) => {
      tp.soKeepalive = v !== 0;
      return 0;
    },
  }],
  ['SO_SNDLOWAT', lowat('snd')],
  ['SO_RCVLOWAT', lowat('rcv')],
]);

export const isTcpOption = (name: string): boolean => OPTIONS.has(name);

export function applyTcpOption(tp: TcpCb, name: string, value: number): Errno {
  return OPTIONS.get(name)?.set?.(tp, value) ?? ENOPROTOOPT;
}

export function readTcpOption(tp: TcpCb, name: string): number | null {
  return OPTIONS.get(name)?.get(tp) ?? null;
}
