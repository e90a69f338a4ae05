/**
 * test-links.ts — networks for the tests of the tools: two jails on a link with a delay, and a tun whose far end is the test itself.
 */
import { Prng, tunOf } from '@netloom/core';
import type { Ifnet, Vnet } from '@netloom/core';
import { SimLinkEnd } from '@netloom/core/sim';
import type { SimLinkOptions } from '@netloom/core/sim';
import { ip4Dst, ip4Emit, ip4Hl, ip4PutSum, ip4Src, inCksum } from '@netloom/core/wire';
import type { ToolLab } from './test-proc.js';

const LINK: Required<SimLinkOptions> = {
  delayUs: 0, jitterUs: 0, loss: 0, duplicate: 0, corrupt: 0, reorder: 0, bitsPerSec: Number.POSITIVE_INFINITY, queueMax: 4_096, mtu: 1_500, tso: false, lro: false,
};

/** The vnet of a jail. */
export function vnetOf(lab: ToolLab, jail: string): Vnet {
  const prison = lab.kernel.prisons.find(lab.kernel.prisons.prison0, jail);
  if (prison === null) throw new Error(`no jail ${jail}`);
  return prison.vnet;
}

/** Interfaces `xname` of two jails, joined by a link. */
export function joinJails(lab: ToolLab, a: string, b: string, xname: string, options: SimLinkOptions = {}): readonly [Ifnet, Ifnet] {
  const unit = Number(/[0-9]+$/.exec(xname)?.[0] ?? 0);
  const end = (jail: string, side: number): SimLinkEnd =>
    lab.kernel.call(lab.kernel.now, () => new SimLinkEnd(vnetOf(lab, jail).net, xname, unit, { ...LINK, ...options }, new Prng(1 + 2 * unit + side)));
  const [left, right] = [end(a, 0), end(b, 1)];
  left.peer = right;
  right.peer = left;
  return [left.ifp, right.ifp];
}

/** Jails a (192.0.2.1) and b (192.0.2.2) on a link `sim0` with a delay of `delayUs` in each direction; what they announce has arrived. */
export async function twoJails(lab: ToolLab, delayUs = 500): Promise<readonly [Ifnet, Ifnet]> {
  await lab.ok('jail -c name=a persist vnet');
  await lab.ok('jail -c name=b persist vnet');
  const ends = joinJails(lab, 'a', 'b', 'sim0', { delayUs });
  await lab.ok('ifconfig sim0 192.0.2.1/24', { jail: 'a' });
  await lab.ok('ifconfig sim0 192.0.2.2/24', { jail: 'b' });
  await lab.advance(10 * delayUs);
  return ends;
}

/** Takes each packet the stack routes into a tun of vnet 0 and answers with those that come back, `delayUs` later. */
export async function farEnd(lab: ToolLab, near: string, far: string, answer: (packet: Uint8Array) => readonly Uint8Array[]): Promise<void> {
  await lab.ok('ifconfig tun7 create');
  await lab.ok(`ifconfig tun7 ${near} ${far} up`);
  const ifp = lab.kernel.vnet0.net.ifunit('tun7');
  const sc = ifp === null ? null : tunOf(ifp);
  if (ifp === null || sc === null) throw new Error('no tun7');
  sc.attach({
    offload: { csum: false, gso: false },
    output: (m) => {
      const packet = m.bytes().slice();
      m.free();
      for (const back of answer(packet)) {
        const n = lab.kernel.engine.pool.from(back);
        if (n !== null) lab.kernel.engine.defer(() => lab.kernel.input(ifp, n, lab.kernel.now));
      }
      return true;
    },
  });
}

export interface Reply {
  /** ICMP bytes, whose checksum is computed here; absent: the request's, as a reply to it. */
  readonly icmp?: Uint8Array;
  /** IP options, a multiple of four bytes. */
  readonly options?: Uint8Array;
  readonly src?: number;
}

/** An answer to the ICMP request `packet`, from its destination to its source. */
export function icmpReply(packet: Uint8Array, reply: Reply = {}): Uint8Array {
  const was = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const options = reply.options ?? new Uint8Array(0);
  const icmp = (reply.icmp ?? packet.slice(ip4Hl(was, 0))).slice();
  if (reply.icmp === undefined) icmp[0] = 0;
  const body = new DataView(icmp.buffer);
  body.setUint16(2, 0);
  body.setUint16(2, inCksum(body, 0, icmp.length));
  const hlen = 20 + options.length;
  const out = new Uint8Array(hlen + icmp.length);
  const v = new DataView(out.buffer);
  ip4Emit(v, 0, hlen, 0, out.length, 1, 0, 64, 1, reply.src ?? ip4Dst(was, 0), ip4Src(was, 0));
  out.set(options, 20);
  out.set(icmp, hlen);
  ip4PutSum(v, 0, hlen);
  return out;
}
