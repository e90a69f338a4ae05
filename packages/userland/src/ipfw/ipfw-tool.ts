/**
 * ipfw-tool.ts — IpfwTool: a running `ipfw`: its options, its complaints, and the firewall it works on.
 * Read first: ipfw(8) "SYNOPSIS"; err(3).
 *
 * Options last from one line of a script to the next, as does the name it complains under (`Line 7`).
 */
import type { Errno, Ipfw, Vnet } from '@netloom/core';
import { EPERM, strerror } from '@netloom/core';
import { ToolExit, progname } from '../err.js';
import { ownsNetwork } from '../jail/jail-id.js';
import type { Proc } from '../proc.js';
import { EX_UNAVAILABLE, EX_USAGE } from '../sysexits.js';

export class IpfwOptions {
  /** -c, -b */
  compact = false;
  commentOnly = false;
  /** -d: states too; -D: states only. */
  dynamic: 0 | 1 | 2 = 0;
  /** -f */
  force = false;
  /** -i */
  valueAsIp = false;
  /** -n */
  testOnly = false;
  /** -N */
  resolve = false;
  /** -q */
  quiet = false;
  /** -S */
  showSets = false;
  /** -t, -T */
  time: 'none' | 'string' | 'numeric' = 'none';
  /** -v */
  verbose = false;
  /** `set N`; -1: not said. */
  set = -1;
}

export class IpfwTool {
  readonly p: Proc;
  readonly opts = new IpfwOptions();
  /** Who complains. */
  name: string;

  constructor(p: Proc) {
    this.p = p;
    this.name = progname(p);
  }

  /** The vnet. Leaves when it is somebody else's. */
  get vnet(): Vnet {
    return ownsNetwork(this.p.prison) ? this.p.vnet : this.err(EX_UNAVAILABLE, 'socket', EPERM);
  }

  /** Its firewall. */
  get fw(): Ipfw {
    return this.vnet.ipfw;
  }

  out(text: string): void {
    this.p.out(text);
  }

  warnx(text: string): void {
    this.p.err(`${this.name}: ${text}\n`);
  }

  warn(text: string, error: Errno): void {
    this.warnx(`${text}: ${strerror(error)}`);
  }

  errx(code: number, text: string): never {
    this.warnx(text);
    throw new ToolExit(code);
  }

  err(code: number, text: string, error: Errno): never {
    return this.errx(code, `${text}: ${strerror(error)}`);
  }

  /** The word, or the complaint that there is none. */
  need(word: string | undefined, complaint: string): string {
    return word ?? this.errx(EX_USAGE, complaint);
  }

  /** Is `word` the keyword, or the beginning of it, which is allowed with a warning? */
  isWord(word: string | undefined, keyword: string): boolean {
    if (word === undefined || !keyword.startsWith(word)) return false;
    if (word !== keyword) this.warnx(`DEPRECATED: '${word}' matched '${keyword}' as a sub-string`);
    return true;
  }
}
