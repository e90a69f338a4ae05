/**
 * pipe-config.ts — what a pipe can be told, and tells: its structures, and what `setcfg` makes of one.
 * Read first: ng_pipe(4).
 *
 * In a `setcfg` 0 leaves a value as it is and -1 takes it away; a value out of its range is ignored, as in the original.
 */
import { ngInt64, ngStruct, ngUint32, ngUint64 } from '../ng-parse.js';

/** "Take it away", in a field of 32 bits. */
const NONE32 = 0xffff_ffff;
const NONE64 = -1;

const QUEUELEN_DEFAULT = 50;
const QUEUELEN_MIN = 5;
const DELAY_MAX_US = 9_999_999;
const BANDWIDTH_MIN = 100;
const BANDWIDTH_MAX = 1_000_000_000;
const BER_MAX = 1e12;
const DUPLICATE_MAX = 50;
const QUANTUM_MIN = 32;
const QUANTUM_DEFAULT = 2_048;
const OVERHEAD_MAX = 255;
const HEADER_OFFSET_MAX = 63;
/** From this bandwidth on a link is taken for an Ethernet (preamble, frame check, gap), below for HDLC. */
const ETHERNET_FROM = 10_000_000;
const ETHERNET_OVERHEAD = 24;
const HDLC_OVERHEAD = 10;

export interface PipeHookConfig {
  bandwidth: number;
  BER: number;
  queuelen: number;
  delaylen: number;
  duplicate: number;
  fifo: number;
  drr: number;
  wfq: number;
  droptail: number;
  drophead: number;
}

export interface PipeConfig {
  bandwidth: number;
  delay: number;
  header_offset: number;
  overhead: number;
  downstream: PipeHookConfig;
  upstream: PipeHookConfig;
}

export interface PipeStats {
  FwdOctets: number;
  FwdFrames: number;
  queueDropOctets: number;
  queueDropFrames: number;
  delayDropOctets: number;
  delayDropFrames: number;
}

const hookConfigType = ngStruct<PipeHookConfig>({
  bandwidth: ngInt64, BER: ngInt64, queuelen: ngUint32, delaylen: ngUint32, duplicate: ngUint32, fifo: ngUint32, drr: ngUint32, wfq: ngUint32, droptail: ngUint32, drophead: ngUint32,
});
export const pipeConfigType = ngStruct<PipeConfig>({
  bandwidth: ngInt64, delay: ngInt64, header_offset: ngUint32, overhead: ngUint32, downstream: hookConfigType, upstream: hookConfigType,
});

const hookStatsType = ngStruct<PipeStats>({
  FwdOctets: ngUint64, FwdFrames: ngUint64, queueDropOctets: ngUint64, queueDropFrames: ngUint64, delayDropOctets: ngUint64, delayDropFrames: ngUint64,
});
export const pipeStatsType = ngStruct({ downstream: hookStatsType, upstream: hookStatsType });

const hookRunType = ngStruct({ queues: ngUint32, queuedOctets: ngUint32, queuedFrames: ngUint32, delayedOctets: ngUint32, delayedFrames: ngUint32 });
export const pipeRunType = ngStruct({ downstream: hookRunType, upstream: hookRunType });

export function pipeHookDefaults(): PipeHookConfig {
  return { bandwidth: 0, BER: 0, queuelen: QUEUELEN_DEFAULT, delaylen: 0, duplicate: 0, fifo: 1, drr: 0, wfq: 0, droptail: 1, drophead: 0 };
}

export function pipeNoStats(): PipeStats {
  return { FwdOctets: 0, FwdFrames: 0, queueDropOctets: 0, queueDropFrames: 0, delayDropOctets: 0, delayDropFrames: 0 };
}

/** `now` unless `asked` is "leave it" or out of range. */
function taken(now: number, asked: number, none: number, min: number, max: number): number {
  if (asked === none) return 0;
  return asked >= min && asked <= max ? asked : now;
}

/** Puts the common part of a `setcfg` into `config`, and its parts into those of the hooks. */
export function pipeApply(config: PipeConfig, asked: PipeConfig): void {
  config.delay = taken(config.delay, asked.delay, NONE64, 1, DELAY_MAX_US);
  const { downstream, upstream } = config;
  const common = taken(NONE64, asked.bandwidth, NONE64, BANDWIDTH_MIN, BANDWIDTH_MAX);
  if (common >= 0) {
    downstream.bandwidth = common;
    upstream.bandwidth = common;
    config.overhead = common === 0 ? 0 : common >= ETHERNET_FROM ? ETHERNET_OVERHEAD : HDLC_OVERHEAD;
  }
  config.overhead = taken(config.overhead, asked.overhead, NONE32, 1, OVERHEAD_MAX);
  config.header_offset = taken(config.header_offset, asked.header_offset, NONE32, 1, HEADER_OFFSET_MAX);
  applyHook(downstream, asked.downstream);
  applyHook(upstream, asked.upstream);
}

function applyHook(now: PipeHookConfig, asked: PipeHookConfig): void {
  now.BER = taken(now.BER, asked.BER, NONE64, 1, BER_MAX);
  now.queuelen = taken(now.queuelen, asked.queuelen, NONE32, QUEUELEN_MIN, NONE32 - 1);
  now.delaylen = taken(now.delaylen, asked.delaylen, NONE32, QUEUELEN_MIN, NONE32 - 1);
  now.duplicate = taken(now.duplicate, asked.duplicate, NONE32, 1, DUPLICATE_MAX);
  if (asked.fifo !== 0) setMode(now, 1, 0, 0);
  if (asked.wfq !== 0) setMode(now, 0, 1, 0);
  if (asked.drr !== 0) setMode(now, 0, 0, asked.drr >= QUANTUM_MIN ? asked.drr : QUANTUM_DEFAULT);
  if (asked.droptail !== 0) {
    now.droptail = 1;
    now.drophead = 0;
  }
  if (asked.drophead !== 0) {
    now.droptail = 0;
    now.drophead = 1;
  }
  now.bandwidth = taken(now.bandwidth, asked.bandwidth, NONE64, BANDWIDTH_MIN, BANDWIDTH_MAX);
  if (asked.bandwidth === NONE64) setMode(now, 1, 0, 0);
}

function setMode(now: PipeHookConfig, fifo: number, wfq: number, drr: number): void {
  now.fifo = fifo;
  now.wfq = wfq;
  now.drr = drr;
}

/** As `getcfg` shows it: a bandwidth that both directions have is the common one. */
export function pipeShown(config: PipeConfig): PipeConfig {
  const { downstream, upstream } = config;
  if (downstream.bandwidth !== upstream.bandwidth) return { ...config, bandwidth: 0 };
  return { ...config, bandwidth: upstream.bandwidth, downstream: { ...downstream, bandwidth: 0 }, upstream: { ...upstream, bandwidth: 0 } };
}
