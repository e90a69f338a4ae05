/**
 * bpf-filter.ts — the classic BPF machine: a packet goes in, the number of bytes to keep comes out.
 * Read first: bpf(4), "FILTER MACHINE"; McCanne & Jacobson, "The BSD Packet Filter", USENIX 1993.
 *
 * Theory of operation. The machine has an accumulator A, an index register X, sixteen words of memory M and jumps that only
 * go forward, so every program ends. A program is one `Int32Array`, four words an instruction (code, jt, jf, k), because the
 * loop then touches one object and k keeps all 32 bits. Registers are int32 in the loop; whatever the order of
 * unsigned numbers matters to (comparison, division, right shift, addresses) goes through `>>> 0`.
 * A load outside the captured bytes, a division by zero and an instruction that does not exist all end the program with 0:
 * the packet is rejected. Shifts by 32 and more give 0, on every processor.
 * M lives in the program, so that running it allocates nothing; it is cleared for each packet by programs that use it.
 *
 * Invariants: a program that `bpfValidate` accepts only leaves the loop through a RET. `bpfFilter` does not rely on it:
 * an instruction past the end is one that does not exist, and a jump goes at least one instruction forward.
 * Not here: Linux's ancillary loads. Filters see the frame as it is on the wire (`bpf.ts` puts the VLAN tag back first).
 */

/** Instruction classes, `code & 0x07`. */
export const BPF_LD = 0x00;
export const BPF_LDX = 0x01;
export const BPF_ST = 0x02;
export const BPF_STX = 0x03;
export const BPF_ALU = 0x04;
export const BPF_JMP = 0x05;
export const BPF_RET = 0x06;
export const BPF_MISC = 0x07;

/** Sizes of a load: four, two and one byte. */
export const BPF_W = 0x00;
export const BPF_H = 0x08;
export const BPF_B = 0x10;

/** Modes of a load: constant, P[k], P[X+k], M[k], wire length, and 4*(P[k]&15), the length of an IPv4 header. */
export const BPF_IMM = 0x00;
export const BPF_ABS = 0x20;
export const BPF_IND = 0x40;
export const BPF_MEM = 0x60;
export const BPF_LEN = 0x80;
export const BPF_MSH = 0xa0;

/** Arithmetic on A. */
export const BPF_ADD = 0x00;
export const BPF_SUB = 0x10;
export const BPF_MUL = 0x20;
export const BPF_DIV = 0x30;
export const BPF_OR = 0x40;
export const BPF_AND = 0x50;
export const BPF_LSH = 0x60;
export const BPF_RSH = 0x70;
export const BPF_NEG = 0x80;
export const BPF_MOD = 0x90;
export const BPF_XOR = 0xa0;

/** Jumps: always, and on A compared with the operand. */
export const BPF_JA = 0x00;
export const BPF_JEQ = 0x10;
export const BPF_JGT = 0x20;
export const BPF_JGE = 0x30;
export const BPF_JSET = 0x40;

/** The operand of ALU and JMP: the constant k, or X. BPF_A: RET gives A. */
export const BPF_K = 0x00;
export const BPF_X = 0x08;
export const BPF_A = 0x10;

export const BPF_TAX = 0x00;
export const BPF_TXA = 0x80;

/** Instructions a program may have, and words of M. */
export const BPF_MAXINSNS = 512;
export const BPF_MEMWORDS = 16;

/** Words an instruction takes in `BpfProgram.insns`, and which is which. */
export const BPF_INSN_WORDS = 4;
const JT = 1;
const JF = 2;
const K = 3;

/** One instruction as bpf(4) has it: [code: u16, jt: u8, jf: u8, k: u32]. jt and jf count instructions from the next one. */
export type BpfInsn = readonly [code: number, jt: number, jf: number, k: number];

/** A program in the form the machine runs; fields wider than bpf(4)'s are cut to its widths. Owns the memory words it works on, so it runs in one place at a time. */
export class BpfProgram {
  /** Instructions. */
  readonly length: number;
  /** `length * BPF_INSN_WORDS` words: code, jt, jf, k. */
  readonly insns: Int32Array;
  readonly mem: Int32Array;
  readonly usesMem: boolean;

  constructor(insns: readonly BpfInsn[]) {
    this.length = insns.length;
    this.insns = new Int32Array(insns.length * BPF_INSN_WORDS);
    this.mem = new Int32Array(BPF_MEMWORDS);
    let usesMem = false;
    insns.forEach(([code, jt, jf, k], i) => {
      this.insns.set([code & 0xffff, jt & 0xff, jf & 0xff, k], i * BPF_INSN_WORDS);
      usesMem ||= touchesMem(code);
    });
    this.usesMem = usesMem;
  }

