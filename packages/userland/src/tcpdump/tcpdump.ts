/**
 * tcpdump.ts — tcpdump(1): show, save and read packets.
 * Read first: tcpdump(1), pcap-filter(7). Exit codes: 0; 1 for anything refused, a broken savefile, an interface that went away.
 *
 * What is shown is what tcpdump 4.99 shows with -n: names are not looked up. See live-capture.ts and savefile.ts for the two ways packets come.
 * Not here: rotating savefiles, decryption, capture on all interfaces at once (`-i any`), link types other than Ethernet, raw IP and BSD loopback.
 */
import { DLT_EN10MB } from '@netloom/core';
import { toolMain } from '../err.js';
import { dumpProgram } from '../pcap-filter/index.js';
import type { Proc } from '../proc.js';
import { listDevices } from './devices.js';
import { compile, dumpStyle, readExpression } from './expression.js';
import { liveCapture } from './live-capture.js';
import { readSavefile } from './savefile.js';
import { parseTcpdump } from './tcpdump-options.js';
import type { TcpdumpOptions } from './tcpdump-options.js';

export const tcpdump = toolMain(async (p: Proc): Promise<number> => {
  const o = parseTcpdump(p);
  if (o.listInterfaces) return listDevices(p, o.json);
  if (o.filterFile !== null) o.expression = await readExpression(p, o.filterFile);
  if (o.readFile !== null) return readSavefile(p, o, o.readFile);
  if (o.dump > 0 && o.interfaceName === null) return dumpOnly(p, o);
  return liveCapture(p, o);
});

/** -d without an interface: for Ethernet, unless -y says otherwise. */
function dumpOnly(p: Proc, o: TcpdumpOptions): number {
  if (o.linktype === null) p.err('Warning: assuming Ethernet\n');
  p.out(dumpProgram(compile(p, o, o.linktype ?? DLT_EN10MB), dumpStyle(o)));
  return 0;
}
