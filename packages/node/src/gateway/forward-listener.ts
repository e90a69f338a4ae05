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
import type { Gateway, HostEnd, HostUdp, SockAddr, UdpFlow } from '@netloom/core';
import { ip4Parse, ip6Parse } from '@netloom/core/wire';
import { DatagramsOut } from './datagrams-out.js';
import type { PacketsOut } from './datagrams-out.js';
import type { ForwardEnd, ForwardRule } from './forward-rule.js';
import { TcpPipe } from './tcp-pipe.js';
import type { PipeShop } from './tcp-pipe.js';

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
  server.on('error', () => undefined); // one that could not be accepted, for want of descriptors, is its sender's loss
  return { close: () => void server.close() };
}

/** A port for datagrams, and the ways back to those who send to it. */
class UdpListener implements ForwardListener {
  readonly sock: dgram.Socket;
  private readonly out: DatagramsOut;
  private closed = false;

  constructor(out: PacketsOut, address: string) {
    const six = address.includes(':');
    this.sock = dgram.createSocket({ type: six ? 'udp6' : 'udp4', ipv6Only: six });
    this.out = new DatagramsOut(out);
  }

  /** Rejects with the host's error. */
  async listen({ address, port }: ForwardEnd): Promise<void> {
    try {
      this.sock.bind({ port, ...(address === '' ? {} : { address }) });
      await once(this.sock, 'listening');
    } catch (error) {
      this.close();
      throw error;
    }
    this.sock.on('error', () => undefined); // a datagram that could not be sent back is lost
  }

  /** The way back to one sender; `gone` is called when its flow ends. */
  sender({ address, port }: dgram.RemoteInfo, gone: () => void): HostUdp {
    return {
      send: (m) => {
        if (this.closed || !this.out.take(m)) return false;
        this.out.send(m, (piece, done) => this.sock.send(piece, port, address, done));
        return true;
      },
      close: gone,
    };
  }

  close(): void {
    this.closed = true;
    this.sock.close();
  }
}

async function listenUdp(gateway: Gateway, shop: PipeShop, { listen, to }: ForwardRule): Promise<ForwardListener> {
  const addr = guestAddr(to);
  const senders = new Map<string, UdpFlow>();
  const listener = new UdpListener(shop.out, listen.address);
  const flowOf = (from: dgram.RemoteInfo): UdpFlow | null => {
    const key = `${from.address} ${from.port}`;
    const there = senders.get(key);
    if (there !== undefined) return there;
    const sender = listener.sender(from, () => senders.delete(key));
    const flow = shop.door.call(() => gateway.opened?.udp.forward(sender, hostEnd(from.address, from.port), addr, to.port));
    if (typeof flow !== 'object') return null;
    senders.set(key, flow);
    return flow;
  };
  listener.sock.on('message', (data, from) => flowOf(from)?.input(data));
  await listener.listen(listen);
  return listener;
}
