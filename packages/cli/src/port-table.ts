/**
 * port-table.ts — taps that guests are plugged into, as `netloom ps` prints them.
 */
import type { Attachment } from '@netloom/node/client';
import { table } from './cli-io.js';

const HEAD = ['PORT', 'DEVICE', 'STATE', 'GUESTS', 'FROM GUEST', 'BYTES', 'TO GUEST', 'BYTES', 'DROPS'];

export function portTable(attachments: readonly Attachment[]): string {
  return table(HEAD, attachments.flatMap(({ vnet, interface: ifname, device, port }) => {
    if (port === undefined) return [];
    const { fromGuest, toGuest } = port;
    const numbers = [port.connects, fromGuest.frames, fromGuest.bytes, toGuest.frames, toGuest.bytes, fromGuest.drops + toGuest.drops];
    return [[`${vnet}:${ifname}`, device, port.state, ...numbers.map((n) => String(n))]];
  }));
}
