/**
 * invocation.ts — one run of ifconfig: its options, the interface it works on, and what the words so far have asked for.
 * Read first: ifconfig(8).
 *
 * Theory of operation. Words of the command line act at once (flags, MTU, members …) or are collected: an address with its mask, far
 * end and broadcast address is set when all words were read, because `netmask` may come after it; a clone is made when the first
 * word that is not about its making is met. What is collected lives here; the tables of words (commands.ts) hold none of it.
 *
 * Complaints have FreeBSD's forms: `errx`, `err` (with strerror), and `perror` of ifconfig's own, which says "no such interface" and
 * "permission denied" in its own words. All three leave the tool with exit code 1.
 */
import { ENXIO, EPERM, ND6_INFINITE_LIFETIME } from '@netloom/core';
import type { CarpRequest, Errno, Ifnet, Net, Prison, Vnet } from '@netloom/core';
import type { Proc } from '../proc.js';
import { err, errx, warn, warnx } from '../err.js';

/** Which address a word gives: the one to remove, to add, its mask, the far end, the broadcast address. */
export type AddressRole = 'ridaddr' | 'addr' | 'mask' | 'dstaddr' | 'brdaddr';

/** One end of a tunnel; `addr` counts for IPv4 only, `addr6` (in zoned form) for IPv6. */
export interface TunnelEnd {
  readonly family: 'inet' | 'inet6';
  readonly addr: number;
  readonly addr6?: Uint8Array;
}

/** An address family of the command line: `inet`, `link`, … */
export interface AddressFamily {
  readonly name: string;
  /** AF_* */
  readonly af: number;
  /** Does a listing of this family show the interface? */
  lists(ifp: Ifnet): boolean;
  /** Prints the addresses of this family. */
  status(cx: Invocation, ifp: Ifnet): void;
  /** Takes an address word. */
  getaddr(cx: Invocation, text: string, role: AddressRole): void;
  /** `A … delete`: the address given is the one to remove. */
  copyaddr?(cx: Invocation): void;
  /** Called when all words were read; `newaddr`: an address will be set. */
  postproc?(cx: Invocation): void;
  /** Removes what was asked for. Absent: the family has nothing to remove. */
  remove?(cx: Invocation): Errno;
  add(cx: Invocation): Errno;
  /** May an address of it have a vhid of CARP? */
  readonly hasVhids?: boolean;
  settunnel?(cx: Invocation, src: TunnelEnd, dst: TunnelEnd): void;
}

/** An IPv4 address as collected from words. */
export interface InetWord {
  addr: number;
  set: boolean;
}

export interface InetRequest {
  readonly add: InetWord;
  plen: number;
  maskset: boolean;
  readonly dst: InetWord;
  readonly brd: InetWord;
  readonly del: InetWord;
}

/** An IPv6 address as collected from words, plain. */
export interface Inet6Word {
  addr: Uint8Array;
  set: boolean;
}

export interface Inet6Request {
  readonly add: Inet6Word;
  readonly dst: Inet6Word;
  readonly del: Inet6Word;
  /** null while not given. */
  plen: number | null;
  /** IN6_IFF_* */
  flags: number;
  /** Seconds. */
  pltime: number;
  vltime: number;
}

/** `vlan`, `vlandev` and `vlanproto` so far. */
export interface VlanRequest {
  /** NOTAG while not given. */
  tag: number;
  /** '' while not given. */
  parent: string;
  /** Ethertype; 0 while not given. */
  proto: number;
}

export const NOTAG = 0xffff;

/** Options of the command line. */
export interface IfconfigArgs {
  all: boolean;
  downOnly: boolean;
  upOnly: boolean;
  namesOnly: boolean;
  /** Passwords too. */
  printKeys: boolean;
  supportedMedia: boolean;
  driverName: boolean;
  verbose: number;
  matchGroup: string | null;
  noGroup: string | null;
  jail: string | null;
  json: boolean;
  /** `-f family:format` and IFCONFIG_FORMAT. */
  readonly format: Map<string, string>;
  family: AddressFamily | null;
}

