/**
 * pcapng.ts — capture files: the one door to the writer of pcapng, and to readers of pcapng and pcap.
 *
 * The writer is in `pcapng-encode.ts`, the reader in `pcapng-decode.ts`, the classic format in `pcap.ts`.
 */

import type { CaptureDecoder } from './capture.js';
import { captureFormat } from './capture.js';
import { PcapDecoder } from './pcap.js';
import { PcapngDecoder } from './pcapng-decode.js';

export type {
  CaptureDecoder,
  CaptureFault,
  CaptureInterface,
  CaptureItem,
  CapturePacket,
  CaptureSection,
  CaptureStats,
} from './capture.js';
export { captureFormat } from './capture.js';
export { PcapDecoder, pcapHeader, pcapRecord } from './pcap.js';
export { PcapngDecoder } from './pcapng-decode.js';
export type { PcapngInterfaceOptions, PcapngPacketOptions, PcapngSectionOptions, PcapngStatsOptions } from './pcapng-encode.js';
export { pcapngInterface, pcapngPacket, pcapngSection, pcapngStats } from './pcapng-encode.js';

/** A decoder for the file that begins with `first` (at least 4 bytes, which still have to be pushed), or null. */
export function captureDecoder(first: Uint8Array): CaptureDecoder | null {
  const format = captureFormat(first);
  if (format === null) return null;
  return format === 'pcap' ? new PcapDecoder() : new PcapngDecoder();
}
