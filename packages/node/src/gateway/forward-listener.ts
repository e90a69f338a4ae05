/**
 * forward-listener.ts — a port of the host that leads to one of a guest.
 * Read first: forward-rule.ts; core/src/gateway/gateway-tcp.ts and gateway-udp.ts (forward).
 *
 * A connection is accepted by the host before the guest is asked, because the host's kernel does so; when the guest refuses, it is reset. Of datagrams, each
 * sender is a flow of its own, which the gateway forgets when it has been quiet.
 * Closing a listener ends neither connections nor flows that are there: the gateway does, when it closes.
 */
import dgram from 'node:dgram';
import net from 'node:net';
import { once } from 'node:events';
import type { Gateway, HostEnd, HostUdp, PacketBuffer, SockAddr } from '@netloom/core';
import { ip4Parse, ip6Parse } from '@netloom/core/wire';
import type { ForwardEnd, ForwardRule } from './forward-rule.js';
import { TcpPipe } from './tcp-pipe.js';
import type { PipeShop } from './tcp-pipe.js';
import { sendPacket } from './udp-end.js';

export interface ForwardListener {
  close(): void;
}

/** Listens on the host for `rule`. Rejects with the host's error. */
export function openForward(gateway: Gateway, shop: PipeShop, rule: ForwardRule): Promise<ForwardListener> {
  return rule.proto === 'tcp' ? listenTcp(gateway, shop, rule) : listenUdp(gateway, shop, rule);
}

function guestAddr({ address }: ForwardEnd): SockAddr {
  return ip4Parse(address) ?? { addr: ip6Parse(address) ?? new Uint8Array(16), scopeId: 0 };
}

function hostEnd(address: string, port: number): HostEnd {
  return { family: address.includes(':') ? 6 : 4, address, port };
}

async function listenTcp(gateway: Gateway, shop: PipeShop, { listen, to }: ForwardRule): Promise<ForwardListener> {
  const addr = guestAddr(to);
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (sock) => {
    const pipe = TcpPipe.accepted(shop, sock);
    const from = hostEnd(sock.remoteAddress ?? '', sock.remotePort ?? 0);
    const flow = shop.door.call(() => gateway.opened?.tcp.forward(pipe, from, addr, to.port));
    if (typeof flow === 'object') pipe.follow(flow);
    else sock.resetAndDestroy();
  });
  server.listen({ port: listen.port, ...(listen.address === '' ? {} : { host: listen.address }) });
  await once(server, 'listening');
  return { close: () => void server.close() };
}

/** The way back to one sender. */
class Sender implements HostUdp {
  private readonly sock: dgram.Socket;
  private readonly shop: PipeShop;
  private readonly address: string;
  private readonly port: number;
  private readonly gone: () => void;

  constructor(sock: dgram.Socket, shop: PipeShop, { address, port }: dgram.RemoteInfo, gone: () => void) {
    this.sock = sock;
    this.shop = shop;
    this.address = address;
    this.port = port;
    this.gone = gone;
  }

  send(m: PacketBuffer): boolean {
    try {
      sendPacket(this.shop, m, (piece, done) => this.sock.send(piece, this.port, this.address, done));
      return true;
    } catch {
      return false; // the listener is closed
    }
  }

  close(): void {
    this.gone();
  }
}

async function listenUdp(gateway: Gateway, shop: PipeShop, { listen, to }: ForwardRule): Promise<ForwardListener> {
  const addr = guestAddr(to);
  const senders = new Map<string, { input(data: Uint8Array): void }>();
  const six = listen.address.includes(':');
  const sock = dgram.createSocket({ type: six ? 'udp6' : 'udp4', ipv6Only: six });
  const flowOf = (from: dgram.RemoteInfo): { input(data: Uint8Array): void } | null => {
    const key = `${from.address} ${from.port}`;
    const there = senders.get(key);
    if (there !== undefined) return there;
    const sender = new Sender(sock, shop, from, () => senders.delete(key));
    const flow = shop.door.call(() => gateway.opened?.udp.forward(sender, hostEnd(from.address, from.port), addr, to.port));
    if (typeof flow !== 'object') return null;
    senders.set(key, flow);
    return flow;
  };
  sock.on('message', (data, from) => flowOf(from)?.input(data));
  sock.bind({ port: listen.port, ...(listen.address === '' ? {} : { address: listen.address }) });
  await once(sock, 'listening');
  sock.on('error', () => undefined); // a datagram that could not be sent back is lost
  return { close: () => sock.close() };
}
