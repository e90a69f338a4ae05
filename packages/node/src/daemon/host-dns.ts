/**
 * host-dns.ts — a question to the machine's own name servers: a DNS message sent as it is, and the answer as it came.
 *
 * Read first: packages/userland/src/proc.ts (ProcHost); resolv.conf(5).
 *
 * Theory of operation. The servers are those that the machine is configured with (dns.getServers), asked one after the other over UDP, from a port of its own each time; an answer that was truncated
 * is fetched over TCP. An answer counts when its number is the query's; whoever asked compares the question.
 *
 * Not here: the machine's hosts file, and names that only its other services know.
 */
import { createSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { createConnection, isIP, isIPv6 } from 'node:net';
import { HostError } from '@netloom/userland';

const TRY_MS = 2_500;
const PORT = 53;
const TRUNCATED = 0x02;
const FLAGS_HI = 2;
const MESSAGE_MAX = 65_535;

/** `1.2.3.4`, `1.2.3.4:5353`, `[::1]:5353`, `::1`. */
function endOf(server: string): { readonly host: string; readonly port: number } {
  const bracket = /^\[(.*)\]:(\d+)$/.exec(server);
  if (bracket !== null) return { host: bracket[1] ?? '', port: Number(bracket[2]) };
  if (isIP(server) !== 0) return { host: server, port: PORT };
  const colon = server.lastIndexOf(':');
  return { host: server.slice(0, colon), port: Number(server.slice(colon + 1)) };
}

function overUdp(query: Uint8Array, host: string, port: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    const end = (error: Error | null, answer: Buffer): void => {
      clearTimeout(timer);
      socket.close();
      if (error === null) resolve(answer);
      else reject(error);
    };
    const timer = setTimeout(() => end(new Error('timed out'), Buffer.alloc(0)), TRY_MS);
    socket.on('error', (error) => end(error, Buffer.alloc(0)));
    socket.on('message', (message) => {
      if (message.length > FLAGS_HI && message[0] === query[0] && message[1] === query[1]) end(null, message);
    });
    socket.connect(port, host, () => socket.send(query));
  });
}

function overTcp(query: Uint8Array, host: string, port: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port, timeout: TRY_MS });
    let have = Buffer.alloc(0);
    const end = (error: Error | null, answer: Buffer): void => {
      socket.destroy();
      if (error === null) resolve(answer);
      else reject(error);
    };
    socket.on('connect', () => socket.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 0xff]), query])));
    socket.on('timeout', () => end(new Error('timed out'), have));
    socket.on('error', (error) => end(error, have));
    socket.on('end', () => end(new Error('cut off'), have));
    socket.on('data', (part) => {
      have = Buffer.concat([have, part]);
      const length = have.length < 2 ? MESSAGE_MAX : have.readUInt16BE(0);
      if (have.length >= 2 + length) end(null, have.subarray(2, 2 + length));
    });
  });
}

/** The first answer of the machine's name servers. Rejects with HostError ETIMEDOUT when none of them answers. */
export async function hostDnsQuery(query: Uint8Array, servers: readonly string[] = getServers()): Promise<Uint8Array> {
  const bytes = Uint8Array.from(query);
  for (const { host, port } of servers.map((s) => endOf(s))) {
    try {
      const answer = await overUdp(bytes, host, port);
      return ((answer[FLAGS_HI] ?? 0) & TRUNCATED) === 0 ? Uint8Array.from(answer) : Uint8Array.from(await overTcp(bytes, host, port));
    } catch {
      // The next one may do better.
    }
  }
  throw new HostError('ETIMEDOUT', 'Connection timed out');
}
