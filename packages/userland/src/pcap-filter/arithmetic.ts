/**
 * arithmetic.ts — `tcp[13] & 7 != 0`: expressions over the bytes of a packet, and relations between them.
 * Read first: pcap-filter(7), "expr1 relop expr2".
 *
 * `proto[i]` only means something in a packet of that protocol, so a relation first asks for it. As in libpcap, of an operation
 * only the left operand's protocol is asked for: `1 + tcp[0] = 3` looks at every packet, and so does tcpdump.
 * Transport protocols are read behind IPv4 only, in first fragments; icmp6 behind the fixed IPv6 header.
 */
import { BPF_ADD, BPF_AND, BPF_DIV, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_LSH, BPF_MOD, BPF_MUL, BPF_OR, BPF_RSH, BPF_SUB, BPF_XOR } from '@netloom/core';
import { IPPROTO_ICMPV6 } from '@netloom/core/wire';
import type { Condition } from './condition.js';
import { and, not, TRUE } from './condition.js';
import type { FilterContext } from './context.js';
import { FilterError } from './filter-error.js';
import { ipHeaderLength, isFirstFragment, isIp, isProtocol } from './network-layer.js';
import type { Arithmetic, ArithmeticOperator, ByteOperator, Relation } from './syntax.js';
import type { LoadSize, Value } from './value.js';

/** A value, and what must hold before it may be computed. */
interface Guarded {
  readonly value: Value;
  readonly guard: Condition;
}

const OPERATIONS: Readonly<Record<ArithmeticOperator, number>> = {
  '+': BPF_ADD, '-': BPF_SUB, '*': BPF_MUL, '/': BPF_DIV, '%': BPF_MOD, '&': BPF_AND, '|': BPF_OR, '^': BPF_XOR, '<<': BPF_LSH, '>>': BPF_RSH,
};
/** The jump of a relation, and whether its answer is turned round. */
const RELATIONS: Readonly<Record<Relation, readonly [jump: number, negated: boolean]>> = {
  '=': [BPF_JEQ, false], '!=': [BPF_JEQ, true], '>': [BPF_JGT, false], '<=': [BPF_JGT, true], '>=': [BPF_JGE, false], '<': [BPF_JGE, true],
};
const IP6_HEADER = 40;

export function holds(ctx: FilterContext, relation: Relation, left: Arithmetic, right: Arithmetic): Condition {
  const a = valueOf(ctx, left);
  const b = valueOf(ctx, right);
  const [jump, negated] = RELATIONS[relation];
  const test = ctx.tests.compare(jump, a.value, b.value);
  return and(and(a.guard, b.guard), negated ? not(test) : test);
}

function valueOf(ctx: FilterContext, expression: Arithmetic): Guarded {
  switch (expression.kind) {
    case 'number':
      return { value: ctx.values.constant(expression.value), guard: TRUE };
    case 'length':
      return { value: ctx.values.length(), guard: TRUE };
    case 'negate': {
      const { value, guard } = valueOf(ctx, expression.operand);
      return { value: ctx.values.negate(value), guard };
    }
    case 'binary': {
      const { value, guard } = valueOf(ctx, expression.left);
      const right = valueOf(ctx, expression.right);
      return { value: ctx.values.binary(OPERATIONS[expression.operator], value, right.value), guard };
    }
    case 'load':
      return loaded(ctx, expression);
  }
}

function loaded(ctx: FilterContext, { protocol, index, size }: Extract<Arithmetic, { kind: 'load' }>): Guarded {
  const at = valueOf(ctx, index);
  if (!isLoadSize(size)) throw new FilterError('data size must be 1, 2, or 4');
  const { values } = ctx;
  switch (protocol) {
    case 'link':
      return { value: values.load(size, at.value, ctx.linkHeader), guard: at.guard };
    case 'ip':
    case 'ip6':
    case 'arp':
    case 'rarp':
    case 'atalk':
    case 'decnet':
    case 'sca':
    case 'lat':
    case 'moprc':
    case 'mopdl':
      return { value: values.load(size, at.value, ctx.inNetwork(0)), guard: and(at.guard, isProtocol(ctx, protocol)) };
    case 'tcp':
    case 'udp':
    case 'sctp':
    case 'icmp':
    case 'igmp':
    case 'igrp':
    case 'pim':
    case 'vrrp':
    case 'carp': {
      const first = and(isProtocol(ctx, protocol), isFirstFragment(ctx));
      return { value: inTransport(ctx, size, at.value), guard: and(isIp(ctx, 'ip'), and(at.guard, first)) };
    }
    case 'icmp6': {
      const guard = and(and(at.guard, isIp(ctx, 'ip6')), ctx.equals(1, ctx.inNetwork(6), IPPROTO_ICMPV6));
      return { value: values.load(size, at.value, ctx.inNetwork(IP6_HEADER)), guard };
    }
    case 'radio':
      throw new FilterError('radio information not present in capture');
    default:
      throw new FilterError('unsupported index operation');
  }
}

function isLoadSize(size: number): size is LoadSize {
  return size === 1 || size === 2 || size === 4;
}

/** Behind the IPv4 header, whose length is in the packet. A constant index goes into the load itself. */
function inTransport(ctx: FilterContext, size: LoadSize, index: Value): Value {
  const header = ipHeaderLength(ctx);
  if (index.kind === 'constant') return ctx.values.load(size, header, ctx.inNetwork(index.k));
  return ctx.values.load(size, ctx.values.binary(BPF_ADD, index, header), ctx.inNetwork(0));
}

/** `byte INDEX OP VALUE`, INDEX from the link header. */
export function byteHolds(ctx: FilterContext, index: number, operator: ByteOperator, value: number): Condition {
  const at = ctx.linkHeader + index;
  switch (operator) {
    case '=':
      return ctx.equals(1, at, value);
    case '>':
      return ctx.compares(BPF_JGT, 1, at, value);
    case '<':
      return not(ctx.compares(BPF_JGE, 1, at, value));
    case '&':
    case '|': {
      const combined = ctx.values.binary(OPERATIONS[operator], ctx.load(1, at), ctx.values.constant(value));
      return not(ctx.tests.field(BPF_JEQ, combined, 0));
    }
  }
}
