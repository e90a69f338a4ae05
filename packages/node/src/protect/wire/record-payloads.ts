/**
 * record-payloads.ts — what the small records say: JSON, and for each type one function that refuses what is not as it must be.
 * Read first: record.ts.
 *
 * A field too many is refused as one too few is: HELLO and WELCOME say `protocol`, and two versions that differ in a field differ in that number.
 */
import { RECORD, RecordError, recordName } from './record.js';
import type { RecordType } from './record.js';

/** Of these records and of what they mean. */
export const PROTOCOL = 1;

const TEXT_MAX = 4_096;
const DEPTH_MAX = 32;

/** Checks a field: `what` completes "… must be". */
interface Field<T> {
  readonly what: string;
  readonly holds: (value: unknown) => value is T;
}

const WHOLE: Field<number> = { what: 'a whole number', holds: (v): v is number => Number.isSafeInteger(v) && (v as number) >= 0 };
const CRC: Field<number> = { what: 'a number of 32 bits', holds: (v): v is number => WHOLE.holds(v) && v < 2 ** 32 };
const TIME: Field<number> = { what: 'a time in ms', holds: (v): v is number => typeof v === 'number' && Number.isFinite(v) && v >= 0 };
const TEXT: Field<string> = { what: `a text of at most ${TEXT_MAX} characters`, holds: (v): v is string => typeof v === 'string' && v.length <= TEXT_MAX };
const NAME: Field<string> = { what: 'a name', holds: (v): v is string => TEXT.holds(v) && v !== '' };
const TRUTH: Field<boolean> = { what: 'true or false', holds: (v): v is boolean => typeof v === 'boolean' };
const OBJECT: Field<JsonObject> = { what: 'an object', holds: (v): v is JsonObject => typeof v === 'object' && v !== null && !Array.isArray(v) && depthOf(v) <= DEPTH_MAX };
const PROTOCOL_HERE: Field<number> = { what: `${PROTOCOL}: both sides must run the same version of netloom`, holds: (v): v is number => v === PROTOCOL };
const ENGINE: Field<Engine> = { what: '"qemu" or "v86"', holds: (v): v is Engine => v === 'qemu' || v === 'v86' };

export type JsonObject = Readonly<Record<string, unknown>>;
export type Engine = 'qemu' | 'v86';

export interface HelloPayload {
  readonly protocol: number;
  /** Of netloom. */
  readonly version: string;
  readonly machine: string;
  /** Of this protection of the machine; a later one has a larger number. */
  readonly generation: number;
  readonly engine: Engine;
  readonly imageBytes: number;
  /** Of the first checkpoint. */
  readonly firstEpoch: number;
  /** As fence/fence.ts reads it. */
  readonly fence: string;
  readonly beatMs: number;
  readonly timeoutMs: number;
  /** What a machine must be made of to be this one. */
  readonly spec: JsonObject;
}

export interface WelcomePayload {
  readonly protocol: number;
  readonly version: string;
  /** Who keeps it, for people. */
  readonly keeper: string;
  /** What a JOIN of this stream says. */
  readonly session: string;
  /** Of the daemon that keeps it: another one knows nothing of what this one did. */
  readonly life: string;
}

export interface ReasonPayload {
  readonly reason: string;
}

export interface JoinPayload {
  readonly session: string;
}

export interface CommitPayload {
  readonly epoch: number;
  readonly records: number;
  readonly bytes: number;
  /** CRC-32 of the sums of its records, in order. */
  readonly crc: number;
}

export interface AckPayload {
  readonly epoch: number;
  /** How long it took to keep it. */
  readonly keptMs: number;
}

export interface NakPayload {
  readonly epoch: number;
  readonly reason: string;
}

/** `at`: the sender's clock, which means nothing to the other side. */
export type BeatPayload = { readonly n: number; readonly at: number } | { readonly echo: number };

/** Which life of which machine. */
export interface LifePayload {
  readonly machine: string;
  readonly generation: number;
}

export interface LivesPayload extends LifePayload {
  /** It has gone on without its backup in this generation. */
  readonly alone: boolean;
}

