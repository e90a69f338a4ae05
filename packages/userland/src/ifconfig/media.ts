/**
 * media.ts — `media:` and `status:` lines, and the media words.
 * Read first: ifconfig(8), ifmedia(4).
 *
 * An interface here has one medium, which its driver names; there is nothing to choose, so `media` accepts that one and refuses others.
 */
import type { Ifnet } from '@netloom/core';
import { ENXIO } from '@netloom/core';
import { word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

/** 'Ethernet 10Gbase-T (…)' → '10Gbase-T' */
function subtype(media: string): string {
  return media.split(' ')[1] ?? media;
}

export function mediaStatus(cx: Invocation, ifp: Ifnet): void {
  const media = ifp.driver.media?.(ifp) ?? null;
  if (media === null) return;
  cx.out(`\tmedia: ${media.media}\n\tstatus: ${media.active ? 'active' : 'no carrier'}\n`);
  if (cx.args.supportedMedia) cx.out(`\tsupported media:\n\t\tmedia ${subtype(media.media)}\n`);
}

function current(cx: Invocation): string {
  const { ifp } = cx;
  const media = ifp === null ? null : (ifp.driver.media?.(ifp) ?? null);
  return media === null ? cx.err(`${cx.ifname}: ifconfig_media_get_mediareq`, ENXIO) : subtype(media.media);
}

function setMedia(cx: Invocation, value: string): void {
  if (current(cx).toLowerCase() !== value.toLowerCase()) cx.errx(`unknown media subtype: ${value}`);
}

function setOption(cx: Invocation, value: string): void {
  current(cx);
  if (value !== 'full-duplex') cx.errx(`unknown media option: ${value}`);
}

export const MEDIA_COMMANDS: readonly Command[] = [
  word1('media', setMedia), word1('mediaopt', setOption), word1('-mediaopt', setOption), word1('mode', current), word1('inst', current), word1('instance', current),
];
