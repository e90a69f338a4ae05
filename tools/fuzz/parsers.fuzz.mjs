/**
 * parsers.fuzz.mjs — any bytes through every parser: the dissector in its loudest mode, capture files, addresses, the filter
 * machine. They answer; they never throw.
 */
import { bpfFilter, bpfValidate } from '@netloom/core';
import {
  LINKTYPE_ETHERNET, LINKTYPE_NULL, LINKTYPE_RAW, captureDecoder, dissect, ip4ParsePrefix, ip6Parse, macParse, pcapHeader, pcapRecord, pcapngInterface,
  pcapngPacket, pcapngSection,
} from '@netloom/core/wire';
import { compileFilter } from '@netloom/userland';
import { frames } from './corpus.mjs';

/** @param {Uint8Array[]} parts */
const join = (...parts) => Uint8Array.from(parts.flatMap((p) => [...p]));
const [arp = new Uint8Array(0), , echo = new Uint8Array(0)] = frames;
const files = [
  join(pcapHeader(LINKTYPE_ETHERNET), pcapRecord(1, arp), pcapRecord(2, echo)),
  join(pcapngSection(), pcapngInterface({ linktype: LINKTYPE_ETHERNET, name: 'x' }), pcapngPacket({ interfaceId: 0, timeUs: 1, bytes: echo, comment: 'c' })),
];
/** @param {Uint8Array} bytes */
const latin = (bytes) => String.fromCharCode(...bytes);
const filter = compileFilter('(icmp or udp port 7 or vlan 42) and not host 10.0.0.1 and len < 1000', { linktype: LINKTYPE_ETHERNET });
if (!filter.ok) throw new Error(filter.error);

export const targets = [
  {
    name: 'dissect',
    corpus: frames,
    /** @param {Uint8Array} bytes */
    run(bytes) {
      for (const linktype of [LINKTYPE_ETHERNET, LINKTYPE_RAW, LINKTYPE_NULL]) dissect(bytes, { linktype, verbose: 3, ether: true, hex: 'XX' });
    },
  },
  {
    name: 'capture-file',
    corpus: files,
    /** @param {Uint8Array} bytes */
    run(bytes) {
      const decoder = captureDecoder(bytes);
      if (decoder === null) return;
      decoder.push(bytes);
      for (let i = 0; decoder.next() !== null; i++) if (i > bytes.length) throw new Error('more items than bytes');
      decoder.end();
    },
  },
  {
    name: 'bpf-filter',
    corpus: frames,
    /** @param {Uint8Array} bytes */
    run(bytes) {
      if (bytes.length > 0) bpfFilter(filter.program, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length, bytes.length);
    },
  },
  {
    name: 'filter-expression',
    corpus: ['host 10.0.0.1 and (tcp port 80 or udp port 53)', 'ether[0] & 1 != 0', 'vlan 5 and ip[6:2] & 0x1fff = 0', 'not arp'].map((t) => new TextEncoder().encode(t)),
    /** @param {Uint8Array} bytes */
    run(bytes) {
      const made = compileFilter(latin(bytes.subarray(0, 200)), { linktype: LINKTYPE_ETHERNET });
      if (made.ok && !bpfValidate(made.program)) throw new Error(`an invalid program for ${JSON.stringify(latin(bytes))}`);
    },
  },
  {
    name: 'addresses',
    corpus: ['192.0.2.1/24', '2001:db8::1', '02:00:00:00:00:01'].map((t) => new TextEncoder().encode(t)),
    /** @param {Uint8Array} bytes */
    run(bytes) {
      const text = latin(bytes);
      ip4ParsePrefix(text);
      ip6Parse(text);
      macParse(text);
    },
  },
];
