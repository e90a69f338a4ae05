/**
 * rtadvd.ts — rtadvd(8): this vnet tells its links that it is a router.
 * Read first: rtadvd(8), rtadvd-conf.ts. The work is done in the stack (core's inet6/nd6-rtadv.ts).
 *
 *     rtadvd [-dDfRs] [-c configfile] [-O capabilities] [-C ctlsock] [-M ifname] [-p pidfile] interface ...
 *
 * It sets the interfaces to advertise and ends: what FreeBSD's daemon does goes on in the vnet until `rtadvctl shutdown`. With `-f` it stays, and a signal to
 * end it is that shutdown. `-O` takes the capabilities of all interfaces named from the command line, which no FreeBSD has.
 * Without `-c` and `-O` every prefix of an interface's addresses is advertised. `-d`, `-D`, `-R`, `-s`, `-C`, `-M` and `-p` are about the daemon and have no effect.
 */
import { EAFNOSUPPORT, ENETDOWN, Rtadvd } from '@netloom/core';
import type { Ifnet, Vnet } from '@netloom/core';
import { errx, toolMain, usage, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { ownsNetwork } from '../jail/jail-id.js';
import type { Proc } from '../proc.js';
import { utf8Text } from '../utf8.js';
import { RtadvdConfError, confEntry, parseCaps, rtadvConf } from './rtadvd-conf.js';
import type { Caps } from './rtadvd-conf.js';

const USAGE = 'usage: rtadvd [-dDfRs] [-c configfile] [-O capabilities] [-C ctlsock] [-M ifname] [-p pidfile] interface ...\n';

/** What advertises in this vnet, or null. */
export function rtadvdOf(vnet: Vnet): Rtadvd | null {
  return vnet.rtr.rtadvd instanceof Rtadvd ? vnet.rtr.rtadvd : null;
}

/** A file of the host, or the end of the tool. */
export async function readConf(p: Proc, path: string): Promise<string> {
  if (p.host === null) return errx(p, 1, `${path}: there are no files here`);
  const bytes = await p.host.readFile(path).catch((e: Error) => errx(p, 1, `${path}: ${e.message}`));
  return utf8Text(bytes);
}

/** Sets one interface to advertise; an error ends the tool. */
export function advertise(p: Proc, ifp: Ifnet, caps: Caps): void {
  const { vnet } = p;
  const settings = (): ReturnType<typeof rtadvConf> => {
    try {
      return rtadvConf(caps, ifp.mtu);
    } catch (e) {
      if (e instanceof RtadvdConfError) return errx(p, 1, `${ifp.xname}: ${e.message}`);
      throw e;
    }
  };
  const conf = settings();
  const error = p.kernel.call(p.now(), () => (rtadvdOf(vnet) ?? new Rtadvd(vnet.rtr)).start(ifp, conf));
  if (error === 0) return;
  if (error === EAFNOSUPPORT) errx(p, 1, `${ifp.xname}: not an Ethernet interface with IPv6`);
  if (error === ENETDOWN) errx(p, 1, `${ifp.xname}: IPv6 is disabled there (ifconfig ${ifp.xname} inet6 -ifdisabled)`);
  errx(p, 1, 'IPv6 forwarding is disabled: only a router advertises (sysctl net.inet6.ip6.forwarding=1)');
}

async function capsFor(p: Proc, options: readonly (readonly [string, string])[]): Promise<(ifname: string) => Caps> {
  const inline = options.find(([letter]) => letter === 'O')?.[1];
  const file = options.findLast(([letter]) => letter === 'c')?.[1];
  const text = file === undefined ? '' : await readConf(p, file);
  return (ifname) => {
    try {
      return inline === undefined ? confEntry(text, ifname) : parseCaps(inline);
    } catch (e) {
      if (e instanceof RtadvdConfError) return errx(p, 1, `${file ?? '-O'}: ${e.message}`);
      throw e;
    }
  };
}

async function runRtadvd(p: Proc): Promise<number> {
  const { options, rest, error } = getopt('c:C:dDfFM:O:p:Rs', p.argv.slice(1));
  if (error !== null) warnx(p, error);
  if (error !== null || rest.length === 0) usage(p, 1, USAGE);
  if (!ownsNetwork(p.prison)) errx(p, 1, 'Operation not permitted');
  const caps = await capsFor(p, options);
  const ifps = rest.map((name) => p.vnet.net.ifunit(name) ?? errx(p, 1, `${name}: no such interface`));
  for (const ifp of ifps) advertise(p, ifp, caps(ifp.xname));
  const d = rtadvdOf(p.vnet);
  if (d !== null) d.confFile = options.findLast(([letter]) => letter === 'c')?.[1] ?? '';
  if (options.some(([letter]) => letter === 'f' || letter === 'F')) await foreground(p, ifps);
  return 0;
}

/** Until a signal; then the last words are said by the vnet. */
async function foreground(p: Proc, ifps: readonly Ifnet[]): Promise<void> {
  let ended = false;
  p.onSignal((signal) => {
    if (signal !== 'INT' && signal !== 'TERM' && signal !== 'HUP') return false;
    ended = true;
    p.wake();
    return true;
  });
  p.atExit(() => {
    for (const ifp of ifps) rtadvdOf(p.vnet)?.stop(ifp);
  });
  while (!ended) await p.sleepUs(Infinity);
}

export const rtadvd = toolMain(runRtadvd);
