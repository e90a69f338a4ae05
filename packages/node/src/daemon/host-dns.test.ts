/** host-dns.test.ts — questions to the machine's name servers: truncated, answered by nobody, and by the next one. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { hostDnsQuery } from './host-dns.js';

const QUERY = Uint8Array.of(0x12, 0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
const answer = (hi: number, last: number): Uint8Array => Uint8Array.of(0x12, 0x34, hi, 0, 0, 0, 0, 0, 0, 0, 0, last);
const ends: (() => void)[] = [];
afterEach(() => ends.splice(0).forEach((end) => end()));

async function server(reply: Uint8Array): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.on('message', (_m, from) => {
    socket.send(Uint8Array.of(0, 0, 0x80, 0), from.port, from.address);
    socket.send(reply, from.port, from.address);
  });
  ends.push(() => socket.close());
  return socket.address().port;
}

it('takes the answer with its number, from the next server where the first is refused', async () => {
  const gone = createSocket('udp4').bind(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port: closed } = gone.address();
  gone.close();
  const port = await server(answer(0x81, 7));
  expect(await hostDnsQuery(QUERY, [`127.0.0.1:${closed}`, `127.0.0.1:${port}`])).toEqual(answer(0x81, 7));
});

it('fetches over TCP what was truncated', async () => {
  const port = await server(answer(0x83, 7));
  const tcp = createServer((socket) => {
    socket.once('data', (asked) => {
      expect([...asked]).toEqual([0, QUERY.length, ...QUERY]);
      socket.write(Uint8Array.of(0));
      socket.end(Uint8Array.of(12, ...answer(0x81, 9)));
    });
  });
  tcp.listen(port, '127.0.0.1');
  await once(tcp, 'listening');
  ends.push(() => tcp.close());
  expect(await hostDnsQuery(QUERY, [`127.0.0.1:${port}`])).toEqual(answer(0x81, 9));
});

it('says when nobody answers', async () => {
  await expect(hostDnsQuery(QUERY, [])).rejects.toThrow('Connection timed out');
});
