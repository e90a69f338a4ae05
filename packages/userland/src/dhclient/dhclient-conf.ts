/**
 * dhclient-conf.ts — dhclient.conf(5): what a client asks for, how patiently, and what it makes of the answers.
 * Read first: dhclient.conf(5); dhcp/conf-statements.ts for the syntax, dhcp/option-names.ts for options.
 *
 * Statements: `timeout`, `retry`, `reboot`, `select-timeout`, `initial-interval`, `backoff-cutoff`; `request`, `require`, `send`; `default`, `supersede`, `prepend`, `append`;
 * `reject`; `interface "NAME" { ... }`; `arp-check` (ours). `script` and `media` have no effect; leases and aliases in the file are refused.
 */
import {
  DHO_BROADCAST_ADDRESS, DHO_CLASSLESS_ROUTES, DHO_DOMAIN_NAME, DHO_HOST_NAME, DHO_INTERFACE_MTU, DHO_NAME_SERVERS, DHO_ROUTERS, DHO_SEARCH, DHO_STATIC_ROUTES, DHO_SUBNET_MASK, DHO_TIME_OFFSET, ip4Parse,
} from '@netloom/core/wire';
import { ConfError, confNumber, listWords, parseConf } from '../dhcp/conf-statements.js';
import type { ConfStatement } from '../dhcp/conf-statements.js';
import { optionCode, optionValue } from '../dhcp/option-names.js';

const DAY = 86_400;
/** Seconds, with their least and greatest values. */
const TIMES = {
  timeout: [1, DAY], retry: [1, DAY], reboot: [0, DAY], 'select-timeout': [0, DAY], 'initial-interval': [1, DAY], 'backoff-cutoff': [1, DAY],
} as const satisfies Record<string, readonly [number, number]>;
type Time = keyof typeof TIMES;

export interface DhclientConf {
  readonly times: Record<Time, number>;
  /** Options asked for, in this order. */
  request: readonly number[];
  require: readonly number[];
  readonly send: Map<number, Uint8Array>;
  readonly defaults: Map<number, Uint8Array>;
  readonly supersede: Map<number, Uint8Array>;
  readonly prepend: Map<number, Uint8Array>;
  readonly append: Map<number, Uint8Array>;
  /** Servers whose offers are not taken. */
  readonly reject: number[];
  /** Addresses are tried by ARP before they are used. */
  arpCheck: boolean;
}

export function dhclientDefaults(): DhclientConf {
  return {
    times: { timeout: 60, retry: 300, reboot: 10, 'select-timeout': 0, 'initial-interval': 3, 'backoff-cutoff': 15 },
    request: [
      DHO_SUBNET_MASK, DHO_BROADCAST_ADDRESS, DHO_TIME_OFFSET, DHO_CLASSLESS_ROUTES, DHO_STATIC_ROUTES, DHO_ROUTERS, DHO_DOMAIN_NAME, DHO_SEARCH, DHO_NAME_SERVERS, DHO_HOST_NAME, DHO_INTERFACE_MTU,
    ],
    require: [DHO_SUBNET_MASK], send: new Map(), defaults: new Map(), supersede: new Map(), prepend: new Map(), append: new Map(), reject: [], arpCheck: true,
  };
}

/** The configuration of `ifname` that a file says. @throws ConfError */
export function dhclientConf(text: string, ifname: string): DhclientConf {
  const conf = dhclientDefaults();
  for (const s of parseConf(text)) {
    if (s.words[0]?.text !== 'interface') statement(conf, s);
    else if (s.block === null || s.words.length !== 2) throw new ConfError(s.line, 'interface "NAME" { ... } is wanted');
    else if (s.words[1]?.text === ifname) for (const inner of s.block) statement(conf, inner);
  }
  return conf;
}

function statement(conf: DhclientConf, s: ConfStatement): void {
  const [first, ...rest] = s.words;
  const word = first?.text ?? '';
  if (s.block !== null) throw new ConfError(s.line, `${word}: a block is not wanted here`);
  if (word in TIMES) {
    const key = word as Time;
    const [min, max] = TIMES[key];
    conf.times[key] = confNumber(s, word, rest.length === 1 ? rest[0]?.text : undefined, min, max);
    return;
  }
  switch (word) {
    case 'request':
    case 'require':
      conf[word] = listWords(s, rest).map((w) => codeOf(s, w.text));
      return;
    case 'send':
      return setOption(conf.send, s);
    case 'default':
      return setOption(conf.defaults, s);
    case 'supersede':
    case 'prepend':
    case 'append':
      return setOption(conf[word], s);
    case 'reject':
      for (const w of listWords(s, rest)) {
        const addr = ip4Parse(w.text);
        if (addr === null) throw new ConfError(s.line, `reject ${w.text}: an IPv4 address is wanted`);
        conf.reject.push(addr);
      }
      return;
    case 'arp-check': {
      const at = ['false', 'off', 'true', 'on'].indexOf(rest[0]?.text ?? '');
      if (at < 0) throw new ConfError(s.line, 'arp-check: true or false is wanted');
      conf.arpCheck = at >= 2;
      return;
    }
    case 'script':
    case 'media':
      return;
    default:
      throw new ConfError(s.line, `${word}: unknown statement`);
  }
}

function codeOf(s: ConfStatement, name: string): number {
  const code = optionCode(name);
  if (code === null) throw new ConfError(s.line, `option ${name}: unknown (option-NUMBER with bytes is any option)`);
  return code;
}

function setOption(into: Map<number, Uint8Array>, s: ConfStatement): void {
  const [, name, ...words] = s.words;
  const code = codeOf(s, name?.text ?? '');
  const value = optionValue(name?.text ?? '', listWords(s, words));
  if (typeof value === 'string') throw new ConfError(s.line, value);
  into.set(code, value);
}

/** What a server said, as the file wants it understood. */
export function withConf(conf: DhclientConf, said: ReadonlyMap<number, Uint8Array>): Map<number, Uint8Array> {
  const out = new Map(said);
  const join = (a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array => Uint8Array.from([...(a ?? []), ...(b ?? [])]);
  for (const [code, data] of conf.defaults) if (!out.has(code)) out.set(code, data);
  for (const [code, data] of conf.supersede) out.set(code, data);
  for (const [code, data] of conf.prepend) out.set(code, join(data, out.get(code)));
  for (const [code, data] of conf.append) out.set(code, join(out.get(code), data));
  return out;
}
