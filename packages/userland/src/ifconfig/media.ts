/**
 * media.ts — `media:` and `status:` lines, and the words that choose a medium: `media`, `mediaopt`, `mode`, `instance`.
 * Read first: ifconfig(8), ifmedia(4); media-words.ts.
 *
 * Theory of operation. The words of one command line build one media word, starting from what the interface has, and the interface is asked
 * for it once, at the end of the line. What it does not have, it refuses; a name that means nothing is refused at once. Ethernet has no modes,
 * so a mode asks for something that no interface has.
 */
import { EINVAL, ENXIO, IFM_FDX, IFM_HDX, IFM_INST_MAX, IFM_INST_SHIFT, IFM_MODE_MASK, IFM_TYPE_MASK, ifMedia, ifSetMedia } from '@netloom/core';
import type { IfMedia, Ifnet } from '@netloom/core';
import { request } from './if-request.js';
import { atoi, word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';
import { mediaArguments, mediaOption, mediaSubtype, mediaText } from './media-words.js';

const INST_MASK = (IFM_INST_MAX << IFM_INST_SHIFT) >>> 0;
/** A mode nobody has. */
const NO_MODE = -1;

/** The text of `media:`. */
export function mediaLine(media: IfMedia): string {
  const { current, effective } = media;
  return `${mediaText(current, true)}${effective === current ? '' : ` (${mediaText(effective, false)})`}`;
}

/** The text of `status:`. */
export function carrierStatus(media: IfMedia): string {
  return media.active ? 'active' : 'no carrier';
}

export function mediaStatus(cx: Invocation, ifp: Ifnet): void {
  const media = ifMedia(ifp);
  if (media === null) return;
  cx.out(`\tmedia: ${mediaLine(media)}\n\tstatus: ${carrierStatus(media)}\n`);
  if (cx.args.supportedMedia) cx.out(`\tsupported media:\n${media.supported.map((word) => `\t\t${mediaArguments(word)}\n`).join('')}`);
}

/** Changes the word that is going to be asked for. */
function build(cx: Invocation, change: (current: number, media: IfMedia) => number): void {
  const media = cx.ifp === null ? null : ifMedia(cx.ifp);
  if (media === null) return cx.err(`${cx.ifname}: ifconfig_media_get_mediareq`, cx.ifp === null ? ENXIO : EINVAL);
  cx.mediaWord = change(cx.mediaWord ?? media.current, media);
  cx.callbacks.unshift(applyMedia);
}

/** The first of them does it for all. */
function applyMedia(cx: Invocation): void {
  const word = cx.mediaWord;
  if (word === null) return;
  cx.mediaWord = null;
  cx.check('SIOCSIFMEDIA (media)', request(cx, (ifp) => ifSetMedia(ifp, word)));
}

function setMedia(cx: Invocation, name: string): void {
  build(cx, (current, media) => {
    const subtype = mediaSubtype(name) ?? cx.errx(`unknown media subtype: ${name}`);
    return (current & INST_MASK) | ((media.supported[0] ?? media.current) & IFM_TYPE_MASK) | subtype;
  });
}

/** The bits of `a,b,c`. */
function options(cx: Invocation, names: string): number {
  return names.split(',').filter((name) => name !== '').reduce((bits, name) => bits | (mediaOption(name) ?? cx.errx(`unknown option: ${name}`)), 0);
}

function setOptions(cx: Invocation, names: string): void {
  build(cx, (current) => {
    const bits = options(cx, names);
    return (bits & IFM_HDX) !== 0 ? (current & ~IFM_FDX) | (bits & ~IFM_HDX) : current | bits;
  });
}

function clearOptions(cx: Invocation, names: string): void {
  build(cx, (current) => current & ~options(cx, names));
}

function setInstance(cx: Invocation, value: string): void {
  build(cx, (current) => {
    const instance = atoi(value);
    if (instance < 0 || instance > IFM_INST_MAX) cx.errx(`invalid media instance: ${value}`);
    return (current & ~INST_MASK) | (instance << IFM_INST_SHIFT);
  });
}

function setMode(cx: Invocation): void {
  build(cx, (current) => (current & ~IFM_MODE_MASK) | NO_MODE);
}

export const MEDIA_COMMANDS: readonly Command[] = [
  word1('media', setMedia),
  word1('mediaopt', setOptions),
  word1('-mediaopt', clearOptions),
  word1('mode', setMode),
  word1('inst', setInstance),
  word1('instance', setInstance),
];
