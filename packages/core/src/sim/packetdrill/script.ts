/**
 * script.ts — what a packet script says, as data: the model between the parser and the runner.
 * Read first: docs/packetdrill.md; packetdrill's own description, `syntax.md` of github.com/google/packetdrill.
 *
 * A script is options, an optional command, and events, each at a time: a packet that arrives (`<`), a packet that must be sent (`>`), a
 * system call with the result it must have, a command in backticks, or checks between `%{` and `}%`. Times are microseconds of virtual time.
 * TCP options are kept as the bytes they are on the wire, so that comparing and sending need no second form.
 */

/** A script, or a part of it, that this runner does not know, or that is wrong: a text and a line. */
export class ScriptError extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.name = 'ScriptError';
    this.line = line;
  }
}

/** The stack did something else than the script says. */
export class ScriptFailure extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.name = 'ScriptFailure';
    this.line = line;
  }
}

/** `--mtu=1280`: the value is empty for an option without one. */
export interface ScriptOption {
  readonly line: number;
  readonly name: string;
  readonly value: string;
}

/** When an event happens: at `us` from the start (or from the event before), until `endUs` for a range; `any` is `*`. */
export interface EventTime {
  readonly any: boolean;
  readonly relative: boolean;
  readonly us: number;
  /** null: not a range. */
  readonly endUs: number | null;
}

export type TosCheck = 'none' | 'ecn' | 'ect01' | 'tos';

/** What a script says about the IP header: `[ect0]`, `[tos 0x10]`, `[ttl 64]`, `[ce, flowlabel 0x1]`. 0 and 'none' are "nothing". */
export interface IpSpec {
  readonly tosCheck: TosCheck;
  readonly tos: number;
  readonly ttl: number;
  readonly flowLabel: number;
}

export interface TcpSpec {
  readonly proto: 'tcp';
  /** 0: the port of the connection. */
  readonly srcPort: number;
  readonly dstPort: number;
  /** TH_* bits. */
  readonly flags: number;
  /** null: any sequence number, `...`. */
  readonly seq: number | null;
  /** Sequence number and acknowledgement are those on the wire, not counted from the initial ones. */
  readonly absolute: boolean;
  readonly payload: number;
  readonly ack: number;
  /** null: whatever it is. */
  readonly win: number | null;
  readonly urp: number;
  /** The option bytes; null for `<...>`: whatever they are. */
  readonly options: Uint8Array | null;
}

export interface UdpSpec {
  readonly proto: 'udp';
  readonly srcPort: number;
  readonly dstPort: number;
  readonly payload: number;
}

/** The packet that an ICMP error quotes. */
export type QuotedSpec = { readonly proto: 'tcp'; readonly seq: number; readonly payload: number } | { readonly proto: 'udp'; readonly payload: number };

export interface IcmpSpec {
  readonly proto: 'icmp';
  /** `unreachable`; what it is on the wire depends on the family. */
  readonly type: string;
  /** `frag_needed`, `code_3`; empty for 0. */
  readonly code: string;
  /** -1: not given. */
  readonly mtu: number;
  readonly id: number;
  readonly quoted: QuotedSpec;
}

export interface PacketSpec {
  readonly inbound: boolean;
  readonly ip: IpSpec;
  readonly body: TcpSpec | UdpSpec | IcmpSpec;
  /** As it is written, without the time. */
  readonly text: string;
}

/** An argument or a result of a call. */
export type Expr =
  | { readonly kind: 'ellipsis' }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'word'; readonly name: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'or'; readonly left: Expr; readonly right: Expr }
  /** `[a, b]` and `{a, b}` */
  | { readonly kind: 'list'; readonly items: readonly Expr[] }
  /** `{fd = 3, events = POLLIN}`; `msg_iov(1) = [...]` is the field `msg_iov`. */
  | { readonly kind: 'record'; readonly fields: ReadonlyMap<string, Expr> }
  /** `htons(80)` */
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expr[] };

export interface CallSpec {
  readonly name: string;
  readonly args: readonly Expr[];
  readonly result: Expr;
  /** `EAGAIN`; empty: the call succeeds. */
  readonly error: string;
  /** `0.1...0.2 read(...)`: the call returns at that time, counted like the event's own. null: at once. */
  readonly endUs: number | null;
}

export type ScriptAction =
  | { readonly kind: 'packet'; readonly packet: PacketSpec }
  | { readonly kind: 'call'; readonly call: CallSpec }
  | { readonly kind: 'command'; readonly text: string }
  | { readonly kind: 'code'; readonly text: string };

export interface ScriptEvent {
  readonly line: number;
  readonly time: EventTime;
  readonly action: ScriptAction;
}

export interface Script {
  readonly options: readonly ScriptOption[];
  /** Before the first event and after the last one. */
  readonly init: { readonly line: number; readonly text: string } | null;
  readonly cleanup: { readonly line: number; readonly text: string } | null;
  readonly events: readonly ScriptEvent[];
}
