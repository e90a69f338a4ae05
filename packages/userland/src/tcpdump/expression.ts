/**
 * expression.ts — tcpdump's filter: from the command line or a file, to a program.
 * Read first: pcap-filter(7).
 */
import type { BpfProgram } from '@netloom/core';
import { errx } from '../err.js';
import { compileFilter } from '../pcap-filter/index.js';
import type { Proc } from '../proc.js';
import { utf8Text } from '../utf8.js';
import type { TcpdumpOptions } from './tcpdump-options.js';

/** The program for packets of link type `dlt`. Leaves with what is wrong with the expression. */
export function compile(p: Proc, o: TcpdumpOptions, dlt: number): BpfProgram {
  const result = compileFilter(o.expression, { linktype: dlt, snaplen: o.snaplen });
  return result.ok ? result.program : errx(p, 1, result.error);
}

/** `-F`: a file's text without its comments. Replaces what the command line says. */
export async function readExpression(p: Proc, path: string): Promise<string> {
  if (p.host === null) return errx(p, 1, `can't open ${path}: there are no files here`);
  const bytes = await p.host.readFile(path).catch((e: Error) => errx(p, 1, `can't open ${path}: ${e.message}`));
  return utf8Text(bytes).replace(/#[^\n]*/g, ' ').trim();
}

/** How often -d was given: as text, as C, as numbers. */
export function dumpStyle(o: TcpdumpOptions): 1 | 2 | 3 {
  return o.dump === 1 ? 1 : o.dump === 2 ? 2 : 3;
}
