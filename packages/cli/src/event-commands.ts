/**
 * event-commands.ts — `netloom events`: what happened, and with -f what happens; `netloom moves`: which interface went where.
 *
 * Read first: docs/events.md.
 *
 * Theory of operation. Lines come from the daemon and go to standard output one by one. While standard output takes nothing (a pager, a full
 * pipe), nothing is read from the daemon either, so that a slow reader costs nobody memory: it loses events, and the daemon says how many.
 * Under NETLOOM_JAIL, which `jexec` and `netloom exec` set for what they run, only the jail's own events are asked for.
 * Names that jails choose are printed without control characters, which could command the terminal.
 */
import { once } from 'node:events';
import { DaemonClient } from '@netloom/node/client';
import type { EventRecord, GapRecord, MoveView } from '@netloom/node/client';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_USAGE, json, table } from './cli-io.js';
import { jailAround, refuseInside } from './inside-jail.js';

export interface EventsOptions {
  readonly follow?: boolean;
  readonly vnet?: string;
  readonly system?: string;
  readonly steps?: boolean;
  readonly since?: string;
  readonly json?: boolean;
}

export async function events(options: EventsOptions, socket: string, io: CliIo): Promise<void> {
  const jail = jailAround(io);
  if (jail !== '' && options.vnet !== undefined) throw new CliError(`--vnet is for outside all jails: in the jail "${jail}" (NETLOOM_JAIL) there are only its own events`, EXIT_USAGE);
  const query = new URLSearchParams({
    ...(options.follow === true ? { follow: 'true' } : {}), ...(options.vnet === undefined ? {} : { vnet: options.vnet }), ...(options.system === undefined ? {} : { system: options.system }),
    ...(options.steps === true ? { steps: 'true' } : {}), ...(options.since === undefined ? {} : { since: options.since }), ...(jail === '' ? {} : { inside: jail }),
  });
  const layout = new EventLayout(jail === '', hasColour(io));
  let empty = true;
  for await (const line of new DaemonClient(socket).lines(`/v1/events?${query.toString()}`)) {
    if (options.json !== true && empty) io.out(layout.head());
    empty = false;
    io.out(options.json === true ? `${line}\n` : layout.line(JSON.parse(line) as EventRecord | GapRecord));
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
  }
}

export async function moves(options: { readonly json?: boolean }, socket: string, io: CliIo): Promise<void> {
  refuseInside(io, 'the journal of moves');
  const list = await new DaemonClient(socket).get<MoveView[]>('/v1/moves');
  if (options.json === true) return io.out(json(list));
  const rows = list.map((m) => [String(m.seq), localTime(m.time), m.how, m.interface, m.from, m.to, m.home, resultOf(m)].map(printable));
  io.out(table(['SEQ', 'TIME', 'HOW', 'INTERFACE', 'FROM', 'TO', 'HOME', 'RESULT'], rows));
}

function resultOf({ error, message, interface: was, name, by }: MoveView): string {
  if (error !== null) return `${error}: ${message ?? ''}`;
  return `moved${name === was ? '' : `, now ${name}`}${by === 'classic' ? ' (the same object)' : ''}`;
}

function hasColour(io: CliIo): boolean {
  return process.stdout.isTTY && (io.env.NO_COLOR ?? '') === '' && io.env.TERM !== 'dumb';
}

const COMES = new Set(['ATTACH', 'IFATTACH', 'LINK_UP', 'ADDR_ADD', 'CREATE', 'HOLDING', 'READY', 'LIVE']);
const GOES = new Set(['DETACH', 'LINK_DOWN', 'ADDR_DEL', 'REMOVE', 'DYING', 'GONE', 'PANIC', 'FAILED', 'FROZEN', 'BROKEN', 'UNREACHABLE', 'DISK']);

/** Least widths: a longer value moves the rest of its line. */
const SEQ_WIDTH = 6;
const TIME_WIDTH = 23;
const VNET_WIDTH = 10;
const SYSTEM_WIDTH = 8;
const SUBSYSTEM_WIDTH = 10;
const TYPE_WIDTH = 10;

/** One event a line, in columns. */
export class EventLayout {
  private readonly withVnet: boolean;
  private readonly colour: boolean;

  constructor(withVnet: boolean, colour: boolean) {
    this.withVnet = withVnet;
    this.colour = colour;
  }

  head(): string {
    return this.row('SEQ', 'TIME', 'VNET', 'SYSTEM', 'SUBSYSTEM', 'TYPE', 'DATA', '');
  }

  line(record: EventRecord | GapRecord): string {
    if ('lost' in record) return this.painted(`${String(record.seq).padStart(SEQ_WIDTH)}  GAP: ${record.lost} event${record.lost === 1 ? '' : 's'} up to this one ${record.lost === 1 ? 'is' : 'are'} not kept any more\n`, '33');
    const { seq, time, vnet = '', system, subsystem, type, data } = record;
    const pieces = Object.entries(data).map(([key, value]) => `${key}=${/[\s"\\]/.test(value) || value === '' ? JSON.stringify(value) : value}`);
    const code = GOES.has(type) ? '31' : COMES.has(type) ? '32' : '33';
    return this.row(String(seq), localTime(time), vnet, system, subsystem, type, pieces.join(' '), code);
  }

  private row(seq: string, time: string, vnet: string, system: string, subsystem: string, type: string, data: string, code: string): string {
    const vnetCell = this.withVnet ? `${printable(vnet).padEnd(VNET_WIDTH)}  ` : '';
    const before = `${seq.padStart(SEQ_WIDTH)}  ${time.padEnd(TIME_WIDTH)}  ${vnetCell}${system.padEnd(SYSTEM_WIDTH)}  ${printable(subsystem).padEnd(SUBSYSTEM_WIDTH)}  `;
    const after = data === '' ? '' : `${' '.repeat(Math.max(0, TYPE_WIDTH - type.length))}  ${printable(data)}`;
    return `${before}${this.painted(type, code)}${after}\n`;
  }

  private painted(text: string, code: string): string {
    return this.colour && code !== '' ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

/** The time of day here, with milliseconds, of an RFC 3339 time. */
function localTime(time: string): string {
  const t = new Date(time);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}.${String(t.getMilliseconds()).padStart(3, '0')}`;
}

/** Control characters as JavaScript writes them. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => `\\x${(c.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`);
}