  /** Instruction `i` with k unsigned, or null past the end. */
  insn(i: number): BpfInsn | null {
    if (i < 0 || i >= this.length) return null;
    const at = i * BPF_INSN_WORDS;
    return [this.insns[at]!, this.insns[at + JT]!, this.insns[at + JF]!, this.insns[at + K]! >>> 0];
  }
}

function touchesMem(code: number): boolean {
  return code === BPF_ST || code === BPF_STX || code === (BPF_LD | BPF_MEM) || code === (BPF_LDX | BPF_MEM);
}

/** Codes the machine knows. Sizes other than those of a packet load are part of the code, as in bpf(4): `LD|MEM|H` is not one. */
const KNOWN_CODES: ReadonlySet<number> = new Set([
  ...[BPF_W, BPF_H, BPF_B].flatMap((size) => [BPF_LD | BPF_ABS | size, BPF_LD | BPF_IND | size]),
  ...[BPF_IMM, BPF_MEM, BPF_LEN].flatMap((mode) => [BPF_LD | mode, BPF_LDX | mode]),
  BPF_LDX | BPF_MSH | BPF_B,
  BPF_ST,
  BPF_STX,
  ...[BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR].flatMap((op) => [BPF_ALU | op | BPF_K, BPF_ALU | op | BPF_X]),
  BPF_ALU | BPF_NEG,
  BPF_JMP | BPF_JA,
  ...[BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET].flatMap((op) => [BPF_JMP | op | BPF_K, BPF_JMP | op | BPF_X]),
  BPF_RET | BPF_K,
  BPF_RET | BPF_A,
  BPF_MISC | BPF_TAX,
  BPF_MISC | BPF_TXA,
]);

/**
 * May this program be attached? At most BPF_MAXINSNS instructions, all known; jumps forward and inside the program; M[0..15];
 * no constant division by zero; the last instruction is a RET. The empty program is allowed and keeps every packet whole.
 */
export function bpfValidate(program: BpfProgram): boolean {
  const { insns, length } = program;
  if (length === 0) return true;
  if (length > BPF_MAXINSNS) return false;
  for (let i = 0; i < length; i++) {
    const at = i * BPF_INSN_WORDS;
    const code = insns[at]!;
    const k = insns[at + K]! >>> 0;
    if (!KNOWN_CODES.has(code)) return false;
    const left = length - i - 1;
    if ((code & 7) === BPF_JMP) {
      const jump = code === (BPF_JMP | BPF_JA) ? k : Math.max(insns[at + JT]!, insns[at + JF]!);
      if (jump >= left) return false;
    } else if (touchesMem(code)) {
      if (k >= BPF_MEMWORDS) return false;
    } else if ((code === (BPF_ALU | BPF_DIV) || code === (BPF_ALU | BPF_MOD)) && k === 0) {
      return false;
    }
  }
  return (insns[(length - 1) * BPF_INSN_WORDS]! & 7) === BPF_RET;
}

/**
 * Runs `program` over the `caplen` bytes at `off` of `view`, the captured part of a packet of `wirelen` bytes. Answers how many bytes to
 * keep (unsigned; may be more than there are), 0 to reject. Never throws, allocates nothing.
 */
export function bpfFilter(program: BpfProgram, view: DataView, off: number, wirelen: number, caplen: number): number {
  if (program.length === 0) return 0xffffffff;
  if (!(off >= 0 && off + caplen <= view.byteLength)) return 0;
  if (program.usesMem) program.mem.fill(0);
  return run(program.insns, program.mem, view, off, wirelen, caplen);
}

