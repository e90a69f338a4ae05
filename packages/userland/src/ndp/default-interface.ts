/**
 * default-interface.ts — ndp -I: the interface on whose link every destination is when there is no router.
 * Read first: ndp(8) "-I". ifconfig(8) has it as `inet6 defaultif`.
 */
import { EPERM } from '@netloom/core';
import { err, errx } from '../err.js';
import { ownsNetwork } from '../jail/jail-id.js';
import { jsonText } from '../libxo.js';
import type { Call } from './ndp.js';

/** `word`: a name, `delete`, or null to look. */
export function defaultInterface(call: Call, word: string | null): number {
  const { p } = call;
  const { in6Net, net } = p.vnet;
  if (word !== null) {
    const ifp = word === 'delete' ? null : (net.ifunit(word) ?? errx(p, 1, `invalid interface ${word}`));
    if (!ownsNetwork(p.prison)) err(p, 1, 'ioctl(SIOCSDEFIFACE_IN6)', EPERM);
    in6Net.defaultIfindex = ifp?.index ?? 0;
  }
  const name = net.ifByIndex(in6Net.defaultIfindex)?.xname ?? null;
  if (call.json !== 'none') p.out(jsonText({ __version: '1', ndp: name === null ? {} : { 'default-interface': name } }, call.json));
  else p.out(name === null ? 'No default interface.\n' : `ND default interface = ${name}\n`);
  return 0;
}
