/**
 * patch-op.ts — PatchOp: one change of a patch node: so many bytes at an offset, and what is done to the number they are.
 * Read first: ng_patch(4).
 *
 * Numbers are in network byte order and wrap as C's unsigned ones do. Eight bytes are worked out as a bigint: the only ones that cost an allocation.
 */
import { ngStruct, ngUint16, ngUint32, ngUint64Exact } from '../ng-parse.js';
import type { NgValue } from '../ng-parse.js';

const MODE_SET = 1;
const MODE_ADD = 2;
const MODE_SUB = 3;
const MODE_MUL = 4;
const MODE_DIV = 5;
const MODE_NEG = 6;
const MODE_AND = 7;
const MODE_OR = 8;
const MODE_XOR = 9;
const MODE_SHL = 10;
const MODE_SHR = 11;

export const patchOpType = ngStruct({ offset: ngUint32, length: ngUint16, mode: ngUint16, value: ngUint64Exact });

const WIDE = 8;

export class PatchOp {
  readonly offset: number;
  readonly length: number;
  readonly mode: number;
  /** As much of it as has a place in `length` bytes. */
  readonly value: bigint;
  private readonly operand: number;

  private constructor({ offset, length, mode, value }: NgValue<typeof patchOpType>) {
    this.offset = offset;
    this.length = length;
    this.mode = mode;
    this.value = BigInt.asUintN(length * 8, value);
    this.operand = length === WIDE ? 0 : Number(this.value);
  }

  /** Null: not a length there is, or a division by zero. */
  static of(op: NgValue<typeof patchOpType>): PatchOp | null {
    if (op.length !== 1 && op.length !== 2 && op.length !== 4 && op.length !== WIDE) return null;
    const made = new PatchOp(op);
    return op.mode === MODE_DIV && made.value === 0n ? null : made;
  }

  /** Changes the bytes at `at`. */
  apply(v: DataView, at: number): void {
    switch (this.length) {
      case 1:
        v.setUint8(at, this.worked(v.getUint8(at)));
        break;
      case 2:
        v.setUint16(at, this.worked(v.getUint16(at)));
        break;
      case 4:
        v.setUint32(at, this.worked(v.getUint32(at)));
        break;
      default:
        v.setBigUint64(at, BigInt.asUintN(64, this.workedWide(v.getBigUint64(at))));
    }
  }

  /** The low bits of the answer are the number; the others are cut off where it is stored. */
  private worked(was: number): number {
    const { operand } = this;
    switch (this.mode) {
      case MODE_SET:
        return operand;
      case MODE_ADD:
        return was + operand;
      case MODE_SUB:
        return was - operand;
      case MODE_MUL:
        return Math.imul(was, operand);
      case MODE_DIV:
        return Math.floor(was / operand);
      case MODE_NEG:
        return -was;
      case MODE_AND:
        return was & operand;
      case MODE_OR:
        return was | operand;
      case MODE_XOR:
        return was ^ operand;
      case MODE_SHL:
        return operand > 31 ? 0 : was << operand;
      case MODE_SHR:
        return operand > 31 ? 0 : was >>> operand;
      default:
        return was;
    }
  }

  private workedWide(was: bigint): bigint {
    const { value } = this;
    switch (this.mode) {
      case MODE_SET:
        return value;
      case MODE_ADD:
        return was + value;
      case MODE_SUB:
        return was - value;
      case MODE_MUL:
        return was * value;
      case MODE_DIV:
        return was / value;
      case MODE_NEG:
        return -was;
      case MODE_AND:
        return was & value;
      case MODE_OR:
        return was | value;
      case MODE_XOR:
        return was ^ value;
      case MODE_SHL:
        return value > 63n ? 0n : was << value;
      case MODE_SHR:
        return value > 63n ? 0n : was >> value;
      default:
        return was;
    }
  }
}
