/**
 * upgrades.ts — connections that stop being HTTP: a tool's stream, a machine's console.
 * Read first: RFC 9110 §7.8.
 *
 * A protocol is asked whether it serves a request; it answers with a function that takes the connection over, or with a line that says why not. The
 * answer 101 and what the server says at once leave in one write.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';

/** Takes a connection over; `head` has come with the request. */
export type UpgradeServer = (socket: Duplex, head: Buffer) => void;

export interface UpgradeProtocol {
  /** What the client puts into `Upgrade:`. */
  readonly name: string;
  /** `METHOD URL` of the requests that may be upgraded, for people. */
  readonly where: string;
  /** null: not one of its requests. A text: the status and line of a refusal. */
  serve(request: IncomingMessage): UpgradeServer | string | null;
}

/** Serves upgrades. Returns the set of the connections that are open. */
export function serveUpgrades(app: FastifyInstance, protocols: readonly UpgradeProtocol[]): Set<Duplex> {
  const streams = new Set<Duplex>();
  const known = protocols.map(({ where, name }) => `${where} can be upgraded, to ${name}`).join(', ');
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const served = protocols.find(({ name }) => name === request.headers.upgrade)?.serve(request) ?? `400 only ${known}`;
    if (typeof served === 'string') {
      socket.end(`HTTP/1.1 ${served}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    streams.add(socket);
    socket.once('close', () => streams.delete(socket));
    socket.cork();
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n\r\n`);
    served(socket, head);
    setImmediate(() => socket.uncork());
  });
  return streams;
}
