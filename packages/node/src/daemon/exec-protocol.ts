/**
 * exec-protocol.ts — the frames of `netloom-exec`, the streaming form of a tool call.
 *
 * Read first: RFC 9110 §7.8 (Upgrade); docs/exec-protocol.md.
 *
 * Theory of operation. A client sends `POST /v1/exec` with `Connection: Upgrade` and `Upgrade: netloom-exec`, and in the same write its first
 * frame; the daemon answers 101 and both speak frames: one byte type, four bytes length (big endian), payload.
 * One connection is one tool call; whoever closes it ends the call. Types below 0x10 go to the daemon, the others to the client.
 *
 *   0x01 start    JSON ExecStart                     0x11 stdout     bytes
 *   0x02 stdin    bytes, not empty                   0x12 stderr     bytes
 *   0x03 stdinEof empty                              0x13 exit       u8 code, signal name or nothing
 *   0x04 signal   name: INT, TERM, INFO, ...         0x14 spawn      u32 id, u32 argc, argc strings, KEY=VALUE strings
 *   0x05 window   u16 columns, u16 rows              0x15 kill       u32 id, signal name
 *   0x06 spawned  u32 id, u32 exit code, errno name  0x16 wantStdin  empty
 *                                                    0x17 raw        u8 how
 *
 * Strings inside a frame end with NUL, so that a client needs no JSON parser. Standard input is pulled: the client reads at most one
 * block and sends it (or EOF) for every `wantStdin`, so a tool that reads nothing takes nothing from the client's input.
 * `spawn` asks the client to run a host program with its own terminal, folder and rights; `spawned` is the answer.
 *
 * Invariants: a payload is at most FRAME_MAX bytes; a longer one, or an unknown type, is a protocol error and ends the connection.
 * Not here: what the daemon does with the frames (exec-stream.ts).
 */

export const EXEC_UPGRADE = 'netloom-exec';

export const FRAME_START = 0x01;
export const FRAME_STDIN = 0x02;
export const FRAME_STDIN_EOF = 0x03;
export const FRAME_SIGNAL = 0x04;
export const FRAME_WINDOW = 0x05;
export const FRAME_SPAWNED = 0x06;
export const FRAME_STDOUT = 0x11;
export const FRAME_STDERR = 0x12;
export const FRAME_EXIT = 0x13;
export const FRAME_SPAWN = 0x14;
export const FRAME_KILL = 0x15;
export const FRAME_WANT_STDIN = 0x16;
export const FRAME_RAW = 0x17;

/** Longest payload, bytes. Environment and arguments of a call must fit in one. */
export const FRAME_MAX = 1024 * 1024;
const HEADER_BYTES = 5;

/** The first frame: what to run. */
export interface ExecStart {
  /** `argv[0]` names the tool; a path counts by its last component. */
  readonly argv: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  /** NETLOOM_JAIL (name of the prison, dotted from the root) and NETLOOM_FIB are obeyed; tools see the rest. */
  readonly env: Readonly<Record<string, string>>;
  /** Standard output is a terminal. */
  readonly tty: boolean;
  /** Standard input is a terminal, which the client can put into raw mode. */
  readonly stdinTty: boolean;
  readonly columns: number;
  /** Names of signals the caller's shell had ignored (nohup, `&` in a script): without a handler of the tool they stay ignored. */
  readonly ignored: readonly string[];
}

/** One frame. `payload` is a view of the receive buffer: valid until the next `push`. */
export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

/** The peer broke the protocol; the connection cannot go on. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

export function encodeFrame(type: number, payload: Uint8Array | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame[0] = type;
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, HEADER_BYTES);
  return frame;
}

export function encodeExit(code: number, signal: string): Buffer {
  return encodeFrame(FRAME_EXIT, Buffer.concat([Buffer.of(code), Buffer.from(signal)]));
}

export function encodeSpawn(id: number, argv: readonly string[], env: Readonly<Record<string, string>>): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(id, 0);
  head.writeUInt32BE(argv.length, 4);
  const strings = [...argv, ...Object.entries(env).map(([key, value]) => `${key}=${value}`)];
  return encodeFrame(FRAME_SPAWN, Buffer.concat([head, Buffer.from(strings.map((s) => `${s.replaceAll('\0', '')}\0`).join(''))]));
}

export function encodeKill(id: number, signal: string): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(id, 0);
  return encodeFrame(FRAME_KILL, Buffer.concat([head, Buffer.from(signal)]));
}

/** A host program's end, as the client reports it: an exit code, or the errno name of why it could not be run ('' when it ran). */
export interface Spawned {
  readonly id: number;
  readonly exitCode: number;
  readonly error: string;
}

export function decodeSpawned(payload: Buffer): Spawned {
  if (payload.length < 8) throw new ProtocolError(`a spawned frame of ${payload.length} bytes: at least 8 needed`);
  return { id: payload.readUInt32BE(0), exitCode: payload.readUInt32BE(4), error: payload.toString('latin1', 8) };
}

/** Checks the first frame. Throws ProtocolError naming the field. */
export function decodeStart(payload: Buffer): ExecStart {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString('utf8'));
  } catch {
    throw new ProtocolError('the start frame is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw new ProtocolError('the start frame is not a JSON object');
  const { argv, cwd = '/', env = {}, tty = false, stdinTty = false, columns = 80, ignored = [] } = value as Record<string, unknown>;
  if (!isStrings(argv) || argv.length === 0) throw new ProtocolError('argv: a list of strings, the tool first, is needed');
  if (typeof cwd !== 'string' || !cwd.startsWith('/')) throw new ProtocolError('cwd: an absolute path is needed');
  if (typeof env !== 'object' || env === null || !isStrings(Object.values(env))) throw new ProtocolError('env: an object of strings is needed');
  if (typeof tty !== 'boolean') throw new ProtocolError('tty: true or false is needed');
  if (typeof stdinTty !== 'boolean') throw new ProtocolError('stdinTty: true or false is needed');
  if (typeof columns !== 'number' || !(columns >= 0 && columns <= 65_535)) throw new ProtocolError('columns: a number from 0 to 65535 is needed');
  if (!isStrings(ignored)) throw new ProtocolError('ignored: a list of signal names is needed');
  return { argv, cwd, env: env as Record<string, string>, tty, stdinTty, columns, ignored };
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((v) => typeof v === 'string');
}

/** Cuts a byte stream into frames. Holds at most one incomplete frame, so at most FRAME_MAX + one read. */
export class FrameParser {
  private rest: Buffer = Buffer.alloc(0);

  /** The complete frames that `chunk` finishes. Throws ProtocolError when a frame is too long. */
  *push(chunk: Buffer): Generator<Frame> {
    let buf = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    this.rest = Buffer.alloc(0);
    while (buf.length >= HEADER_BYTES) {
      const length = buf.readUInt32BE(1);
      if (length > FRAME_MAX) throw new ProtocolError(`a frame of ${length} bytes: at most ${FRAME_MAX} are allowed`);
      if (buf.length < HEADER_BYTES + length) break;
      const type = buf[0] ?? 0;
      const payload = buf.subarray(HEADER_BYTES, HEADER_BYTES + length);
      buf = buf.subarray(HEADER_BYTES + length);
      yield { type, payload };
    }
    this.rest = buf;
  }

  /** Bytes of an incomplete frame are waiting. */
  get partial(): boolean {
    return this.rest.length > 0;
  }
}
