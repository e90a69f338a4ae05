/**
 * dgram-of.ts — a vnet's UDP shaped like `import dgram from 'node:dgram'`.
 * Read first: Node's dgram; vnet-dgram-socket.ts.
 *
 *     const dgram = dgramOf(vnet);
 *     const socket = dgram.createSocket('udp4', (data, from) => socket.send(data, from.port, from.address)).bind(7);
 *
 * One module per vnet, as with netOf.
 */
import type { Vnet } from '@netloom/core';
import { vnetLookup } from './lookup.js';
import type { LookupFunction } from './lookup.js';
import { VnetDgramSocket } from './vnet-dgram-socket.js';
import type { DgramSocketOptions, RemoteInfo } from './vnet-dgram-socket.js';
import { VnetDoor } from './vnet-door.js';

type OnMessage = (data: Buffer, from: RemoteInfo) => void;

export interface VnetDgram {
  readonly Socket: new (options: DgramSocketOptions | 'udp4' | 'udp6', listener?: OnMessage) => VnetDgramSocket;
  createSocket(options: DgramSocketOptions | 'udp4' | 'udp6', listener?: OnMessage): VnetDgramSocket;
}

export interface DgramOfOptions {
  /** Resolves names for sockets that are given none; without it the vnet's name servers are asked. */
  readonly lookup?: LookupFunction;
}

const modules = new WeakMap<Vnet, VnetDgram>();

/** The module of `vnet`. `options` count the first time. */
export function dgramOf(vnet: Vnet, options: DgramOfOptions = {}): VnetDgram {
  const known = modules.get(vnet);
  if (known !== undefined) return known;
  const door = new VnetDoor(vnet);
  const lookup = options.lookup ?? vnetLookup(door);
  class Socket extends VnetDgramSocket {
    constructor(o: DgramSocketOptions | 'udp4' | 'udp6', listener?: OnMessage) {
      super(door, lookup, typeof o === 'string' ? { type: o } : o, listener);
    }
  }
  const made: VnetDgram = { Socket, createSocket: (o, listener) => new Socket(o, listener) };
  modules.set(vnet, made);
  return made;
}
