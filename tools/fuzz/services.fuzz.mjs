/**
 * services.fuzz.mjs — any bytes through the parsers of DNS and DHCP, and through their dissectors. What is read can be written, and read again, and is the same.
 */
import { craftUdp } from '@netloom/core/sim';
import {
  DHCP6_RELAY_FORW, dhcp4Emit, dhcp4Parse, dhcp6Emit, dhcp6EmitRelay, dhcp6IaAddrOf, dhcp6IaOf, dhcp6DomainsOf, dhcp6Parse, dhcp6ParseRelay, dho32, dho8, dhoAddrsOf, dhoRoutes, dhoRoutesOf, dhoSearch,
  dhoSearchOf, dhoSubOptions, dhoSubOptionsOf, dhoTextOf, dissect, dnsA, dnsEmit, dnsNameEncode, dnsParse, dnsRdataText, dnsSoa, duidLl, duidMac, duidText,
} from '@netloom/core/wire';

const link = { src: '02:00:00:00:00:02', dst: '02:00:00:00:00:01' };
const ip = { src: '192.0.2.2', dst: '192.0.2.1' };
const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);

/** @param {unknown} a @param {unknown} b @param {string} what */
function same(a, b, what) {
  const text = (/** @type {unknown} */ x) => JSON.stringify(x, (_k, v) => (v instanceof Map ? [...v] : v instanceof Uint8Array ? [...v] : v));
  if (text(a) !== text(b)) throw new Error(`${what} changes: ${text(a)} ${text(b)}`);
}

/** @template T @param {T | null} value @returns {T} */
function made(value) {
  if (value === null) throw new Error('not made');
  return value;
}

const soa = made(dnsSoa({ mname: 'ns.example', rname: 'root.example', serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 }));
const question = { name: 'www.example', type: 1, cls: 1 };
const dnsCorpus = [
  { id: 1, flags: 0x0100, questions: [question], answers: [], authority: [], additional: [], edns: { udpSize: 1232, rcodeHi: 0, version: 0, flags: 0x8000, options: Uint8Array.of(0, 10, 0, 1, 7) } },
  {
    id: 2, flags: 0x8180, questions: [question], authority: [{ name: 'example', type: 6, cls: 1, ttl: 60, rdata: soa }], additional: [], edns: null,
    answers: [
      { name: 'www.example', type: 5, cls: 1, ttl: 60, rdata: made(dnsNameEncode('web.example')) }, { name: 'web.example', type: 1, cls: 1, ttl: 60, rdata: dnsA(0xc0000201) },
      { name: 'example', type: 15, cls: 1, ttl: 60, rdata: Uint8Array.of(0, 10, ...made(dnsNameEncode('mail.example'))) }, { name: 'example', type: 16, cls: 1, ttl: 60, rdata: Uint8Array.of(2, 104, 105) },
    ],
  },
].map((m) => made(dnsEmit(m)));

const dhcp4Corpus = [
  [[53, dho8(1)], [55, Uint8Array.of(1, 3, 6, 15, 119, 121)], [61, Uint8Array.of(1, ...mac)]],
  [[53, dho8(5)], [54, dho32(0xc0000201)], [51, dho32(600)], [119, dhoSearch(['a.example', 'b.example'])], [121, dhoRoutes([{ net: 0x0a000000, plen: 8, router: 1 }])], [82, dhoSubOptions([[1, mac], [5, dho32(1)]])]],
].map((options) => dhcp4Emit({
  op: 1, htype: 1, hops: 0, xid: 5, secs: 0, flags: 0x8000, ciaddr: 0, yiaddr: 0, siaddr: 0, giaddr: 0, chaddr: mac, sname: 'a', file: 'b', options: new Map(/** @type {[number, Uint8Array][]} */ (options)),
}));

const address = Uint8Array.of(0, 5, 0, 24, ...new Uint8Array(16), 0, 0, 0, 1, 0, 0, 0, 2);
const options6 = [{ code: 1, data: duidLl(mac) }, { code: 3, data: Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, ...address) }, { code: 6, data: Uint8Array.of(0, 23, 0, 24) }, { code: 24, data: made(dnsNameEncode('lab.example')) }];
const solicit = dhcp6Emit({ type: 1, xid: 5, options: options6 });
const dhcp6Corpus = [solicit, dhcp6EmitRelay({ type: DHCP6_RELAY_FORW, hops: 0, link: new Uint8Array(16), peer: new Uint8Array(16), options: [{ code: 9, data: solicit }] })];

/** Shown by the dissector as the payload of a datagram. @param {number} port @param {Uint8Array} bytes */
function show(port, bytes) {
  for (const verbose of [0, 1, 3]) dissect(craftUdp(link, ip, 1024, port, bytes), { verbose });
}

export const targets = [
  {
    name: 'dns',
    corpus: dnsCorpus,
    /** @param {Uint8Array} bytes */
    run(bytes) {
      show(53, bytes);
      show(5353, bytes);
      const m = dnsParse(bytes);
      if (m === null) return;
      for (const r of [...m.answers, ...m.authority, ...m.additional]) dnsRdataText(r.type, r.rdata);
      // Letters of names may become those of the same name before them.
      const lower = (/** @type {unknown} */ x) => JSON.parse(JSON.stringify(x, (k, v) => (v instanceof Uint8Array ? [...v] : k === 'name' ? v.toLowerCase() : k === 'rdata' ? 0 : v)));
      const again = dnsEmit(m);
      if (again === null) throw new Error('what was read cannot be written');
      same(lower(dnsParse(again)), lower(m), 'a message');
      const small = dnsEmit(m, 512);
      if (small !== null && dnsParse(small) === null) throw new Error('what was cut short cannot be read');
    },
  },
  {
    name: 'dhcp4',
    corpus: dhcp4Corpus,
    /** @param {Uint8Array} bytes */
    run(bytes) {
      show(67, bytes);
      const m = dhcp4Parse(bytes);
      if (m === null) return;
      for (const data of m.options.values()) {
        dhoRoutesOf(data);
        dhoSearchOf(data);
        dhoSubOptionsOf(data);
        dhoTextOf(data);
        dhoAddrsOf(data);
      }
      const overloaded = m.options.has(52);
      if (!overloaded && m.options.size > 0 && !m.options.has(82)) same(dhcp4Parse(dhcp4Emit(m, 100_000))?.options, m.options, 'the options');
    },
  },
  {
    name: 'dhcp6',
    corpus: dhcp6Corpus,
    /** @param {Uint8Array} bytes */
    run(bytes) {
      show(547, bytes);
      const m = dhcp6Parse(bytes);
      const relay = dhcp6ParseRelay(bytes);
      if (m !== null) same([...dhcp6Emit(m)], [...bytes], 'a message');
      if (relay !== null) same([...dhcp6EmitRelay(relay)], [...bytes], 'a relayed message');
      for (const { data } of [...(m?.options ?? []), ...(relay?.options ?? [])]) {
        dhcp6IaOf(data);
        dhcp6IaAddrOf(data);
        dhcp6DomainsOf(data);
        duidText(data);
        duidMac(data);
      }
    },
  },
];
