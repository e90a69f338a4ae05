/**
 * ng-message.ts — NgMessage `msg`: a control message, and its binary form.
 * Read first: netgraph(4) "Control Messages"; `sys/netgraph/ng_message.h`.
 *
 *     version u8 | spare u8 | spare2 u16 | arglen u32 | cmd u32 | flags u32 | token u32 | typecookie u32 | cmdstr[32] | arguments
 *
 * Inside the graph a message is an object; the arguments alone are bytes, so that a message means the same whoever wrote it.
 * The return address is the number of the node that an answer goes to, 0 for nobody.
 */
import { NgReader, NgWriter } from './ng-bytes.js';
import { NG_CMDSTRSIZ, ngBytesText, ngTextBytes } from './ng-parse.js';

export const NG_VERSION = 8;
export const NG_ABI_VERSION = 12;
export const NG_MESG_HDRSIZ = 56;
/** `flags`: this answers a message. */
export const NGF_RESP = 1;
/** Bits of `cmd`: it changes nothing, so that it may run beside data; and an answer is to be waited for. */
export const NGM_READONLY = 0x1000_0000;
export const NGM_HASREPLY = 0x2000_0000;

/** What no arguments are. */
export const NG_NO_ARGS: Uint8Array = new Uint8Array(0);

export interface NgMessageHead {
  readonly typecookie: number;
  readonly cmd: number;
  readonly flags?: number;
  readonly token?: number;
  readonly cmdstr?: string;
}

export class NgMessage {
  readonly typecookie: number;
  readonly cmd: number;
  readonly flags: number;
  readonly token: number;
  readonly cmdstr: string;
  readonly args: Uint8Array;
  /** Number of the node that asked, 0 for none. */
  raddr = 0;

  constructor(head: NgMessageHead, args: Uint8Array = NG_NO_ARGS) {
    this.typecookie = head.typecookie;
    this.cmd = head.cmd;
    this.flags = head.flags ?? 0;
    this.token = head.token ?? 0;
    this.cmdstr = head.cmdstr ?? '';
    this.args = args;
  }

  get isResponse(): boolean {
    return (this.flags & NGF_RESP) !== 0;
  }

  /** Its answer with `args`: same command, same token. */
  response(args: Uint8Array): NgMessage {
    const { typecookie, cmd, flags, token, cmdstr } = this;
    return new NgMessage({ typecookie, cmd, flags: flags | NGF_RESP, token, cmdstr }, args);
  }

  encode(): Uint8Array {
    const w = new NgWriter();
    w.uint(1, NG_VERSION);
    w.skip(3);
    for (const n of [this.args.length, this.cmd, this.flags, this.token, this.typecookie]) w.uint(4, n);
    const name = ngTextBytes(this.cmdstr).subarray(0, NG_CMDSTRSIZ - 1);
    w.bytes(name);
    w.skip(NG_CMDSTRSIZ - name.length);
    w.bytes(this.args);
    return w.take();
  }

  /** A message from its binary form; null when the version is another, or the length is not what the header says. */
  static decode(bytes: Uint8Array): NgMessage | null {
    const r = new NgReader(bytes);
    const version = r.uint(1, false);
    r.bytes(3);
    const arglen = r.uint(4, false);
    const cmd = r.uint(4, false);
    const flags = r.uint(4, false);
    const token = r.uint(4, false);
    const typecookie = r.uint(4, false);
    const cmdstr = ngBytesText(r.bytes(NG_CMDSTRSIZ));
    if (r.short || version !== NG_VERSION || arglen !== r.left) return null;
    return new NgMessage({ typecookie, cmd, flags, token, cmdstr }, r.bytes(arglen));
  }
}
