/**
 * epoch.ts — a checkpoint made of records: EpochTally counts what is sent, EpochAssembler collects what came. Whole or nothing.
 * Read first: record.ts.
 *
 * Parts (IMAGE, DEVICE, DISK) come, then a COMMIT that says how many there were, of how many bytes, and the CRC-32 of their sums in order. The
 * records have been checked one by one before; the COMMIT finds what was never sent, or sent for another checkpoint. Nothing of it may be used before.
 *
 * Invariant: the assembler holds at most `bytesMax` bytes and RECORDS_MAX records. Epochs ascend by one from `first` on.
 */
import { crc32 } from 'node:zlib';
import type { CommitPayload } from './record-payloads.js';
import { RecordError, recordName } from './record.js';
import type { WireRecord } from './record.js';

/** A record that holds nothing holds memory. */
const RECORDS_MAX = 65_536;

/** Counts the parts of a checkpoint. */
export class EpochTally {
  records = 0;
  bytes = 0;
  private crc = 0;
  private readonly sum = Buffer.alloc(4);

  /** `crc`: the record's second sum. */
  add(payloadBytes: number, crc: number): void {
    this.records++;
    this.bytes += payloadBytes;
    this.sum.writeUInt32BE(crc);
    this.crc = crc32(this.sum, this.crc);
  }

  /** What the COMMIT says, and begins anew. */
  close(epoch: number): CommitPayload {
    const { records, bytes, crc } = this;
    this.records = this.bytes = this.crc = 0;
    return { epoch, records, bytes, crc };
  }
}

/** All of a checkpoint, in the order in which it was sent. */
export interface WholeEpoch {
  readonly epoch: number;
  readonly bytes: number;
  readonly parts: readonly WireRecord[];
}

export class EpochAssembler {
  private readonly bytesMax: number;
  private readonly tally = new EpochTally();
  private parts: WireRecord[] = [];
  private next: number;

  /** `first`: the number of the first checkpoint. */
  constructor(bytesMax: number, first = 0) {
    this.bytesMax = bytesMax;
    this.next = first;
  }

  /** Bytes that are waiting for their COMMIT. */
  get bytes(): number {
    return this.tally.bytes;
  }

  /** Takes a part. @throws RecordError when there are too many */
  add(record: WireRecord): void {
    const { type, number, payload, crc } = record;
    if (this.tally.bytes + payload.length > this.bytesMax) throw new RecordError(`record ${number} (${recordName(type)}) makes checkpoint ${this.next} larger than ${this.bytesMax} bytes, the most that is kept here`);
    if (this.tally.records === RECORDS_MAX) throw new RecordError(`record ${number} (${recordName(type)}) makes checkpoint ${this.next} one of more than ${RECORDS_MAX} records`);
    this.parts.push(record);
    this.tally.add(payload.length, crc);
  }

  /** The checkpoint that `said` completes. @throws RecordError when it is not the one that was said */
  commit(said: CommitPayload): WholeEpoch {
    const { parts, next: epoch } = this;
    const counted = this.tally.close(epoch);
    this.parts = [];
    if (said.epoch !== epoch) throw new RecordError(`checkpoint ${epoch} is missing: the COMMIT is of ${said.epoch}`);
    for (const field of ['records', 'bytes', 'crc'] as const) {
      if (said[field] !== counted[field]) throw new RecordError(`checkpoint ${epoch} is not whole: its COMMIT says ${field} ${said[field]}, and ${counted[field]} came`);
    }
    this.next++;
    return { epoch, bytes: counted.bytes, parts };
  }
}
