/**
 * address-words.ts — words about addresses of any family: `alias`, `delete`, `netmask`, `broadcast`, and an address itself.
 * Read first: ifconfig(8).
 */
import { EADDRNOTAVAIL } from '@netloom/core';
import { word, word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

/** A word that is no command is an address: the first one the interface's, the next one the far end. */
export function addressWord(cx: Invocation, text: string): void {
  if (cx.setaddr) return cx.family.getaddr(cx, text, 'dstaddr');
  cx.setaddr = true;
  if (cx.doalias === 0 && cx.family.remove !== undefined) cx.clearaddr = true;
  cx.family.getaddr(cx, text, cx.doalias >= 0 ? 'addr' : 'ridaddr');
}

function alias(cx: Invocation): void {
  cx.doalias = 1;
  cx.clearaddr = false;
}

function unalias(cx: Invocation): void {
  if (cx.setaddr && cx.doalias === 0) cx.family.copyaddr?.(cx);
  cx.doalias = -1;
  cx.clearaddr = true;
  cx.newaddr = false;
}

function netmask(cx: Invocation, text: string): void {
  cx.setmask = true;
  cx.family.getaddr(cx, text, 'mask');
}

export const ADDRESS_COMMANDS: readonly Command[] = [
  word('add', alias),
  word('alias', alias),
  word('-alias', unalias),
  word('delete', unalias),
  word('remove', unalias),
  word1('netmask', netmask),
  word1('broadcast', (cx, text) => cx.family.getaddr(cx, text, 'brdaddr')),
];

/** Removes and sets the addresses the words asked for. An interface that had no address to replace is no error. */
export function applyAddresses(cx: Invocation): void {
  const { family } = cx;
  if (cx.clearaddr) {
    if (family.remove === undefined) cx.warnx(`interface ${cx.ifname} cannot change ${family.name} addresses!`);
    const error = family.remove?.(cx) ?? 0;
    if (error !== 0 && !(error === EADDRNOTAVAIL && cx.doalias >= 0)) cx.perror('ioctl (SIOCDIFADDR)', error);
  }
  if (cx.newaddr && (cx.setaddr || cx.setmask)) {
    const error = family.add(cx);
    if (error !== 0) cx.perror('ioctl (SIOCAIFADDR)', error);
  }
}
