/**
 * host-text.ts — answers of DNS in the words of bind's host(1).
 * Read first: host(1).
 */
import {
  DNS_AA, DNS_AD, DNS_CD, DNS_CLASS_IN, DNS_EDNS_DO, DNS_QR, DNS_RA, DNS_RD, DNS_TC, DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_CNAME, DNS_TYPE_MX, DNS_TYPE_NS, DNS_TYPE_PTR, DNS_TYPE_TXT, dnsClassName,
  dnsOpcode, dnsRcode, dnsRcodeName, dnsRdataText, dnsTypeName,
} from '@netloom/core/wire';
import type { DnsMessage, DnsRecord } from '@netloom/core/wire';

const PHRASES: ReadonlyMap<number, string> = new Map([
  [DNS_TYPE_A, 'has address'], [DNS_TYPE_NS, 'name server'], [DNS_TYPE_CNAME, 'is an alias for'], [DNS_TYPE_PTR, 'domain name pointer'], [13, 'has host information'], [DNS_TYPE_MX, 'mail is handled by'],
  [DNS_TYPE_TXT, 'descriptive text'], [DNS_TYPE_AAAA, 'has IPv6 address'],
]);
const OPCODES = ['QUERY', 'IQUERY', 'STATUS', 'RESERVED3', 'NOTIFY', 'UPDATE'];
const FLAGS: readonly (readonly [number, string])[] = [[DNS_QR, 'qr'], [DNS_AA, 'aa'], [DNS_TC, 'tc'], [DNS_RD, 'rd'], [DNS_RA, 'ra'], [DNS_AD, 'ad'], [DNS_CD, 'cd']];
const COLUMN = 8;
const NAME_COLUMNS = 3;

/** `www.example.com has address 192.0.2.7` */
export function sentence(r: DnsRecord): string {
  return `${r.name} ${PHRASES.get(r.type) ?? `has ${dnsTypeName(r.type)} record`} ${dnsRdataText(r.type, r.rdata)}\n`;
}

/** Tabs behind `text` up to the column that follows. */
function tabs(text: string, columns: number): string {
  return text + '\t'.repeat(Math.max(1, columns - Math.floor(text.length / COLUMN)));
}

const dotted = (name: string): string => (name === '.' ? '.' : `${name}.`);

function line(r: DnsRecord): string {
  return `${tabs(dotted(r.name), NAME_COLUMNS)}${r.ttl}\t${dnsClassName(r.cls)}\t${dnsTypeName(r.type)}\t${dnsRdataText(r.type, r.rdata)}\n`;
}

/** A whole message, as with -v. */
export function messageText(m: DnsMessage): string {
  const flags = FLAGS.filter(([bit]) => (m.flags & bit) !== 0).map(([, name]) => ` ${name}`).join('');
  const additional = m.additional.length + (m.edns === null ? 0 : 1);
  let out = `;; ->>HEADER<<- opcode: ${OPCODES[dnsOpcode(m)] ?? `RESERVED${dnsOpcode(m)}`}, status: ${dnsRcodeName(dnsRcode(m))}, id: ${m.id}\n`;
  out += `;; flags:${flags}; QUERY: ${m.questions.length}, ANSWER: ${m.answers.length}, AUTHORITY: ${m.authority.length}, ADDITIONAL: ${additional}\n`;
  if (m.edns !== null) out += `\n;; OPT PSEUDOSECTION:\n; EDNS: version: ${m.edns.version}, flags:${(m.edns.flags & DNS_EDNS_DO) !== 0 ? ' do' : ''}; udp: ${m.edns.udpSize}\n`;
  if (m.questions.length > 0) out += `\n;; QUESTION SECTION:\n${m.questions.map((q) => `${tabs(`;${dotted(q.name)}`, NAME_COLUMNS + 1)}${q.cls === DNS_CLASS_IN ? 'IN' : dnsClassName(q.cls)}\t${dnsTypeName(q.type)}\n`).join('')}`;
  for (const [title, records] of [['ANSWER', m.answers], ['AUTHORITY', m.authority], ['ADDITIONAL', m.additional]] as const) {
    if (records.length > 0) out += `\n;; ${title} SECTION:\n${records.map((r) => line(r)).join('')}`;
  }
  return out;
}