/** The machine. Cases are literal numbers, so that the switch compiles to comparisons with constants; the commonest come first. */
function run(p: Int32Array, mem: Int32Array, view: DataView, off: number, wirelen: number, len: number): number {
  let a = 0;
  let x = 0;
  let at = 0;
  for (let pc = 0; ; pc += BPF_INSN_WORDS) {
    const k = p[pc + K] ?? 0;
    switch (p[pc]) {
      case 0x28: /* ldh [k] */ if ((k >>> 0) + 2 > len) return 0; a = view.getUint16(off + k); break;
      case 0x15: /* jeq #k */ pc += (a === k ? p[pc + JT]! : p[pc + JF]!) * BPF_INSN_WORDS; break;
      case 0x30: /* ldb [k] */ if ((k >>> 0) + 1 > len) return 0; a = view.getUint8(off + k); break;
      case 0x20: /* ld [k] */ if ((k >>> 0) + 4 > len) return 0; a = view.getInt32(off + k); break;
      case 0x06: /* ret #k */ return k >>> 0;
      case 0x45: /* jset #k */ pc += ((a & k) !== 0 ? p[pc + JT]! : p[pc + JF]!) * BPF_INSN_WORDS; break;
      case 0xb1: /* ldxb 4*([k]&0xf) */ if ((k >>> 0) + 1 > len) return 0; x = (view.getUint8(off + k) & 15) << 2; break;
      case 0x48: /* ldh [x + k] */ at = (x >>> 0) + (k >>> 0); if (at + 2 > len) return 0; a = view.getUint16(off + at); break;
      case 0x54: /* and #k */ a &= k; break;
      case 0x50: /* ldb [x + k] */ at = (x >>> 0) + (k >>> 0); if (at + 1 > len) return 0; a = view.getUint8(off + at); break;
      case 0x40: /* ld [x + k] */ at = (x >>> 0) + (k >>> 0); if (at + 4 > len) return 0; a = view.getInt32(off + at); break;
      case 0x25: /* jgt #k */ pc += (a >>> 0 > k >>> 0 ? p[pc + JT]! : p[pc + JF]!) * BPF_INSN_WORDS; break;
      case 0x35: /* jge #k */ pc += (a >>> 0 >= k >>> 0 ? p[pc + JT]! : p[pc + JF]!) * BPF_INSN_WORDS; break;
      case 0x00: /* ld #k */ a = k; break;
      case 0x01: /* ldx #k */ x = k; break;
      case 0x80: /* ld #pktlen */ a = wirelen | 0; break;
      case 0x81: /* ldx #pktlen */ x = wirelen | 0; break;
      case 0x60: /* ld M[k] */ a = mem[k] ?? 0; break;
      case 0x61: /* ldx M[k] */ x = mem[k] ?? 0; break;
      case 0x02: /* st M[k] */ mem[k] = a; break;
      case 0x03: /* stx M[k] */ mem[k] = x; break;
      case 0x05: /* ja k */ pc += (k >>> 0) * BPF_INSN_WORDS; break;
      case 0x1d: /* jeq x */ pc += (a === x ? p[pc + JT]! : p[pc + JF]!) * BPF_INSN_WORDS; break;
      case 0x2d: /* jgt x */ pc += (a >>> 0 > x >>> 0 ? p[pc + JT]! : p[pc + JF]!) * BPF_INSN_WORDS; break;
      case 0x3d: /* jge x */ pc += (a >>> 0 >= x >>> 0 ? p[pc + JT]! : p[pc + JF]!) * BPF_INSN_WORDS; break;
      case 0x4d: /* jset x */ pc += ((a & x) !== 0 ? p[pc + JT]! : p[pc + JF]!) * BPF_INSN_WORDS; break;
      case 0x04: /* add #k */ a = (a + k) | 0; break;
      case 0x0c: /* add x */ a = (a + x) | 0; break;
      case 0x14: /* sub #k */ a = (a - k) | 0; break;
      case 0x1c: /* sub x */ a = (a - x) | 0; break;
      case 0x24: /* mul #k */ a = Math.imul(a, k); break;
      case 0x2c: /* mul x */ a = Math.imul(a, x); break;
      case 0x34: /* div #k */ if (k === 0) return 0; a = ((a >>> 0) / (k >>> 0)) | 0; break;
      case 0x3c: /* div x */ if (x === 0) return 0; a = ((a >>> 0) / (x >>> 0)) | 0; break;
      case 0x94: /* mod #k */ if (k === 0) return 0; a = ((a >>> 0) % (k >>> 0)) | 0; break;
      case 0x9c: /* mod x */ if (x === 0) return 0; a = ((a >>> 0) % (x >>> 0)) | 0; break;
      case 0x44: /* or #k */ a |= k; break;
      case 0x4c: /* or x */ a |= x; break;
      case 0x5c: /* and x */ a &= x; break;
      case 0xa4: /* xor #k */ a ^= k; break;
      case 0xac: /* xor x */ a ^= x; break;
      case 0x64: /* lsh #k */ a = k >>> 0 < 32 ? a << k : 0; break;
      case 0x6c: /* lsh x */ a = x >>> 0 < 32 ? a << x : 0; break;
      case 0x74: /* rsh #k */ a = k >>> 0 < 32 ? a >>> k | 0 : 0; break;
      case 0x7c: /* rsh x */ a = x >>> 0 < 32 ? a >>> x | 0 : 0; break;
      case 0x84: /* neg */ a = -a | 0; break;
      case 0x16: /* ret a */ return a >>> 0;
      case 0x07: /* tax */ x = a; break;
      case 0x87: /* txa */ a = x; break;
      default: return 0;
    }
  }
}
