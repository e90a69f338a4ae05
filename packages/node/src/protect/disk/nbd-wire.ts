/**
 * nbd-wire.ts — the numbers and messages of the network block device protocol, as far as they are spoken here.
 * Read first: the NBD project's doc/proto.md, "Fixed newstyle negotiation", "Transmission".
 *
 * All numbers are big-endian. Not here: what is answered (nbd-connection.ts).
 */

const MAGIC = 0x4e42444d41474943n;
const OPTION_MAGIC = 0x49484156454f5054n;
const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
const REQUEST_MAGIC = 0x25609513;
const REPLY_MAGIC = 0x67446698;

export const HANDSHAKE_FIXED_NEWSTYLE = 1;
export const HANDSHAKE_NO_ZEROES = 2;

export const OPT_EXPORT_NAME = 1;
export const OPT_ABORT = 2;
export const OPT_LIST = 3;
export const OPT_INFO = 6;
export const OPT_GO = 7;

export const REP_ACK = 1;
export const REP_SERVER = 2;
export const REP_INFO = 3;
export const REP_ERR_UNSUP = 0x8000_0001;
export const REP_ERR_INVALID = 0x8000_0003;
export const REP_ERR_UNKNOWN = 0x8000_0006;

export const INFO_EXPORT = 0;
export const INFO_BLOCK_SIZE = 3;

export const FLAG_HAS_FLAGS = 1 << 0;
export const FLAG_READ_ONLY = 1 << 1;
export const FLAG_SEND_FLUSH = 1 << 2;
export const FLAG_SEND_FUA = 1 << 3;
export const FLAG_SEND_TRIM = 1 << 5;
export const FLAG_SEND_WRITE_ZEROES = 1 << 6;
export const FLAG_CAN_MULTI_CONN = 1 << 8;

export const CMD_READ = 0;
export const CMD_WRITE = 1;
export const CMD_DISC = 2;
export const CMD_FLUSH = 3;
export const CMD_TRIM = 4;
export const CMD_WRITE_ZEROES = 6;

export const CMD_FLAG_FUA = 1 << 0;
export const CMD_FLAG_NO_HOLE = 1 << 1;

/** Errors as they are sent. */
export const NBD_ERRNO = { EPERM: 1, EIO: 5, EINVAL: 22 } as const;

export const OPTION_HEAD_BYTES = 16;
export const REQUEST_BYTES = 28;
/** Zeros behind the answer to EXPORT_NAME, unless both do without. */
const EXPORT_PADDING_BYTES = 124;

export interface NbdOption {
  readonly option: number;
  readonly length: number;
}

export interface NbdRequest {
  readonly flags: number;
  readonly type: number;
  /** The client's name for it, 8 bytes. */
  readonly handle: Buffer;
  /** More than a disk has when it is not a number that can be said here. */
  readonly offset: number;
  readonly length: number;
}

export function greeting(): Buffer {
  const bytes = Buffer.alloc(18);
  bytes.writeBigUInt64BE(MAGIC, 0);
  bytes.writeBigUInt64BE(OPTION_MAGIC, 8);
  bytes.writeUInt16BE(HANDSHAKE_FIXED_NEWSTYLE | HANDSHAKE_NO_ZEROES, 16);
  return bytes;
}

/** null: that is no option. */
export function parseOptionHead(bytes: Buffer): NbdOption | null {
  return bytes.readBigUInt64BE(0) === OPTION_MAGIC ? { option: bytes.readUInt32BE(8), length: bytes.readUInt32BE(12) } : null;
}

/** null: that is no request. */
export function parseRequest(bytes: Buffer): NbdRequest | null {
  if (bytes.readUInt32BE(0) !== REQUEST_MAGIC) return null;
  return { flags: bytes.readUInt16BE(4), type: bytes.readUInt16BE(6), handle: Buffer.from(bytes.subarray(8, 16)), offset: Number(bytes.readBigUInt64BE(16)), length: bytes.readUInt32BE(24) };
}

export function optionReply(option: number, reply: number, data: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0);
  head.writeUInt32BE(option, 8);
  head.writeUInt32BE(reply, 12);
  head.writeUInt32BE(data.length, 16);
  return Buffer.concat([head, data]);
}

/** What a reply of INFO or GO says of the export. */
export function infoExport(bytes: number, flags: number): Buffer {
  const info = Buffer.alloc(12);
  info.writeUInt16BE(INFO_EXPORT, 0);
  info.writeBigUInt64BE(BigInt(bytes), 2);
  info.writeUInt16BE(flags, 10);
  return info;
}

/** What it says of the sizes of requests. */
export function infoBlockSize(least: number, best: number, most: number): Buffer {
  const info = Buffer.alloc(14);
  info.writeUInt16BE(INFO_BLOCK_SIZE, 0);
  info.writeUInt32BE(least, 2);
  info.writeUInt32BE(best, 6);
  info.writeUInt32BE(most, 10);
  return info;
}

/** The answer to EXPORT_NAME. */
export function exportAnswer(bytes: number, flags: number, padded: boolean): Buffer {
  const answer = Buffer.alloc(10 + (padded ? EXPORT_PADDING_BYTES : 0));
  answer.writeBigUInt64BE(BigInt(bytes), 0);
  answer.writeUInt16BE(flags, 8);
  return answer;
}

/** A simple reply; the data of a read follows it. */
export function simpleReply(handle: Uint8Array, error: number): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32BE(REPLY_MAGIC, 0);
  head.writeUInt32BE(error, 4);
  head.set(handle, 8);
  return head;
}

export function optionName(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length, 0);
  return Buffer.concat([length, bytes]);
}
