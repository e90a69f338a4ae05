/**
 * tcpdrop.ts — tcpdrop(8): ends TCP connections from outside, with a reset for the peer.
 * Read first: tcpdrop(8); freebsd `usr.sbin/tcpdrop/tcpdrop.c`, `sys/netinet/tcp_subr.c` (sysctl_drop). Exit codes: 0; 1 when one could not be dropped, for
 * wrong words, or for a host nobody knows.
 *
 * One connection by its ends, as four words or as two with the port behind the last dot or colon; or many, by -a (all), -C (congestion control), -S (stack)
 * and -s (state). `-l` prints the command for each in place of dropping it.
 */
import type { Errno, Prison, SockAddr, Vnet } from '@netloom/core';
import { ECONNABORTED, EPERM, ESRCH, TCPS_CLOSED, TCPS_LISTEN, TCP_STATE_NAMES, tcpDrop } from '@netloom/core';
import { ip4Format } from '@netloom/core/wire';
import { errx, toolMain, usage, warn, warnx } from './err.js';
import { getopt } from './getopt.js';
import { NO_SUCH_NAME, hostAddress } from './host-address.js';
import { address6Text, hostAddress6 } from './host-address6.js';
import { ownsNetwork } from './jail/jail-id.js';
import { ccName, pcbList } from './pcblist.js';
import type { PcbEnd, Xinpcb } from './pcblist.js';
import type { Proc } from './proc.js';
import { servicePort } from './services.js';

interface TcpdropOptions {
  all: boolean;
  cc: string;
  stack: string;
  /** -1: any. */
  state: number;
  list: boolean;
}

const USAGE = `usage: tcpdrop local-address local-port foreign-address foreign-port
       tcpdrop local-address:local-port foreign-address:foreign-port
       tcpdrop local-address.local-port foreign-address.foreign-port
       tcpdrop [-l] -a
       tcpdrop [-l] -C cc-algo [-S stack] [-s state]
       tcpdrop [-l] [-C cc-algo] -S stack [-s state]
       tcpdrop [-l] [-C cc-algo] [-S stack] -s state
`;
/** The one stack there is, as FreeBSD calls its default. */
const STACK_NAME = 'freebsd';
const PORT_MAX = 65_535;

export const tcpdrop = toolMain((p: Proc) => {
  const parsed = getopt('aC:lS:s:', p.argv.slice(1));
  const o: TcpdropOptions = { all: false, cc: '', stack: '', state: -1, list: false };
  let specific = false;
  for (const [letter, value] of parsed.options) {
    if (letter === 'a') o.all = true;
    else if (letter === 'l') o.list = true;
    else specific = true;
    if (letter === 'C') o.cc = value;
    else if (letter === 'S') o.stack = value;
    else if (letter === 's') o.state = stateNumber(p, value);
  }
  if (parsed.error !== null) usage(p, 1, `tcpdrop: ${parsed.error}\n${USAGE}`);
  const words = parsed.rest;
  if (o.all && specific) usage(p, 1, USAGE);
  if (o.all || specific) return words.length > 0 ? usage(p, 1, USAGE) : dropMany(p, o);
  if ((words.length !== 2 && words.length !== 4) || o.list) usage(p, 1, USAGE);
  const [lhost, lport, fhost, fport] = words.length === 4 ? words : words.flatMap((word) => hostAndPort(p, word));
  return dropNamed(p, lhost ?? '', lport ?? '', fhost ?? '', fport ?? '');
});

function stateNumber(p: Proc, name: string): number {
  const state = (TCP_STATE_NAMES as readonly string[]).indexOf(name);
  return state < 0 || state === TCPS_CLOSED || state === TCPS_LISTEN ? usage(p, 1, USAGE) : state;
}

/** The port is behind the last dot or colon. */
function hostAndPort(p: Proc, word: string): string[] {
  const at = Math.max(word.lastIndexOf('.'), word.lastIndexOf(':'));
  return at < 0 || at === word.length - 1 ? usage(p, 1, USAGE) : [word.slice(0, at), word.slice(at + 1)];
}

function dropMany(p: Proc, o: TcpdropOptions): number {
  let code = 0;
  for (const x of pcbList(p.vnet, 'tcp')) {
    if (x.state === TCPS_LISTEN || (o.state >= 0 && x.state !== o.state)) continue;
    if ((o.cc !== '' && ccName(x) !== o.cc) || (o.stack !== '' && o.stack !== STACK_NAME)) continue;
    if (o.list) p.out(`tcpdrop ${pairText(p.vnet, x.local, x.foreign)}\n`);
    else code = report(p, x.local, x.foreign, drop(p.prison, x)) ? code : 1;
  }
  return code;
}

/** Every pair of addresses of one family that the names have. */
function dropNamed(p: Proc, lhost: string, lport: string, fhost: string, fport: string): number {
  const locals = resolve(p, lhost, lport);
  const foreigns = resolve(p, fhost, fport);
  let code = 0;
  let inFamily = false;
  for (const local of locals) {
    for (const foreign of foreigns) {
      if (typeof local.addr !== typeof foreign.addr) continue;
      inFamily = true;
      const x = pcbList(p.vnet, 'tcp').find((one) => isSame(one.local, local) && isSame(one.foreign, foreign));
      if (!report(p, local, foreign, x === undefined ? ESRCH : drop(p.prison, x))) code = 1;
    }
  }
  if (inFamily) return code;
  warnx(p, `${lhost} ${lport} ${fhost} ${fport}: different address families`);
  return 1;
}

/** Leaves when host or port is not known. */
function resolve(p: Proc, host: string, port: string): PcbEnd[] {
  const complain = (why: string): never => errx(p, 1, `getaddrinfo: ${host} port ${port}: ${why}`);
  const number = /^[0-9]+$/.test(port) ? Number(port) : servicePort(port);
  if (number === null || number > PORT_MAX) return complain('Service was not recognized for socket type');
  const known = [hostAddress6(p.vnet, host), hostAddress(host)].filter((a) => a !== null);
  return known.length === 0 ? complain(NO_SUCH_NAME) : known.map((addr) => ({ addr, port: number }));
}

/** Ends one connection. ESRCH: it is half-open, or a listener; EPERM: the network is somebody else's. */
function drop(prison: Prison, x: Xinpcb): Errno {
  if (!ownsNetwork(prison)) return EPERM;
  if (x.tp === null || x.tp.state === TCPS_LISTEN) return ESRCH;
  tcpDrop(x.tp, ECONNABORTED);
  return 0;
}

function report(p: Proc, local: PcbEnd, foreign: PcbEnd, error: Errno): boolean {
  const text = pairText(p.vnet, local, foreign);
  if (error === 0) p.out(`${text}: dropped\n`);
  else warn(p, text, error);
  return error === 0;
}

function pairText(vnet: Vnet, local: PcbEnd, foreign: PcbEnd): string {
  return `${addressText(vnet, local.addr)} ${local.port} ${addressText(vnet, foreign.addr)} ${foreign.port}`;
}

function addressText(vnet: Vnet, addr: SockAddr): string {
  return typeof addr === 'number' ? ip4Format(addr) : address6Text(vnet, addr);
}

function isSame(a: PcbEnd, b: PcbEnd): boolean {
  if (a.port !== b.port) return false;
  if (typeof a.addr === 'number' || typeof b.addr === 'number') return a.addr === b.addr;
  const other = b.addr;
  return a.addr.scopeId === other.scopeId && a.addr.addr.every((byte, i) => byte === other.addr[i]);
}