export class Invocation {
  readonly p: Proc;
  readonly args: IfconfigArgs;
  /** Where it works: the caller's prison, or the one of `-j`. */
  readonly prison: Prison;
  ifname = '';
  /** The family of address words. */
  family: AddressFamily;
  /** The interface has another name than what was typed: printed at the end. */
  nameToPrint = '';
  /** What the tool exits with when nothing ends it before. */
  exitCode = 0;
  setaddr = false;
  setmask = false;
  /** > 0: alias; < 0: delete; 0: the address replaces the first one. */
  doalias = 0;
  clearaddr = false;
  newaddr = true;
  /** Work for the end of the command line, newest first. */
  callbacks: ((cx: Invocation) => void)[] = [];
  readonly inet: InetRequest = {
    add: { addr: 0, set: false }, plen: 0, maskset: false, dst: { addr: 0, set: false }, brd: { addr: 0, set: false }, del: { addr: 0, set: false },
  };
  readonly inet6: Inet6Request = {
    add: { addr: new Uint8Array(16), set: false }, dst: { addr: new Uint8Array(16), set: false }, del: { addr: new Uint8Array(16), set: false }, plen: null, flags: 0,
    pltime: ND6_INFINITE_LIFETIME, vltime: ND6_INFINITE_LIFETIME,
  };
  lladdr: Uint8Array = new Uint8Array(0);
  /** The medium asked for so far; null: none. */
  mediaWord: number | null = null;
  /** What `vhid` and the words about it asked for; null: no vhid was named. */
  carp: CarpRequest | null = null;
  readonly vlan: VlanRequest = { tag: NOTAG, parent: '', proto: 0 };
  /** Words about a vxlan that is to be made, as `vxlanCloner` takes them. */
  readonly vxlan: Record<string, string | number> = {};

  constructor(p: Proc, args: IfconfigArgs, prison: Prison, family: AddressFamily) {
    this.p = p;
    this.args = args;
    this.prison = prison;
    this.family = family;
  }

  get vnet(): Vnet {
    return this.prison.vnet;
  }

  get net(): Net {
    return this.prison.vnet.net;
  }

  /** The interface now called `ifname`, or null. */
  get ifp(): Ifnet | null {
    return this.net.ifunit(this.ifname);
  }

  /** The interface was given a name by the kernel, or a new one. */
  rename(name: string): void {
    this.ifname = name;
    this.nameToPrint = name;
  }

  out(text: string): void {
    this.p.out(text);
  }

  warnx(text: string): void {
    warnx(this.p, text);
  }

  warn(text: string, error: Errno): void {
    warn(this.p, text, error);
  }

  errx(text: string): never {
    return errx(this.p, 1, text);
  }

  err(text: string, error: Errno): never {
    return err(this.p, 1, text, error);
  }

  perror(text: string, error: Errno): never {
    if (error === ENXIO) return this.errx(`${text}: no such interface`);
    if (error === EPERM) return this.errx(`${text}: permission denied`);
    return this.err(text, error);
  }

  /** Leaves with `text: strerror` unless the call succeeded. */
  check(text: string, error: Errno): void {
    if (error !== 0) this.err(text, error);
  }
}

/** A word of the command line. */
export interface Command {
  readonly name: string;
  /** Words behind it; 'optional': one, if there is one. */
  readonly words: 0 | 1 | 2 | 'optional';
  /** `a`, `b`: the words behind it. */
  readonly run: (cx: Invocation, a: string, b: string) => void;
}

/** A word without an argument. */
export function word(name: string, run: (cx: Invocation) => void): Command {
  return { name, words: 0, run };
}

/** A word with one argument. */
export function word1(name: string, run: (cx: Invocation, value: string) => void): Command {
  return { name, words: 1, run };
}

/** A word with two arguments. */
export function word2(name: string, run: (cx: Invocation, a: string, b: string) => void): Command {
  return { name, words: 2, run };
}

/** strtoul(3) with base 0 of the whole word; null when it is not a number. */
export function parseUnsigned(text: string): number | null {
  const digits = text.trim();
  if (/^[+-]?0[xX][0-9a-fA-F]+$/.test(digits)) return signed(digits, parseInt(digits.replace(/^[+-]/, '').slice(2), 16));
  if (/^[+-]?0[0-7]*$/.test(digits)) return signed(digits, parseInt(digits.replace(/^[+-]/, ''), 8));
  if (/^[+-]?[1-9][0-9]*$/.test(digits)) return Number(digits);
  return null;
}

function signed(text: string, value: number): number {
  return text.startsWith('-') ? -value : value;
}

/** atoi(3): the number at the start of the word, 0 when there is none. */
export function atoi(text: string): number {
  return Number(/^\s*([+-]?[0-9]+)/.exec(text)?.[1] ?? 0);
}
