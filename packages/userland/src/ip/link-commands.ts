/**
 * link-commands.ts — ip link add, set, del and show.
 * Read first: ip-link(8); iproute2's `ip/iplink.c`.
 */
import {
  EEXIST, EINVAL, EOPNOTSUPP, IFF_UP, TC_OK, ifCloneCreate, ifCloneDestroy, ifRename, ifSetDescription, ifSetFlags, ifSetLladdr, ifSetMtu, tcRefuse,
} from '@netloom/core';
import type { Errno, Ifnet, Net, TcAnswer } from '@netloom/core';
import { macParse } from '@netloom/core/wire';
import { EXIT_USAGE, EXIT_WRONG, matches, parseU32 } from '../tc/tc-args.js';
import type { TcArgs } from '../tc/tc-args.js';
import { EXIT_KERNEL, talk } from '../tc/tc-context.js';
import { showLinks } from './link-show.js';
import type { LinkContext } from './link-show.js';

export const IP_USAGE = `Usage: ip [ OPTIONS ] link { COMMAND | help }
where  OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -j[son] | -p[retty] }

       ip link add [ name ] NAME type ifb
       ip link delete [ dev ] DEVICE [ type ifb ]
       ip link set [ dev ] DEVICE [ { up | down } ] [ mtu MTU ] [ address LLADDR ] [ name NEWNAME ] [ alias NAME ]
       ip link show [ DEVICE ] [ up ] [ type TYPE ]

       ip link add ifb0 type ifb
       ip link set ifb0 up
`;

/** Kinds that `add` makes. Others want parameters that ifconfig has words for. */
const TYPES = ['ifb', 'bridge', 'dummy'];
/** What a kind is called here. */
const CLONER: Readonly<Record<string, string>> = { ifb: 'ifb', bridge: 'bridge', dummy: 'edsc' };

export function linkCommand(cx: LinkContext, args: TcArgs): number {
  const word = args.take() ?? 'show';
  if (matches(word, 'add')) return add(cx, args);
  if (matches(word, 'set') || matches(word, 'change')) return set(cx, args);
  if (matches(word, 'delete')) return remove(cx, args);
  if (['show', 'lst', 'list'].some((name) => matches(word, name))) return show(cx, args);
  if (matches(word, 'help')) {
    cx.p.err(IP_USAGE);
    return EXIT_USAGE;
  }
  cx.p.err(`Command "${word}" is unknown, try "ip link help".\n`);
  return EXIT_USAGE;
}

function answerOf(error: Errno): TcAnswer {
  return error === 0 ? TC_OK : tcRefuse(error);
}

/** The interface; a number is the exit code. */
function find({ p }: LinkContext, name: string): Ifnet | number {
  const ifp = p.vnet.net.ifunit(name);
  if (ifp !== null) return ifp;
  p.err(name === '' ? 'Not enough information: "dev" argument is required.\n' : `Cannot find device "${name}"\n`);
  return name === '' ? EXIT_USAGE : EXIT_WRONG;
}

/** Words nobody here knows. */
function unknown(cx: LinkContext, word: string): number {
  cx.p.err(`Error: either "dev" is duplicate, or "${word}" is a garbage.\n`);
  return EXIT_USAGE;
}

function add(cx: LinkContext, args: TcArgs): number {
  const { p } = cx;
  let name = '';
  let type = '';
  while (args.left > 0 && type === '') {
    const { word } = args;
    if (matches(word, 'name') || word === 'dev') name = args.value();
    else if (matches(word, 'type')) type = args.value();
    else if (name === '') name = args.take() ?? '';
    else return unknown(cx, word);
  }
  if (args.left > 0) {
    p.err(`ip link add: "${args.word}" is not built in for type ${type}: use ifconfig\n`);
    return EXIT_USAGE;
  }
  if (type === '') {
    p.err('Not enough information: "type" argument is required\n');
    return EXIT_WRONG;
  }
  const cloner = CLONER[type];
  if (cloner === undefined) {
    p.err(`Error: Unknown device type.\nip link add makes ${TYPES.join(', ')}; others are made with ifconfig.\n`);
    return EXIT_KERNEL;
  }
  return talk(p, () => answerOf(create(p.vnet.net, cloner, name)));
}

