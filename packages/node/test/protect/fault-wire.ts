/**
 * fault-wire.ts — FaultWire: a connection in memory between the two sides of a protected machine, which does to what passes what a test wants.
 * Read first: src/protect/wire/record.ts.
 *
 * It cuts what is written into records, so that a fault can be put exactly where it belongs: before this COMMIT, in the middle of that IMAGE. The other side gets the bytes of what `onRecord` answers.
 */
import { Duplex } from 'node:stream';
import { HEADER_BYTES, recordName } from '../../src/protect/wire/record.js';
import type { RecordName, RecordType } from '../../src/protect/wire/record.js';

export type Direction = 'toBackup' | 'toPrimary';

export interface PassingRecord {
  readonly name: RecordName;
  readonly bytes: Buffer;
}

export class FaultWire {
  readonly primary: Duplex;
  readonly backup: Duplex;
  /** What arrives of a record. */
  onRecord: (direction: Direction, record: PassingRecord) => readonly Buffer[] = (_direction, { bytes }) => [bytes];
  /** What is sent that way is lost, and neither end notices. */
  readonly lost: Record<Direction, boolean> = { toBackup: false, toPrimary: false };

  constructor() {
    this.primary = this.end('toBackup', () => this.backup);
    this.backup = this.end('toPrimary', () => this.primary);
  }

  /** Both ends notice. */
  cut(): void {
    this.primary.destroy();
    this.backup.destroy();
  }

  get isOpen(): boolean {
    return !this.primary.destroyed || !this.backup.destroyed;
  }

  private end(direction: Direction, other: () => Duplex): Duplex {
    let rest: Buffer = Buffer.alloc(0);
    const gone = (): void => {
      if (!this.lost[direction] && !other().destroyed && !other().readableEnded) other().push(null);
    };
    return new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        rest = Buffer.concat([rest, chunk]);
        for (let whole = wholeRecord(rest); whole !== null; whole = wholeRecord(rest)) {
          rest = rest.subarray(whole.bytes.length);
          for (const bytes of this.onRecord(direction, whole)) if (!this.lost[direction] && !other().destroyed) other().push(bytes);
        }
        done();
      },
      final: (done) => {
        gone();
        done();
      },
      destroy: (error, done) => {
        gone();
        done(error);
      },
    });
  }
}

function wholeRecord(bytes: Buffer): PassingRecord | null {
  if (bytes.length < HEADER_BYTES) return null;
  const length = HEADER_BYTES + bytes.readUInt32BE(8);
  return bytes.length < length ? null : { name: recordName(bytes.readUInt8(1) as RecordType), bytes: bytes.subarray(0, length) };
}
