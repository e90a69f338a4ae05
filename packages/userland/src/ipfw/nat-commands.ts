/**
 * nat-commands.ts — ipfw nat: translators of addresses, configured, shown and deleted.
 * Read first: ipfw(8) "NETWORK ADDRESS TRANSLATION (NAT)"; nat-redirect.ts.
 *
 *     nat N config {ip ADDR | if IFACE} [log] [deny_in] [same_ports] [unreg_only] [unreg_cgn] [skip_global] [reset] [reverse] [proxy_only] [port_range LO-HI] [redirect_...]
 */
import type { IpfwNat, IpfwNatConfig, IpfwRedirect } from '@netloom/core';
import {
  ENOENT, ESRCH, PKT_ALIAS_DENY_INCOMING, PKT_ALIAS_LOG, PKT_ALIAS_PROXY_ONLY, PKT_ALIAS_RESET_ON_ADDR_CHANGE, PKT_ALIAS_REVERSE, PKT_ALIAS_SAME_PORTS, PKT_ALIAS_SKIP_GLOBAL,
  PKT_ALIAS_UNREGISTERED_CGN, PKT_ALIAS_UNREGISTERED_ONLY,
} from '@netloom/core';
import { inetAton, ip4Format } from '@netloom/core/wire';
import { strtol } from '../c-number.js';
import { EX_DATAERR, EX_OSERR, EX_UNAVAILABLE, EX_USAGE } from '../sysexits.js';
import type { IpfwTool } from './ipfw-tool.js';
import { redirectText, takeRedirect } from './nat-redirect.js';
import type { Words } from './words.js';
import { wordValue } from './words.js';

/** In the order in which they are listed. */
const MODES: Words = [
  ['log', PKT_ALIAS_LOG], ['deny_in', PKT_ALIAS_DENY_INCOMING], ['same_ports', PKT_ALIAS_SAME_PORTS], ['skip_global', PKT_ALIAS_SKIP_GLOBAL],
  ['unreg_only', PKT_ALIAS_UNREGISTERED_ONLY], ['unreg_cgn', PKT_ALIAS_UNREGISTERED_CGN], ['reset', PKT_ALIAS_RESET_ON_ADDR_CHANGE], ['reverse', PKT_ALIAS_REVERSE],
  ['proxy_only', PKT_ALIAS_PROXY_ONLY],
];
const PORT_MIN = 1_024;
const PORT_MAX = 65_535;

/** @param words behind `config`: the number and what is said of it */
export function natConfig(t: IpfwTool, words: readonly string[]): void {
  const av = [...words];
  const id = natId(t, av.shift());
  if (av.length === 0) return t.errx(EX_DATAERR, 'missing option');
  const config = parse(t, id, av);
  if (config.portLow !== 0 && (config.mode & PKT_ALIAS_SAME_PORTS) !== 0) return t.errx(EX_DATAERR, 'same_ports and port_range cannot both be selected');
  if (t.opts.testOnly) return;
  const error = t.fw.nats.configure(config);
  if (error !== 0) t.err(1, 'setsockopt(IP_FW_NAT44_XCONFIG)', error);
  if (!t.opts.quiet) t.out(configText(config));
}

function natId(t: IpfwTool, word: string | undefined): number {
  if (word === undefined) return t.errx(EX_DATAERR, 'missing nat id');
  const { value, rest } = strtol(word, 0);
  return value > 0 && rest === '' ? value : t.errx(EX_DATAERR, `illegal nat id: ${word}`);
}

function parse(t: IpfwTool, id: number, av: string[]): IpfwNatConfig {
  let [ip, ifName, mode, portLow, portHigh] = [0, '', 0, 0, 0];
  const redirects: IpfwRedirect[] = [];
  const option = (): string => av.shift() ?? t.errx(EX_DATAERR, 'missing option');
  for (let word = av.shift(); word !== undefined; word = av.shift()) {
    const bit = wordValue(MODES, word);
    if (bit !== null) mode |= bit;
    else if (word === 'ip') {
      const text = option();
      ip = inetAton(text) ?? t.errx(EX_DATAERR, `bad ip address \`\`${text}''`);
    } else if (word === 'if') {
      ifName = option();
      if (t.p.vnet.net.ifunit(ifName) === null) return t.errx(1, `unknown interface name ${ifName}`);
    } else if (word === 'port_range') [portLow, portHigh] = portRange(t, option());
    else redirects.push(takeRedirect(t, word, av) ?? t.errx(EX_DATAERR, `unrecognised option \`\`${word}''`));
  }
  return { id, ip, ifName, mode, redirects, portLow, portHigh };
}

function portRange(t: IpfwTool, text: string): [number, number] {
  const [, lo, hi] = /^([0-9]+)-([0-9]+)$/.exec(text) ?? [];
  const [low, high] = [Number(lo), Number(hi)];
  if (!(low >= PORT_MIN && low <= PORT_MAX && high >= PORT_MIN && high <= PORT_MAX)) return t.errx(EX_DATAERR, 'You need a range of port(s) from 1024 <= x < 65536');
  return low < high ? [low, high] : t.errx(EX_DATAERR, 'Upper port has to be greater than lower port');
}

function configText({ id, ip, ifName, mode, redirects }: IpfwNatConfig): string {
  const alias = ifName !== '' ? ` if ${ifName}` : ip !== 0 ? ` ip ${ip4Format(ip)}` : '';
  const modes = MODES.filter(([, bit]) => (mode & bit) !== 0).map(([word]) => ` ${word}`);
  return `ipfw nat ${id} config${alias}${modes.join('')}${redirects.map((r) => redirectText(r)).join('')}\n`;
}

/** EX_UNAVAILABLE: there is none with this number. */
export function natDelete(t: IpfwTool, id: number): number {
  const error = t.opts.testOnly ? 0 : t.fw.nats.destroy(id);
  if (error === 0) return 0;
  if (!t.opts.quiet) t.warn(`nat ${id} not available`, error === ENOENT ? ESRCH : error);
  return EX_UNAVAILABLE;
}

/** @param words behind `show`: what, and of which */
export function natShow(t: IpfwTool, words: readonly string[]): void {
  if (t.opts.testOnly) return;
  let what: 'config' | 'log' | null = null;
  let name: string | null = null;
  for (const word of words) {
    if ('config'.startsWith(word)) what = 'config';
    else if (word === 'log') what = 'log';
    else if (name !== null) t.errx(EX_USAGE, 'only one instance name may be specified');
    else name = word;
  }
  if (what === null) return t.errx(EX_USAGE, 'Please specify action. Available: config,log');
  const all = t.fw.nats.list();
  const shown = name === null ? all : all.filter(({ config }) => String(config.id) === name);
  if (name !== null && shown.length === 0) return t.err(EX_OSERR, `Error getting nat ${name} instance info`, ESRCH);
  for (const nat of shown) t.out(what === 'config' ? configText(nat.config) : logText(nat));
  return undefined;
}

/** Of an instance that logs; '' for the others. */
function logText({ config, la }: IpfwNat): string {
  return (config.mode & PKT_ALIAS_LOG) === 0 ? '' : `nat ${config.id}: ${la.statsLine()}\n`;
}