export const readHello = reader<HelloPayload>(RECORD.HELLO, {
  protocol: PROTOCOL_HERE, version: TEXT, machine: NAME, generation: WHOLE, engine: ENGINE, imageBytes: WHOLE, firstEpoch: WHOLE, fence: TEXT, beatMs: WHOLE, timeoutMs: WHOLE, spec: OBJECT,
});
export const readWelcome = reader<WelcomePayload>(RECORD.WELCOME, { protocol: PROTOCOL_HERE, version: TEXT, keeper: TEXT, session: NAME, life: NAME });
export const readRefused = reader<ReasonPayload>(RECORD.REFUSED, { reason: TEXT });
export const readJoin = reader<JoinPayload>(RECORD.JOIN, { session: NAME });
export const readCommit = reader<CommitPayload>(RECORD.COMMIT, { epoch: WHOLE, records: WHOLE, bytes: WHOLE, crc: CRC });
export const readAck = reader<AckPayload>(RECORD.ACK, { epoch: WHOLE, keptMs: TIME });
export const readNak = reader<NakPayload>(RECORD.NAK, { epoch: WHOLE, reason: TEXT });
export const readDead = reader<ReasonPayload>(RECORD.DEAD, { reason: TEXT });
export const readEnd = reader<ReasonPayload>(RECORD.END, { reason: TEXT });
export const readLives = reader<LivesPayload>(RECORD.LIVES, { machine: NAME, generation: WHOLE, alone: TRUTH });
export const readStandDown = reader<LifePayload>(RECORD.STAND_DOWN, { machine: NAME, generation: WHOLE });
export const readStoodDown = reader<LifePayload>(RECORD.STOOD_DOWN, { machine: NAME, generation: WHOLE });

const readBeatSent = reader<{ n: number; at: number }>(RECORD.BEAT, { n: WHOLE, at: TIME });
const readBeatEcho = reader<{ echo: number }>(RECORD.BEAT, { echo: WHOLE });

/** @throws RecordError */
export function readBeat(payload: Buffer): BeatPayload {
  return 'echo' in parse(RECORD.BEAT, payload) ? readBeatEcho(payload) : readBeatSent(payload);
}

/** What each record of JSON says, by its type. */
export interface JsonPayloads {
  readonly [RECORD.HELLO]: HelloPayload;
  readonly [RECORD.WELCOME]: WelcomePayload;
  readonly [RECORD.REFUSED]: ReasonPayload;
  readonly [RECORD.JOIN]: JoinPayload;
  readonly [RECORD.COMMIT]: CommitPayload;
  readonly [RECORD.ACK]: AckPayload;
  readonly [RECORD.NAK]: NakPayload;
  readonly [RECORD.BEAT]: BeatPayload;
  readonly [RECORD.DEAD]: ReasonPayload;
  readonly [RECORD.END]: ReasonPayload;
  readonly [RECORD.LIVES]: LivesPayload;
  readonly [RECORD.STAND_DOWN]: LifePayload;
  readonly [RECORD.STOOD_DOWN]: LifePayload;
}

/** A reason that a reader takes: one line, not too long. */
export function reasonText(reason: string): string {
  const line = reason.replace(/\s+/g, ' ').trim();
  return line.length > TEXT_MAX ? `${line.slice(0, TEXT_MAX - 3)}...` : line;
}

/** A function that reads the payload of `type`. @throws RecordError */
function reader<T extends object>(type: RecordType, fields: { readonly [K in keyof T]: Field<T[K]> }): (payload: Buffer) => T {
  const known = Object.entries<Field<unknown>>(fields);
  return (payload) => {
    const value = parse(type, payload);
    for (const [key, { what, holds }] of known) {
      if (!Object.hasOwn(value, key)) throw new RecordError(`${recordName(type)} has no ${key}`);
      if (!holds(value[key])) throw new RecordError(`${recordName(type)} has ${key} ${shown(value[key])}, and it must be ${what}`);
    }
    for (const key of Object.keys(value)) if (!Object.hasOwn(fields, key)) throw new RecordError(`${recordName(type)} has a field ${shown(key)} that there is not`);
    return value as T;
  };
}

function parse(type: RecordType, payload: Buffer): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString('utf8'));
  } catch {
    throw new RecordError(`${recordName(type)} is not JSON: ${shown(payload.toString('latin1'))}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new RecordError(`${recordName(type)} is ${shown(value)}, and it must be an object`);
  return value as JsonObject;
}

/** A value as a line of an error bears it. */
function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

function depthOf(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return depth;
  return Math.max(depth + 1, ...Object.values(value).map((part) => depthOf(part, depth + 1)));
}