/** Made under a name of its kind, then called as it was to be. */
function create(net: Net, cloner: string, name: string): Errno {
  if (net.ifunit(name) !== null) return EEXIST;
  const own = name === '' || (name.startsWith(cloner) && /^(0|[1-9][0-9]{0,4})$/.test(name.slice(cloner.length)));
  const made = ifCloneCreate(net, own && name !== '' ? name : cloner);
  if (made.ifp === null || own) return made.error;
  const error = ifRename(made.ifp, name);
  if (error !== 0) ifCloneDestroy(net, made.ifp.xname);
  return error;
}

function set(cx: LinkContext, args: TcArgs): number {
  const { p } = cx;
  let dev = '';
  const changes: ((ifp: Ifnet) => Errno)[] = [];
  while (args.left > 0) {
    const { word } = args;
    if (word === 'up' || word === 'down') {
      args.skip();
      changes.push((ifp) => ifSetFlags(ifp, word === 'up' ? ifp.flags | IFF_UP : ifp.flags & ~IFF_UP));
    } else if (word === 'mtu') {
      const text = args.value();
      const mtu = parseU32(text) ?? args.wrong('Invalid "mtu" value\n', text);
      changes.push((ifp) => ifSetMtu(ifp, mtu));
    } else if (matches(word, 'address')) {
      const text = args.value();
      const mac = macParse(text);
      if (mac === null) {
        p.err(`"${text}" is invalid lladdr.\n`);
        return EXIT_WRONG;
      }
      changes.push((ifp) => ifSetLladdr(ifp, mac));
    } else if (word === 'name') {
      const name = args.value();
      changes.push((ifp) => ifRename(ifp, name));
    } else if (word === 'alias') {
      const text = args.value();
      changes.push((ifp) => ifSetDescription(ifp, text));
    } else if (dev === '') {
      dev = word === 'dev' ? args.value() : (args.take() ?? '');
    } else {
      p.err(`ip link set: "${word}" is not built in: use ifconfig\n`);
      return EXIT_USAGE;
    }
  }
  const ifp = find(cx, dev);
  if (typeof ifp === 'number') return ifp;
  return talk(p, () => answerOf(changes.reduce<Errno>((error, change) => (error === 0 ? change(ifp) : error), 0)));
}

function remove(cx: LinkContext, args: TcArgs): number {
  const { p } = cx;
  let dev = '';
  let type = '';
  while (args.left > 0) {
    const { word } = args;
    if (matches(word, 'type')) type = args.value();
    else if (word === 'dev') dev = args.value();
    else if (dev === '') dev = args.take() ?? '';
    else return unknown(cx, word);
  }
  const ifp = find(cx, dev);
  if (typeof ifp === 'number') return ifp;
  if (type !== '' && ifp.cloner !== (CLONER[type] ?? type)) return talk(p, () => tcRefuse(EINVAL));
  return talk(p, () => {
    const error = ifCloneDestroy(p.vnet.net, ifp.xname);
    // What no cloner made cannot be deleted; Linux says it so.
    return answerOf(error === EINVAL ? EOPNOTSUPP : error);
  });
}

function show(cx: LinkContext, args: TcArgs): number {
  let dev = '';
  let up = false;
  let type = '';
  while (args.left > 0) {
    const { word } = args;
    if (word === 'up') {
      up = true;
      args.skip();
    } else if (word === 'type') type = args.value();
    else if (dev === '') dev = word === 'dev' ? args.value() : (args.take() ?? '');
    else return unknown(cx, word);
  }
  const net = cx.p.vnet.net;
  const one = dev === '' ? null : net.ifunit(dev);
  if (dev !== '' && one === null) {
    cx.p.err(`Device "${dev}" does not exist.\n`);
    return EXIT_WRONG;
  }
  const list = one === null ? [...net.ifnets].sort((a, b) => a.index - b.index) : [one];
  showLinks(cx, list.filter((ifp) => (!up || ifp.isUp) && (type === '' || ifp.cloner === (CLONER[type] ?? type))));
  return 0;
}
